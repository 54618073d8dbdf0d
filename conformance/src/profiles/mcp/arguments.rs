//! Invalid arguments: made from each tool's own schema, with one mistake each.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{McpState, tools::name_of};
use crate::{
    engines::Operation,
    instance::setup::Setup,
    mcp::inbox::{NoReply, Reply},
    profiles::mcp::tools,
    scenario::Scenario,
    schema::{self, ArgumentFault, Bad},
    tap::Tap,
    verdict::{StepEnd, StepResult},
    vocabulary::{
        given,
        stage::{self, NEW_MOUNTS},
    },
};

/// Requests that Vault allows for any token, and that no tool call is about.
const HARMLESS: [&str; 2] = ["/v1/sys/capabilities", "/v1/auth/token/"];

/// The maximum length of an answer in a failure, in bytes.
const LONG: usize = 16 << 10;
/// How many times a server that ended is started again.
const MOST_STARTS: usize = 20;
/// An argument that no tool has.
const UNKNOWN: &str = "no_such_argument";

/// A call with an invalid argument, and its result.
pub(crate) struct Trial {
    tool: String,
    argument: String,
    /// Whether the tool's schema allows the arguments.
    fits: bool,
    seen: Seen,
}

/// The result of a call.
enum Seen {
    Success(String),
    Error(String),
    Nothing(NoReply),
}

impl Trial {
    fn describe(&self) -> String {
        let cut = |text: &String| match text.len() {
            0..=LONG => text.clone(),
            long => format!("({long} bytes of text)"),
        };
        let seen = match &self.seen {
            Seen::Success(text) => format!("a success: {}", cut(text)),
            Seen::Error(text) => format!("an error: {}", cut(text)),
            Seen::Nothing(why) => why.to_string(),
        };
        format!("{} with {} so: {seen}", self.tool, self.argument)
    }
}

/// The tools that may be called, mapped or not.
fn callable_tools(scenario: &Scenario) -> StepResult<Vec<Value>> {
    let tools = scenario.instance()?.tools.iter();
    let tools = tools.filter(|tool| scenario.target.may_call(name_of(tool)));
    Ok(tools.cloned().collect())
}

/// Valid arguments for each tool: those of an operation that it performs, on a stage on which that is possible, or
/// otherwise arguments made from its schema.
async fn right_arguments(scenario: &mut Scenario) -> StepResult<Vec<(Value, Value)>> {
    stage::make_shared_stage(scenario).await?;
    scenario.ledger.disclose_all();
    let name = scenario.path_of("made-up");
    let mut calls = Vec::new();
    for tool in callable_tools(scenario)? {
        if tool["execution"]["taskSupport"] == "required" {
            continue;
        }
        let carries = |operation: &Operation| {
            let carrier = tools::tool_of(scenario, *operation);
            carrier.is_some_and(|carrier| name_of(carrier) == name_of(&tool))
        };
        let arguments = match Operation::ALL.into_iter().find(carries) {
            None => schema::required_arguments(&tool["inputSchema"], &name),
            Some(operation) => {
                let act = stage::act_on_shared_stage(scenario, operation).await?;
                let mapping = scenario.target.adapter.operations.get(&operation);
                mapping.map_or(Value::Null, |mapping| mapping.arguments(&act.parameters))
            }
        };
        calls.push((tool, arguments));
    }
    Ok(calls)
}

/// Calls a tool, and records the result.
async fn call(scenario: &mut Scenario, tool: &Value, bad: Bad) -> StepResult {
    let Bad {
        argument,
        arguments,
        fits,
    } = bad;
    let seen = match scenario.call_tool(name_of(tool), &arguments).await? {
        Ok(Reply::Result(result)) => match result["isError"] == true {
            true => Seen::Error(result["content"].to_string()),
            false => Seen::Success(result.to_string()),
        },
        Ok(Reply::Error { code, message }) => Seen::Error(format!("{code} {message}")),
        Err(why) => Seen::Nothing(why),
    };
    scenario.state_mut::<McpState>().trials.push(Trial {
        tool: name_of(tool).to_owned(),
        argument,
        fits,
        seen,
    });
    Ok(())
}

/// Calls every tool with only the arguments that its schema requires.
///
/// # Errors
/// If Vault fails.
pub(crate) async fn call_barely(scenario: &mut Scenario) -> StepResult {
    let name = scenario.path_of("made-up");
    for tool in callable_tools(scenario)? {
        if tool["execution"]["taskSupport"] == "required" {
            continue;
        }
        let arguments = schema::required_arguments(&tool["inputSchema"], &name);
        let bare = Bad {
            argument: "what it requires".to_owned(),
            arguments,
            fits: true,
        };
        call(scenario, &tool, bare).await?;
        if !goes_on(scenario).await? {
            break;
        }
    }
    Ok(())
}

/// Performs every operation once for each optional argument of its tool, without that argument and on objects that exist.
///
/// # Errors
/// If Vault fails.
pub(crate) async fn call_without_each_optional(scenario: &mut Scenario) -> StepResult {
    let mut calls = Vec::new();
    for (operation, mapping) in &scenario.target.adapter.operations {
        let Some(tool) = tools::tool_of(scenario, *operation) else {
            continue;
        };
        let optional = schema::optional_arguments(&tool["inputSchema"], &mapping.arguments);
        let optional = optional.into_iter();
        calls.extend(optional.map(|argument| (*operation, tool.clone(), argument)));
    }
    let prefix = scenario.prefix.clone();
    let mut outcome = Ok(true);
    for (number, (operation, tool, argument)) in calls.into_iter().enumerate() {
        // Each call acts in mounts of its own.
        scenario.prefix = format!("{prefix}{number}-");
        outcome = call_without(scenario, operation, &tool, argument).await;
        if !matches!(outcome, Ok(true)) {
            break;
        }
    }
    scenario.prefix = prefix;
    outcome.map(drop)
}

/// Performs an operation without one argument. Returns whether more calls can be made.
async fn call_without(
    scenario: &mut Scenario,
    operation: Operation,
    tool: &Value,
    argument: String,
) -> StepResult<bool> {
    given::forget_mounts(scenario);
    let act = stage::set_stage(scenario, operation, "pki").await?;
    scenario.ledger.disclose_all();
    let mapping = scenario.target.adapter.operations.get(&operation);
    let mut arguments = mapping.map_or(Value::Null, |m| m.arguments(&act.parameters));
    let given = arguments.as_object_mut();
    if given.and_then(|all| all.remove(&argument)).is_none() {
        // It was empty, and therefore omitted.
        return Ok(true);
    }
    let bad = Bad {
        argument: format!("all arguments of {operation} but {argument:?}"),
        arguments,
        fits: true,
    };
    call(scenario, tool, bad).await?;
    goes_on(scenario).await
}

/// Calls every tool once for each of its arguments, with this fault in it.
///
/// # Errors
/// If Vault fails.
pub(crate) async fn call_with(scenario: &mut Scenario, fault: ArgumentFault) -> StepResult {
    let calls = right_arguments(scenario).await?;
    let before = scenario.snapshot().await?;
    let mut tried = BTreeSet::new();
    // If a call creates a mount, it must be gone before the next call. It must also not stay long for other scenarios,
    // because some servers read all mounts for each call.
    let made = NEW_MOUNTS.map(|name| scenario.path_of(name));
    for (tool, arguments) in calls {
        let bad = fault.inflict(&arguments, &tool["inputSchema"], &mut scenario.random);
        for bad in bad {
            // Long texts are costly, so one tool for each name of an argument is enough.
            if fault == ArgumentFault::Long && !tried.insert(bad.argument.clone()) {
                continue;
            }
            call(scenario, &tool, bad).await?;
            if !goes_on(scenario).await? {
                return Ok(());
            }
            let text = arguments.to_string();
            for path in made.iter().filter(|path| text.contains(*path)) {
                remove_if_told_as_made(scenario, path).await?;
            }
        }
    }
    let never_right = scenario
        .state::<McpState>()
        .trials
        .iter()
        .all(|trial| !trial.fits);
    scenario.state_mut::<McpState>().written = never_right && scenario.snapshot().await? != before;
    Ok(())
}

/// Whether more calls can be made. A server that ended is started again, so that one crash hides nothing.
async fn goes_on(scenario: &mut Scenario) -> StepResult<bool> {
    let trials = &scenario.state::<McpState>().trials;
    let is_silent = |trial: &&Trial| matches!(trial.seen, Seen::Nothing(_));
    match trials.last().map(|trial| &trial.seen) {
        Some(Seen::Nothing(NoReply::Closed(_))) => {}
        Some(Seen::Nothing(_)) => return Ok(false),
        _ => return Ok(true),
    }
    // On a fixed port there is one server at a time, and it is not the suite's to start elsewhere.
    let adapter = &scenario.target.adapter;
    if adapter.remote.is_some()
        || adapter.fixed_port().is_some()
        || trials.iter().filter(is_silent).count() > MOST_STARTS
    {
        return Ok(false);
    }
    scenario.start_server(Setup::default()).await?;
    // Each of the servers works within the scenario's names with a token of its own.
    let agents = scenario.agents.all.iter();
    let tokens: Vec<_> = agents
        .filter_map(|agent| agent.slot.token.clone())
        .collect();
    scenario.agents.further_tokens.extend(tokens);
    Ok(true)
}

async fn remove_if_told_as_made(scenario: &Scenario, path: &str) -> StepResult {
    let last = scenario.state::<McpState>().trials.last();
    match last.is_some_and(|trial| matches!(trial.seen, Seen::Success(_))) {
        true => scenario
            .oracle
            .remove_mounts(path)
            .await
            .map_err(StepEnd::blocked),
        false => Ok(()),
    }
}

/// Calls every tool that only reads with an argument that it does not have.
///
/// # Errors
/// If Vault fails.
pub(crate) async fn call_with_unknown_argument(scenario: &mut Scenario) -> StepResult {
    for (tool, arguments) in right_arguments(scenario).await? {
        let reads = |operation: &Operation| {
            let carrier = tools::tool_of(scenario, *operation);
            operation.reads() && carrier.is_some_and(|carrier| name_of(carrier) == name_of(&tool))
        };
        let additional = &tool["inputSchema"]["additionalProperties"];
        let is_allowed = *additional == true || additional.is_object();
        if is_allowed || !Operation::ALL.iter().any(reads) {
            continue;
        }
        let mut arguments = arguments;
        arguments[UNKNOWN] = json!("x");
        let unknown = Bad {
            argument: UNKNOWN.to_owned(),
            arguments,
            fits: true,
        };
        call(scenario, &tool, unknown).await?;
    }
    Ok(())
}

fn trials(scenario: &Scenario) -> StepResult<&[Trial]> {
    match scenario.state::<McpState>().trials.is_empty() {
        true => Err(StepEnd::not_claimed("no tool can be called this way")),
        false => Ok(&scenario.state::<McpState>().trials),
    }
}

/// The server must have answered every call.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_all_answered(scenario: &Scenario) -> StepResult {
    let silent = |trial: &&Trial| matches!(trial.seen, Seen::Nothing(_));
    let silent: Vec<_> = trials(scenario)?.iter().filter(silent).collect();
    let Some(first) = silent.first() else {
        return Ok(());
    };
    let mut seen = first.describe();
    // Each tool once: the rest is in the transcript.
    let mut tools = BTreeSet::from([&first.tool]);
    for trial in &silent {
        if tools.insert(&trial.tool) {
            seen += &format!("; likewise {} with {}", trial.tool, trial.argument);
        }
    }
    Err(scenario.failed("an answer to every call", &seen))
}

/// A call that the tool's schema does not allow must have returned an error. If all calls were of this kind, nothing
/// may have been written.
///
/// # Errors
/// If one was a success, or something was written.
pub(crate) fn expect_bad_refused(scenario: &Scenario) -> StepResult {
    let wrong = |trial: &&Trial| !trial.fits && matches!(trial.seen, Seen::Success(_));
    if let Some(trial) = trials(scenario)?.iter().find(wrong) {
        let expected = "an error where the tool's own schema does not allow the arguments";
        return Err(scenario.failed(expected, &trial.describe()));
    }
    match scenario.state::<McpState>().written {
        false => Ok(()),
        true => {
            let expected = "nothing is written by calls with bad arguments";
            Err(scenario.failed(
                expected,
                "Vault has changed, though every call returned an error",
            ))
        }
    }
}

/// An error about an argument should name it.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_argument_named(scenario: &Scenario) -> StepResult {
    let nameless = |trial: &&Trial| match &trial.seen {
        Seen::Error(text) if !trial.fits => {
            !text.to_lowercase().contains(&trial.argument.to_lowercase())
        }
        _ => false,
    };
    match trials(scenario)?.iter().find(nameless) {
        None => Ok(()),
        Some(trial) => Err(scenario.failed("an error that names the argument", &trial.describe())),
    }
}

/// All calls should have been errors.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_all_refused(scenario: &Scenario) -> StepResult {
    let accepted = |trial: &&Trial| !matches!(trial.seen, Seen::Error(_));
    match trials(scenario)?.iter().find(accepted) {
        None => Ok(()),
        Some(trial) => Err(scenario.failed("an error", &trial.describe())),
    }
}

/// Nothing outside of the scenario may have been written.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_nothing_written_outside(scenario: &Scenario) -> StepResult {
    let taps = scenario
        .agents
        .all
        .iter()
        .filter_map(|agent| agent.slot.tap.as_ref());
    let exchanges: Vec<_> = taps.flat_map(Tap::exchanges).collect();
    let outside = exchanges.iter().find(|exchange| {
        let reads = matches!(exchange.method.as_str(), "GET" | "LIST" | "HEAD");
        let path = &exchange.path;
        let harmless = HARMLESS.iter().any(|part| path.starts_with(part));
        !reads && exchange.status.is_success() && !path.contains(&scenario.prefix) && !harmless
    });
    outside.map_or(Ok(()), |write| {
        let seen = format!("{} {}", write.method, write.path);
        Err(scenario.failed("nothing written outside of the agent's own mounts", &seen))
    })
}
