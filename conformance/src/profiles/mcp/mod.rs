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

/// What was said that no operation is about.
#[derive(Default)]
pub(crate) struct McpState {
    /// What came back for the last text.
    said: Option<Said>,
    /// The revisions that were asked for, each with what was offered.
    offers: Vec<(String, Option<String>)>,
    /// The tools, each time that they were listed.
    lists: Vec<Vec<Value>>,
    /// The progress that was told.
    progress: Vec<messages::Progress>,
    /// What came of operations that were carried out.
    hinted: Vec<tool_hints::HintedCall>,
    /// What came of calls with bad arguments.
    trials: Vec<arguments::Trial>,
    /// Whether Vault was another one after calls none of which a schema allows.
    written: bool,
    /// Session ids that were given out.
    sessions: Vec<Vec<u8>>,
    /// Whether a process that was to end has ended.
    ended: bool,
}

/// The messages of the target, since the connection began or the scenario did.
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

/// What the target said to the suite's own `initialize`.
fn greeting(scenario: &Scenario) -> StepResult<Value> {
    let messages = messages_of_target(scenario, true)?;
    let results = messages
        .into_iter()
        .map(|mut message| message["result"].take());
    let mut greetings = results.filter(|result| result["protocolVersion"].is_string());
    let missing = || StepEnd::not_claimed("the connection began without initialize");
    greetings.next().ok_or_else(missing)
}
