//! The protocol between client and server, whatever it is used for.
//!
//! - [`messages`]: valid and invalid messages
//! - [`opening`]: the beginning of a connection; [`modes`]: the same in each mode
//! - [`tools`]: what the server declares about its tools; [`tool_hints`]: operations that are compared with that
//! - [`arguments`]: invalid arguments; [`defaults`]: omitted arguments
//! - [`http`]: HTTP; [`process`]: the process of a stdio server
//! - [`replicas`]: several servers behind a load balancer; [`stateless`]: the era without sessions

pub(crate) mod arguments;
pub(crate) mod defaults;
pub(crate) mod http;
pub(crate) mod messages;
pub(crate) mod modes;
pub(crate) mod opening;
pub(crate) mod process;
pub(crate) mod replicas;
pub(crate) mod stateless;
mod steps;
pub(crate) mod tool_hints;
pub(crate) mod tools;

use serde_json::Value;

use crate::{
    mcp::{connection::Said, transcript::Speaker},
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// What the scenario keeps about the protocol.
#[derive(Default)]
pub(crate) struct McpState {
    /// The answer to the last text.
    said: Option<Said>,
    /// The revisions that were requested, each with the one that the server offered.
    offers: Vec<(String, Option<String>)>,
    /// The tools of each listing.
    lists: Vec<Vec<Value>>,
    /// The progress notifications.
    progress: Vec<messages::Progress>,
    /// The results of operations that were performed.
    hinted: Vec<tool_hints::HintedCall>,
    /// The results of calls with invalid arguments.
    trials: Vec<arguments::Trial>,
    /// Whether Vault changed during calls of which the schema allows none.
    written: bool,
    /// The session ids that the server issued.
    sessions: Vec<Vec<u8>>,
    /// Whether the process has ended that had to.
    ended: bool,
}

/// The messages of the target since the beginning of the connection, or of the scenario.
fn messages_of_target(scenario: &Scenario, since_beginning: bool) -> StepResult<Vec<Value>> {
    let transcript = scenario.connection()?.transcript();
    let lines = match since_beginning {
        true => transcript.lines(),
        false => transcript.scenario_lines(),
    };
    let lines = lines.iter().filter(|line| line.speaker == Speaker::Target);
    Ok(lines
        .filter_map(|line| serde_json::from_str(&line.text).ok())
        .collect())
}

/// The target's answer to the suite's own `initialize`.
fn greeting(scenario: &Scenario) -> StepResult<Value> {
    let messages = messages_of_target(scenario, true)?;
    let results = messages
        .into_iter()
        .map(|mut message| message["result"].take());
    let mut greetings = results.filter(|result| result["protocolVersion"].is_string());
    let missing = || StepEnd::not_claimed("the connection began without initialize");
    greetings.next().ok_or_else(missing)
}
