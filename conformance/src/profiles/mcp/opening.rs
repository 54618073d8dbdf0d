//! The beginning of a connection: the server's identity, the negotiated revision, and the declared capabilities.

use serde_json::{Value, json};

use super::McpState;
use crate::{
    mcp::{
        inbox::{Reply, describe},
        request::{PROBE, initialize, initialize_params},
    },
    profiles::mcp::{self, messages},
    scenario::Scenario,
    transport::Revision,
    verdict::{StepEnd, StepResult},
};

/// A revision that does not exist.
const NO_REVISION: &str = "1.0.0";

/// The server must have reported its name, its version, and that it has tools.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_identity(scenario: &Scenario) -> StepResult {
    let greeting = mcp::greeting(scenario)?;
    let named = |field: &str| {
        let text = greeting["serverInfo"][field].as_str();
        text.is_some_and(|text| !text.is_empty())
    };
    if named("name") && named("version") && greeting["capabilities"]["tools"].is_object() {
        return Ok(());
    }
    let expected = "serverInfo with name and version, and the capability tools";
    Err(scenario.failed(expected, &greeting.to_string()))
}

/// Requests each revision that the suite speaks, one that does not exist, and each that the server offered, each on a
/// connection of its own.
///
/// # Errors
/// If the target does not start again.
pub(crate) async fn ask_for_revisions(scenario: &mut Scenario) -> StepResult {
    for revision in [
        Revision::R2025_06_18.name(),
        Revision::R2025_11_25.name(),
        NO_REVISION,
    ] {
        ask_for_revision(scenario, revision).await?;
    }
    let offered = |(_, offer): &(String, Option<String>)| offer.clone();
    let offered: Vec<_> = scenario
        .state::<McpState>()
        .offers
        .iter()
        .filter_map(offered)
        .collect();
    for revision in offered {
        if !scenario
            .state::<McpState>()
            .offers
            .iter()
            .any(|(asked, _)| *asked == revision)
        {
            ask_for_revision(scenario, &revision).await?;
        }
    }
    Ok(())
}

/// Requests a revision on a connection of its own.
///
/// # Errors
/// If the target does not start again.
pub(crate) async fn ask_for_revision(scenario: &mut Scenario, revision: &str) -> StepResult {
    let text = initialize("probe-1", revision);
    let said = scenario.connect_again().await?.say(&text, true).await;
    scenario.disconnect().await?;
    let offer = said
        .success()
        .and_then(|result| result["protocolVersion"].as_str());
    scenario
        .state_mut::<McpState>()
        .offers
        .push((revision.to_owned(), offer.map(str::to_owned)));
    scenario.state_mut::<McpState>().said = Some(said);
    Ok(())
}

/// If the server offered a revision, it must have accepted a request for it.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_offers_kept(scenario: &Scenario) -> StepResult {
    for (asked, offer) in &scenario.state::<McpState>().offers {
        let offered_else = |(other, offered): &&(String, Option<String>)| {
            offered.as_ref() == Some(asked) && other != asked
        };
        if let Some((other, _)) = scenario
            .state::<McpState>()
            .offers
            .iter()
            .find(offered_else)
            && offer.as_ref() != Some(asked)
        {
            let expected = format!(
                "{asked} to a client that requests it, since the server offers it to one that requests {other}"
            );
            let seen = offer.clone().unwrap_or_else(|| "no revision".to_owned());
            return Err(scenario.failed(expected, &seen));
        }
    }
    Ok(())
}

fn last_offer(scenario: &Scenario) -> StepResult<(&str, Option<&str>)> {
    let missing = || StepEnd::blocked("the scenario requested no revision");
    let (asked, offer) = scenario
        .state::<McpState>()
        .offers
        .last()
        .ok_or_else(missing)?;
    Ok((asked, offer.as_deref()))
}

/// The server must not have accepted the last requested revision: it returned an error, or offered another one.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_not_agreed(scenario: &Scenario) -> StepResult {
    let (asked, offer) = last_offer(scenario)?;
    let said = messages::said(scenario)?;
    let answered = offer.is_some_and(|offer| offer != asked) || said.error().is_some();
    let refused = said
        .status
        .is_some_and(|status| (400..500).contains(&status));
    match answered || refused {
        true => Ok(()),
        false => Err(scenario.failed("another revision, or an error", &said.describe())),
    }
}

/// The server must have offered another revision than the requested one.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_other_offered(scenario: &Scenario) -> StepResult {
    let (asked, offer) = last_offer(scenario)?;
    match offer.is_some_and(|offer| offer != asked) {
        true => Ok(()),
        false => Err(scenario.failed("another revision", &messages::said(scenario)?.describe())),
    }
}

/// The capabilities and sub-capabilities that the server declares must work.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_capabilities_work(scenario: &mut Scenario) -> StepResult {
    const METHOD_NOT_FOUND: i64 = -32601;
    let capabilities = mcp::greeting(scenario)?["capabilities"].take();
    for (capability, method, params) in [
        ("/tools", "tools/list", json!({})),
        ("/prompts", "prompts/list", json!({})),
        ("/resources", "resources/list", json!({})),
        ("/logging", "logging/setLevel", json!({ "level": "error" })),
    ] {
        if !declares(&capabilities, capability) {
            continue;
        }
        let reply = scenario.request(method, params).await?;
        if !matches!(reply, Ok(Reply::Result(_))) {
            let expected =
                format!("a result of {method}, because the server declares {capability}");
            return Err(scenario.failed(expected, &describe(&reply)));
        }
    }
    // Nothing is known that these could be about: an error is as good as a result, unless the method is unknown.
    let resource = json!({ "uri": "vault://no/such/resource" });
    let completion = json!({
        "ref": { "type": "ref/prompt", "name": "no-such-prompt" },
        "argument": { "name": "name", "value": "v" },
    });
    for (capability, method, params) in [
        ("/resources/subscribe", "resources/subscribe", resource),
        ("/completions", "completion/complete", completion),
        ("/tasks/list", "tasks/list", json!({})),
    ] {
        if !declares(&capabilities, capability) {
            continue;
        }
        let reply = scenario.request(method, params).await?;
        let is_known = match &reply {
            Ok(Reply::Result(_)) => true,
            Ok(Reply::Error { code, .. }) => *code != METHOD_NOT_FOUND,
            Err(_) => false,
        };
        if !is_known {
            let expected = format!(
                "a result of {method}, or an error about its parameters, because the server declares {capability}"
            );
            return Err(scenario.failed(expected, &describe(&reply)));
        }
    }
    Ok(())
}

fn declares(capabilities: &Value, pointer: &str) -> bool {
    let found = capabilities.pointer(pointer);
    found.is_some_and(|found| found.is_object() || *found == true)
}

/// The answer to a ping must be an empty result.
///
/// # Errors
/// If this is not the case.
pub(crate) async fn expect_ping(scenario: &mut Scenario) -> StepResult {
    mcp::greeting(scenario)?;
    let reply = scenario.request("ping", json!({})).await?;
    if let Ok(Reply::Result(Value::Object(result))) = &reply
        && result.keys().all(|name| name == "_meta")
    {
        return Ok(());
    }
    Err(scenario.failed("an empty result", &describe(&reply)))
}

/// Sends the message that opens the connection again.
///
/// # Errors
/// If the connection was not opened this way.
pub(crate) async fn open_again(scenario: &mut Scenario) -> StepResult {
    mcp::greeting(scenario)?;
    let revision = scenario.instance()?.server.revision;
    let before = scenario.snapshot().await?;
    let reply = scenario
        .request("initialize", initialize_params(PROBE, revision.name()))
        .await?;
    if matches!(reply, Ok(Reply::Result(_))) {
        let connection = scenario.connection()?;
        connection
            .notify("notifications/initialized", Value::Null)
            .await;
    }
    if scenario.snapshot().await? != before {
        return Err(scenario.failed("nothing in Vault changes", "Vault has changed"));
    }
    Ok(())
}
