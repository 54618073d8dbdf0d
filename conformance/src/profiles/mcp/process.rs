//! The process of a server that speaks over its standard streams.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Talk, no_evidence, opening::opening};
use crate::{
    profiles::mcp::{self, messages},
    scenario::Scenario,
    verdict::{StepResult, Stop},
};

/// How long a process is waited for that is to end: most end at once, and a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the server once more, opens the connection, and then closes its standard input
/// or asks it to end (`how`).
///
/// # Errors
/// When it does not start or does not answer.
pub(crate) async fn start_and_end(scenario: &mut Scenario, how: &str) -> StepResult {
    let revision = mcp::instance(scenario)?.server.revision;
    let connection = mcp::connect_again(scenario).await?;
    let said = connection
        .say(&opening("probe-1", revision.name()), true)
        .await;
    if said.success().is_none() {
        return Err(Stop::blocked(format!(
            "it did not start again: {}",
            said.describe()
        )));
    }
    connection
        .notify("notifications/initialized", json!({}))
        .await;
    let [bare] = scenario.further.as_mut_slice() else {
        return Err(Stop::blocked("the scenario started the server twice"));
    };
    match how {
        "its input ends" => bare.close_input().await,
        _ => bare.terminate(),
    }
    scenario.state_mut::<Talk>().ended = bare.ends_within(PATIENCE).await.is_some();
    mcp::disconnect(scenario).await
}

/// The process must have ended.
///
/// # Errors
/// When it has not.
pub(crate) fn expect_ended(scenario: &Scenario) -> StepResult {
    match scenario.state::<Talk>().ended {
        true => Ok(()),
        false => {
            let seen = format!("it still runs after {} s", PATIENCE.as_secs());
            Err(scenario.failed("its process ends", &seen))
        }
    }
}

/// The process must not listen.
///
/// # Errors
/// When it does; not applicable where that cannot be seen.
pub(crate) async fn expect_no_listener(scenario: &Scenario) -> StepResult {
    let ports = mcp::instance(scenario)?.listens_on().await;
    let unseen = || no_evidence("the sockets of its process cannot be seen");
    let ports = ports.ok_or_else(unseen)?;
    match ports.is_empty() {
        true => Ok(()),
        false => {
            let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
            let seen = format!("it listens on port {}", ports.join(", "));
            Err(scenario.failed("no socket that listens", &seen))
        }
    }
}

/// Sends a message of this length, bytes, in one line.
///
/// # Errors
/// When there is no connection.
pub(crate) async fn say_long_line(scenario: &mut Scenario, length: usize) -> StepResult {
    let params = json!({ "name": "x".repeat(length), "arguments": Value::Null });
    let text = super::request(&json!("long-1"), "tools/call", params);
    let said = mcp::connection(scenario)?.say(&text, false).await;
    messages::heard(scenario, said);
    Ok(())
}
