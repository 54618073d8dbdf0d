//! The process of a server that speaks over its standard streams.

use std::time::Duration;

use serde_json::{Value, json};

use super::McpState;
use crate::{
    mcp::request::{initialize, request},
    profiles::mcp::messages,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// How long the suite waits for the end of a process. Most end at once, but a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts the server once more, opens the connection, and then closes its standard input or sends SIGTERM (`how`).
///
/// # Errors
/// If it does not start or does not answer.
pub(crate) async fn start_and_end(scenario: &mut Scenario, how: &str) -> StepResult {
    let revision = scenario.instance()?.server.revision;
    let connection = scenario.connect_again().await?;
    let said = connection
        .say(&initialize("probe-1", revision.name()), true)
        .await;
    if said.success().is_none() {
        return Err(StepEnd::blocked(format!(
            "it did not start again: {}",
            said.describe()
        )));
    }
    connection
        .notify("notifications/initialized", Value::Null)
        .await;
    let [bare] = scenario.agents.connections.as_mut_slice() else {
        return Err(StepEnd::blocked("the scenario started the server twice"));
    };
    match how {
        "closes its input" => bare.close_input().await,
        _ => bare.terminate(),
    }
    scenario.state_mut::<McpState>().ended = bare.ends_within(PATIENCE).await.is_some();
    scenario.disconnect().await
}

/// The process must have ended.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_ended(scenario: &Scenario) -> StepResult {
    match scenario.state::<McpState>().ended {
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
/// If it does; not applicable if this cannot be seen.
pub(crate) async fn expect_no_listener(scenario: &Scenario) -> StepResult {
    let ports = scenario.instance()?.listens_on().await;
    let unseen = || StepEnd::no_evidence("the sockets of its process cannot be seen");
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

/// Sends a message with this length, in bytes, on one line.
///
/// # Errors
/// If there is no connection.
pub(crate) async fn say_long_line(scenario: &mut Scenario, length: usize) -> StepResult {
    let params = json!({ "name": "x".repeat(length), "arguments": Value::Null });
    let text = request(&json!("long-1"), "tools/call", params);
    let said = scenario.connection()?.say(&text, false).await;
    messages::heard(scenario, said);
    Ok(())
}
