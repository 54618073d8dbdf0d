//! What the server declares about its tools: names, schemas and hints, and that these do not change.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::McpState;
use crate::{
    engines::Operation,
    mcp::inbox::{Reply, describe},
    profiles::mcp,
    scenario::Scenario,
    schema,
    transport::Era,
    verdict::{StepEnd, StepResult},
};

/// The maximum length of a tool's name.
const LONGEST_NAME: usize = 128;
/// The maximum number of pages of a list.
const MAX_PAGES: usize = 100;

pub(super) fn name_of(tool: &Value) -> &str {
    tool["name"].as_str().unwrap_or_default()
}

/// Every tool's input schema must describe an object, and be valid.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_input_schemas(scenario: &Scenario) -> StepResult {
    for tool in &scenario.instance()?.tools {
        expect_schema(scenario, tool, "inputSchema")?;
    }
    Ok(())
}

/// Every output schema must describe an object, and be valid.
///
/// # Errors
/// If one does not; not applicable if there is none.
pub(crate) fn expect_output_schemas(scenario: &Scenario) -> StepResult {
    let tools = &scenario.instance()?.tools;
    let with: Vec<_> = tools
        .iter()
        .filter(|tool| tool.get("outputSchema").is_some())
        .collect();
    if with.is_empty() {
        return Err(StepEnd::not_claimed("no tool has an output schema"));
    }
    with.into_iter()
        .try_for_each(|tool| expect_schema(scenario, tool, "outputSchema"))
}

fn expect_schema(scenario: &Scenario, tool: &Value, field: &str) -> StepResult {
    // From 2026-07-28 on a structured result can be any JSON value.
    let revision = scenario.planned.revision;
    let is_object = field == "inputSchema" || revision.era() == Era::Session;
    let problem = schema::problem(&tool[field], revision, is_object);
    problem.map_or(Ok(()), |problem| {
        let expected = format!("valid JSON Schema for {field} of {}", name_of(tool));
        Err(scenario.failed(expected, &problem))
    })
}

/// The names of tools must consist of the characters that the protocol recommends, and be unique.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_tool_names(scenario: &Scenario) -> StepResult {
    let mut seen = BTreeSet::new();
    for name in &scenario.instance()?.tool_names {
        let usual = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let right = (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(usual);
        if !right || !seen.insert(name) {
            let expected = "names of 1 to 128 letters, digits, _, - and ., each once";
            return Err(scenario.failed(expected, &format!("{name:?}")));
        }
    }
    Ok(())
}

/// The tool that performs an operation, as listed; `None` if the target hides it.
pub(super) fn tool_of(scenario: &Scenario, operation: Operation) -> Option<&Value> {
    let instance = scenario.instance().ok()?;
    let mapping = scenario.target.adapter.operations.get(&operation)?;
    let name = mapping.tool(&instance.tool_names)?;
    instance.tools.iter().find(|tool| name_of(tool) == name)
}

/// Tools that only read should be marked as read-only.
///
/// # Errors
/// If a tool is not marked that performs operations which read, and none that writes.
pub(crate) fn expect_readers_marked(scenario: &Scenario) -> StepResult {
    let mapped = scenario.target.adapter.operations.keys().copied();
    let (reading, writing): (Vec<_>, Vec<_>) = mapped.partition(|operation| operation.reads());
    let names = |operations: Vec<Operation>| -> BTreeSet<&str> {
        let tools = operations
            .into_iter()
            .filter_map(|operation| tool_of(scenario, operation));
        tools.map(name_of).collect()
    };
    let (readers, writers) = (names(reading), names(writing));
    let silent = |tool: &&Value| {
        let name = name_of(tool);
        let reads = readers.contains(name) && !writers.contains(name);
        reads && tool["annotations"]["readOnlyHint"] != true
    };
    let silent: Vec<_> = scenario
        .instance()?
        .tools
        .iter()
        .filter(silent)
        .map(name_of)
        .collect();
    match silent.is_empty() {
        true => Ok(()),
        false => Err(scenario.failed("readOnlyHint: true on what only reads", &silent.join(", "))),
    }
}

/// Lists the tools again.
///
/// # Errors
/// If this fails.
pub(crate) async fn list_tools_again(scenario: &mut Scenario) -> StepResult {
    if scenario.state::<McpState>().lists.is_empty() {
        let first = scenario.instance()?.tools.clone();
        scenario.state_mut::<McpState>().lists.push(first);
    }
    match scenario.connection()?.list_tools().await {
        Ok(tools) => scenario.state_mut::<McpState>().lists.push(tools),
        Err(why) => return Err(scenario.failed("the list of tools", &why)),
    }
    Ok(())
}

fn lists(scenario: &Scenario) -> StepResult<(&[Value], &[Value])> {
    match scenario.state::<McpState>().lists.as_slice() {
        [first, .., last] => Ok((first, last)),
        _ => Err(StepEnd::blocked(
            "the scenario did not list the tools again",
        )),
    }
}

/// The tools must be the same as before, unless the server reported a change.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_same_tools(scenario: &Scenario) -> StepResult {
    let told = "notifications/tools/list_changed";
    if mcp::messages_of_target(scenario, false)?
        .iter()
        .any(|message| message["method"] == told)
    {
        return Err(StepEnd::no_evidence(
            "the server reported that its tools have changed",
        ));
    }
    let (first, last) = lists(scenario)?;
    let differs = |tool: &&Value| !last.contains(tool);
    let gone = first
        .iter()
        .find(differs)
        .map(|tool| (tool, "is gone or has changed"));
    let new = last
        .iter()
        .find(|tool| !first.contains(tool))
        .map(|tool| (tool, "is new"));
    gone.or(new).map_or(Ok(()), |(tool, what)| {
        let expected = "the same tools as before on this connection";
        Err(scenario.failed(expected, &format!("{} {what}", name_of(tool))))
    })
}

/// The tools must come in the same order as before.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_same_order(scenario: &Scenario) -> StepResult {
    let (first, last) = lists(scenario)?;
    let names = |tools: &[Value]| tools.iter().map(name_of).collect::<Vec<_>>().join(", ");
    match names(first) == names(last) {
        true => Ok(()),
        false => Err(scenario.failed(names(first), &names(last))),
    }
}

/// The definitions of the tools must contain nothing from Vault.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_tools_without_data(scenario: &Scenario) -> StepResult {
    let (_, last) = lists(scenario)?;
    let values = scenario.ledger.all();
    for tool in last {
        let text = tool.to_string();
        let found = values.found_in(&text).map(str::to_owned);
        // In a Vault of the scenario's own, the names of mounts are ordinary words.
        let is_random = !scenario.prefix.is_empty();
        let mounts =
            (is_random && text.contains(&scenario.prefix)).then(|| "name of a mount".to_owned());
        if let Some(what) = found.or(mounts) {
            let seen = format!("the definition of {} contains the {what}", name_of(tool));
            return Err(scenario.failed("definitions that contain nothing from Vault", &seen));
        }
    }
    Ok(())
}

/// Reads all pages of the list. The list must end, and contain each tool once.
///
/// # Errors
/// If it does not; not applicable if there is one page.
pub(crate) async fn expect_pages_end(scenario: &mut Scenario) -> StepResult {
    let (mut names, mut cursors) = (BTreeSet::new(), BTreeSet::new());
    let mut params = json!({});
    for _ in 0..MAX_PAGES {
        let reply = scenario.request("tools/list", params).await?;
        let page = match reply {
            Ok(Reply::Result(page)) => page,
            other => return Err(scenario.failed("a page of the list", &describe(&other))),
        };
        for tool in page["tools"].as_array().into_iter().flatten() {
            if !names.insert(name_of(tool).to_owned()) {
                let seen = format!("{} on two pages", name_of(tool));
                return Err(scenario.failed("each tool on one page", &seen));
            }
        }
        match page["nextCursor"].as_str() {
            None if cursors.is_empty() => {
                return Err(StepEnd::not_claimed("the list has one page"));
            }
            None => return Ok(()),
            Some(cursor) if !cursors.insert(cursor.to_owned()) => break,
            Some(cursor) => params = json!({ "cursor": cursor }),
        }
    }
    Err(scenario.failed(
        "a list that ends",
        &format!("{} pages, and more", cursors.len()),
    ))
}

/// The server should reject a cursor that it never issued.
///
/// # Errors
/// If it does not; not applicable if the list has one page, and cursors are ignored.
pub(crate) async fn expect_cursor_refused(scenario: &mut Scenario) -> StepResult {
    let reply = scenario
        .request("tools/list", json!({ "cursor": "no-such-cursor" }))
        .await?;
    match &reply {
        Ok(Reply::Error { code: -32602, .. }) => Ok(()),
        Ok(Reply::Result(page)) if page["nextCursor"].is_null() => Err(StepEnd::not_claimed(
            "the list has one page, and cursors are ignored",
        )),
        other => Err(scenario.failed("the JSON-RPC error -32602", &describe(other))),
    }
}
