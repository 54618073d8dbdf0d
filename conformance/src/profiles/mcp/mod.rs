//! What client and server say to each other: the protocol, and not what it is used for.
//!
//! Messages right and wrong are in [`messages`], the beginning of a connection in [`opening`], in each mode in [`modes`],
//! what the server says of its tools in [`tools`], operations to which that is held in
//! [`deeds`], bad arguments in [`arguments`], those that are left out in [`defaults`], HTTP in [`http`], the process of a stdio server
//! in [`process`], several servers behind a balancer in [`replicas`], the era without sessions in [`stateless`].

pub(crate) mod arguments;
pub(crate) mod deeds;
pub(crate) mod defaults;
pub(crate) mod http;
pub(crate) mod messages;
pub(crate) mod modes;
pub(crate) mod opening;
pub(crate) mod process;
pub(crate) mod replicas;
pub(crate) mod stateless;
mod steps;
pub(crate) mod tools;

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    mcp::{
        connection::{Connection, Said, Wire},
        http::SESSION,
        http_message::{HttpAnswer, NoHttp},
        inbox::{NoReply, Reply},
        transcript::Speaker,
    },
    scenario::Scenario,
    target::instance::{Bare, Instance},
    verdict::{NotApplicable, StepResult, Stop},
};

/// What was said that no operation is about.
#[derive(Default)]
pub(crate) struct Talk {
    /// What came back for the last text.
    said: Option<Said>,
    /// What came of calls that were made in batches.
    batches: Vec<Said>,
    /// The revisions that were asked for, each with what was offered.
    offers: Vec<(String, Option<String>)>,
    /// The tools, each time that they were listed.
    lists: Vec<Vec<Value>>,
    /// The progress that was told.
    progress: Vec<messages::Progress>,
    /// What came of operations that were carried out.
    deeds: Vec<deeds::Done>,
    /// What came of calls with bad arguments.
    trials: Vec<arguments::Trial>,
    /// Whether Vault was another one after calls none of which a schema allows.
    written: bool,
    /// What came back over HTTP last.
    http: Option<Result<HttpAnswer, NoHttp>>,
    /// Session ids that were given out.
    sessions: Vec<Vec<u8>>,
    /// Whether a process that was to end has ended.
    ended: bool,
}

/// A request with an id of the suite's own choice.
pub(super) fn request(id: &Value, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

pub(super) fn not_claimed(detail: impl Into<String>) -> Stop {
    Stop::NotApplicable {
        reason: NotApplicable::NotClaimed,
        detail: detail.into(),
    }
}

fn no_evidence(detail: impl Into<String>) -> Stop {
    Stop::NotApplicable {
        reason: NotApplicable::NoEvidence,
        detail: detail.into(),
    }
}

/// Takes the further connections away, which have to be ended.
pub(crate) fn take_further_connections(scenario: &mut Scenario) -> Vec<Bare> {
    std::mem::take(&mut scenario.further)
}

pub(super) fn instance(scenario: &Scenario) -> StepResult<&Instance> {
    Ok(&scenario.slot()?.instance)
}

pub(super) fn connection(scenario: &Scenario) -> StepResult<&Connection> {
    Ok(&instance(scenario)?.connection)
}

/// Over HTTP the connection must have a session; over stdio it is one.
///
/// # Errors
/// Not applicable where the server gives out none.
pub(super) fn need_session(scenario: &Scenario) -> StepResult {
    let connection = connection(scenario)?;
    let over_http = matches!(connection.wire(), Wire::Http(_));
    match over_http && !connection.session_headers().contains_key(SESSION) {
        true => Err(not_claimed("the server gives out no sessions")),
        false => Ok(()),
    }
}

/// Asks, and remembers if no answer came.
async fn ask(
    scenario: &mut Scenario,
    method: &str,
    params: Value,
) -> StepResult<Result<Reply, NoReply>> {
    let reply = connection(scenario)?.request(method, params).await;
    scenario.unanswered |= reply.is_err();
    Ok(reply)
}

/// What the target may take to answer.
pub(super) fn patience(scenario: &Scenario) -> Duration {
    scenario.target.adapter.budgets.call()
}

/// A further connection, on which nothing was said yet.
async fn connect_again(scenario: &mut Scenario) -> StepResult<&Connection> {
    let another = instance(scenario)?.another().await;
    let another = another.map_err(Stop::blocked)?;
    scenario.further.push(another);
    further_connection(scenario)
}

/// The last of the further connections.
fn further_connection(scenario: &Scenario) -> StepResult<&Connection> {
    let missing = || Stop::blocked("the further connection is gone");
    let bare = scenario.further.last().ok_or_else(missing)?;
    Ok(&bare.connection)
}

/// Ends the further connections.
async fn disconnect(scenario: &mut Scenario) -> StepResult {
    for bare in take_further_connections(scenario) {
        bare.stop().await.map_err(Stop::blocked)?;
    }
    Ok(())
}

/// The messages of the target, since the connection began or the scenario did.
fn messages_of_target(scenario: &Scenario, since_beginning: bool) -> StepResult<Vec<Value>> {
    let transcript = connection(scenario)?.transcript();
    let lines = match since_beginning {
        true => transcript.lines(),
        false => transcript.scenario_lines(),
    };
    let lines = lines.iter().filter(|line| line.speaker == Speaker::Target);
    Ok(lines
        .filter_map(|line| serde_json::from_str(&line.text).ok())
        .collect())
}

/// What the target said to the suite's own `initialize`.
fn greeting(scenario: &Scenario) -> StepResult<Value> {
    let messages = messages_of_target(scenario, true)?;
    let results = messages
        .into_iter()
        .map(|mut message| message["result"].take());
    let mut greetings = results.filter(|result| result["protocolVersion"].is_string());
    let missing = || not_claimed("the connection began without initialize");
    greetings.next().ok_or_else(missing)
}

/// The server must be alive, and do what it is asked next.
///
/// # Errors
/// When it is not, or does not.
pub(crate) async fn expect_next_call_works(scenario: &mut Scenario) -> StepResult {
    let slot = scenario.agents.get_mut(scenario.acting);
    if let Some(ended) = slot.and_then(|agent| agent.slot.instance.ended()) {
        let seen = format!("its process ended: {ended}");
        return Err(scenario.failed("the next call works", &seen));
    }
    let seen = match ask(scenario, "tools/list", json!({})).await? {
        Ok(Reply::Result(page)) if page["tools"].is_array() => return Ok(()),
        Ok(Reply::Result(other)) => format!("tools/list gave {other}"),
        Ok(Reply::Error { code, message }) => {
            format!("tools/list was refused: {code} {message}")
        }
        Err(why) => format!("tools/list was not answered: {why}"),
    };
    Err(scenario.failed("the next call works", &seen))
}
