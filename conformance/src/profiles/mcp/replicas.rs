//! Several servers that are started alike, as behind a load balancer.

use serde_json::json;

use super::{messages, tools::name_of};
use crate::{
    instance::setup::Setup,
    mcp::{connection::Said, http_message::HttpAsk, request::request},
    scenario::Scenario,
    verdict::{StepEnd, StepResult},
};

/// Starts more servers like the agent's, with the same token, up to this number. From now on each act uses the next
/// one.
///
/// # Errors
/// Not applicable if only one can run at a time.
pub(crate) async fn add_replicas(scenario: &mut Scenario, count: usize) -> StepResult {
    let kind = scenario.kind(Setup::default());
    if scenario.slots.take_turns(kind.transport) {
        return Err(StepEnd::not_claimed(
            "a server on a fixed port can only run once",
        ));
    }
    let token = scenario.token()?.clone();
    for _ in scenario.agents.all.len()..count {
        let slot = scenario
            .slots
            .make_on(&scenario.oracle, &kind, token.clone())
            .await;
        let slot = slot.map_err(StepEnd::blocked)?;
        scenario.agents.add_replica(slot);
    }
    scenario.agents.in_turn = true;
    Ok(())
}

/// Every server must have made a request to Vault.
///
/// # Errors
/// If this is not the case.
pub(crate) fn expect_all_asked(scenario: &Scenario) -> StepResult {
    let taps = scenario
        .agents
        .all
        .iter()
        .map(|agent| agent.slot.tap.as_ref());
    let idle = taps.flatten().filter(|tap| tap.passed() == 0).count();
    match idle {
        0 => Ok(()),
        _ => Err(scenario.failed(
            "requests to Vault from each server",
            &format!("none from {idle} of {}", scenario.agents.all.len()),
        )),
    }
}

/// Lists the tools of another server in the session of the first one.
///
/// # Errors
/// Not applicable if there are no sessions.
pub(crate) async fn list_in_foreign_session(scenario: &mut Scenario) -> StepResult {
    scenario.need_session()?;
    let headers = scenario.connection()?.session_headers();
    let missing = || StepEnd::blocked("there is no other server");
    let other = &scenario
        .agents
        .all
        .last()
        .ok_or_else(missing)?
        .slot
        .instance;
    let endpoint = other.endpoint().ok_or_else(missing)?;
    let listing = request(&json!("list-1"), "tools/list", json!({}));
    let asked = HttpAsk::post(&listing).with_all(headers);
    let said = Said::over_http(endpoint.send(&asked, scenario.patience()).await);
    messages::heard(scenario, said);
    Ok(())
}

/// The other server must not know the session, or must share it.
///
/// # Errors
/// If neither is the case.
pub(crate) fn expect_no_foreign_session(scenario: &Scenario) -> StepResult {
    let said = messages::said(scenario)?;
    if said.status == Some(404) {
        return Ok(());
    }
    let listed = said.success().and_then(|page| page["tools"].as_array());
    let known = &scenario.instance()?.tool_names;
    let is_known = |tool| known.iter().any(|name| name == name_of(tool));
    match listed {
        Some(tools) if tools.iter().all(is_known) => Ok(()),
        _ => Err(scenario.failed("HTTP 404, or the same tools", &said.describe())),
    }
}
