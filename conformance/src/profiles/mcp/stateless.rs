//! Requests of the era without sessions, where each request contains all that is needed to answer it: valid ones, and
//! ones with a part missing or made up.

use data_encoding::BASE64;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::{
    mcp::{
        connection::Said,
        http::{METHOD, NAME, VERSION},
        request::{CLIENT_CAPABILITIES, PROTOCOL_VERSION, Request},
    },
    profiles::mcp::messages,
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// A revision that does not exist.
const NO_REVISION: &str = "1900-01-01";
/// The name of a tool that no server has.
const NO_TOOL: &str = "no_such_tool_6f1d";
/// The error code for routing headers that do not match the message.
const HEADER_MISMATCH: i64 = -32020;
/// The id of all these requests.
const ID: &str = "alone-1";

fn alone(scenario: &Scenario, method: &str, params: Value) -> Request {
    Request::new(scenario.planned.revision, ID, method, params)
}

fn any_tool(scenario: &Scenario) -> StepResult<String> {
    let names = &scenario.instance()?.tool_names;
    let missing = || StepEnd::blocked("the server has no tool");
    names.first().cloned().ok_or_else(missing)
}

async fn ask_alone(scenario: &mut Scenario, asked: Request) -> StepResult {
    let text = asked.text();
    let said = match scenario.instance()?.endpoint() {
        None => scenario.connection()?.say(&text, true).await,
        Some(endpoint) => {
            let ask = asked.post(HeaderMap::new());
            Said::over_http(endpoint.send(&ask, scenario.patience()).await)
        }
    };
    messages::heard(scenario, said);
    Ok(())
}

/// What the server declares in discovery must be what it does.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_discovery(scenario: &mut Scenario) -> StepResult {
    let asked = alone(scenario, "server/discover", json!({}));
    ask_alone(scenario, asked).await?;
    let said = messages::said(scenario)?;
    let result = said.success().cloned().unwrap_or_default();
    let spoken = result["supportedVersions"].as_array();
    let revision = scenario.planned.revision.name();
    let speaks = spoken.is_some_and(|spoken| spoken.iter().any(|one| one == revision));
    match speaks && result["capabilities"]["tools"].is_object() {
        true => Ok(()),
        false => {
            let expected = format!("{revision} in supportedVersions, and tools in capabilities");
            Err(scenario.failed(expected, &said.describe()))
        }
    }
}

/// Lists the tools on a connection without any earlier message.
///
/// # Errors
/// If there is no such connection.
pub(crate) async fn list_alone(scenario: &mut Scenario) -> StepResult {
    let asked = alone(scenario, "tools/list", json!({}));
    let text = asked.text();
    let said = match scenario.instance()?.endpoint() {
        None => {
            let said = scenario.connect_again().await?.say(&text, true).await;
            scenario.disconnect().await?;
            said
        }
        // Each request has a connection of its own.
        Some(_) => return ask_alone(scenario, asked).await,
    };
    messages::heard(scenario, said);
    Ok(())
}

/// The tools must equal those of the connection that began with other messages.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_tools_of_the_others(scenario: &Scenario, same_order: bool) -> StepResult {
    let names = |tools: &[Value]| {
        let names = tools.iter().filter_map(|tool| tool["name"].as_str());
        let mut names: Vec<_> = names.map(str::to_owned).collect();
        if !same_order {
            names.sort();
        }
        names
    };
    let said = messages::said(scenario)?;
    let page = said.success().cloned().unwrap_or_default();
    let listed = page["tools"].as_array().map(|tools| names(tools));
    let all = names(&scenario.instance()?.tools);
    // If there are several pages, the first one was listed.
    let fits = |listed: &Vec<String>| match page["nextCursor"].is_null() {
        true => *listed == all,
        false => listed.iter().all(|name| all.contains(name)),
    };
    if listed.as_ref().is_some_and(fits) {
        return Ok(());
    }
    let seen = listed.map_or_else(|| said.describe(), |listed| listed.join(", "));
    Err(scenario.failed(format!("the tools {}", all.join(", ")), &seen))
}

/// Sends a request, and omits the part of `_meta` that a feature names.
///
/// # Errors
/// Blocked if the feature's words are unknown.
pub(crate) async fn ask_without(scenario: &mut Scenario, what: &str) -> StepResult {
    let mut asked = alone(scenario, "tools/list", json!({}));
    let params = &mut asked.message["params"];
    match (what, params["_meta"].as_object_mut()) {
        ("the client's capabilities", Some(meta)) => {
            meta.remove(CLIENT_CAPABILITIES);
        }
        ("any data about the client", _) => *params = json!({}),
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {what:?}"
            )));
        }
    }
    ask_alone(scenario, asked).await
}

/// Sends a request in a revision that does not exist.
///
/// # Errors
/// If there is no connection.
pub(crate) async fn ask_in_no_revision(scenario: &mut Scenario) -> StepResult {
    let mut asked = alone(scenario, "tools/list", json!({}));
    asked.message["params"]["_meta"][PROTOCOL_VERSION] = json!(NO_REVISION);
    asked.set_header(VERSION, NO_REVISION);
    ask_alone(scenario, asked).await
}

/// Sends the request that a feature names.
///
/// # Errors
/// Blocked if the feature's words are unknown.
pub(crate) async fn ask_for_nothing(scenario: &mut Scenario, what: &str) -> StepResult {
    let any = any_tool(scenario)?;
    let asked = match what {
        "an unknown method" => alone(scenario, "no/such/method", json!({})),
        // The era without sessions removed it.
        "a method that no longer exists" => alone(scenario, "ping", json!({})),
        "an unknown tool" => alone(
            scenario,
            "tools/call",
            json!({ "name": NO_TOOL, "arguments": {} }),
        ),
        "a call that names no tool" => alone(scenario, "tools/call", json!({ "arguments": {} })),
        "a call whose arguments are a list" => alone(
            scenario,
            "tools/call",
            json!({ "name": any, "arguments": [] }),
        ),
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {what:?}"
            )));
        }
    };
    ask_alone(scenario, asked).await
}

/// Calls an unknown tool with the headers that a feature names. The server must find the headers wrong, and no tool is
/// called.
///
/// # Errors
/// Blocked if the feature's words are unknown.
pub(crate) async fn ask_with_headers(scenario: &mut Scenario, what: &str) -> StepResult {
    let call = json!({ "name": NO_TOOL, "arguments": {} });
    let mut asked = alone(scenario, "tools/call", call);
    match what {
        "without its method in a header" => asked.remove_header(METHOD),
        "with another method in its header" => asked.set_header(METHOD, "tools/list"),
        "without its tool in a header" => asked.remove_header(NAME),
        "with another tool in its header" => asked.set_header(NAME, "another_tool"),
        "with its tool encoded in its header" => {
            let encoded = format!("=?base64?{}?=", BASE64.encode(NO_TOOL.as_bytes()));
            asked.set_header(NAME, &encoded);
        }
        _ => {
            return Err(StepEnd::blocked(format!(
                "the step does not support {what:?}"
            )));
        }
    }
    ask_alone(scenario, asked).await
}

/// The answer must be this JSON-RPC error and, over HTTP, have this status.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_error_and_status(scenario: &Scenario, code: i64, status: u16) -> StepResult {
    let said = messages::said(scenario)?;
    let coded = said.error().is_some_and(|error| error["code"] == code);
    if coded && said.status.is_none_or(|seen| seen == status) {
        return Ok(());
    }
    let over_http = said.status.map(|_| format!(", with HTTP {status}"));
    let expected = format!("the JSON-RPC error {code}{}", over_http.unwrap_or_default());
    Err(scenario.failed(expected, &said.describe()))
}

/// The error must contain the requested revision and the supported ones.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_revisions_told(scenario: &Scenario) -> StepResult {
    let said = messages::said(scenario)?;
    let data = said.error().map(|error| &error["data"]);
    let revision = scenario.planned.revision.name();
    let told = data.is_some_and(|data| {
        let supported = data["supported"].as_array();
        data["requested"] == NO_REVISION
            && supported.is_some_and(|all| all.iter().any(|one| one == revision))
    });
    match told {
        true => Ok(()),
        false => {
            let expected = format!(
                "data with {NO_REVISION:?} for `requested` and {revision:?} in `supported`"
            );
            Err(scenario.failed(expected, &said.describe()))
        }
    }
}

/// The answer must not be the error that the headers do not match.
///
/// # Errors
/// If it was, or there was no answer.
pub(crate) fn expect_no_mismatch(scenario: &Scenario) -> StepResult {
    let said = messages::said(scenario)?;
    let mismatch = said
        .error()
        .is_some_and(|error| error["code"] == HEADER_MISMATCH);
    match mismatch || said.messages.is_empty() {
        false => Ok(()),
        true => Err(scenario.failed("an answer to the call itself", &said.describe())),
    }
}
