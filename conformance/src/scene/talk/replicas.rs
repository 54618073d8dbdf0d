//! Several servers that are started alike, as a balancer has them behind it.

use serde_json::json;

use super::{not_claimed, request, tools::name_of};
use crate::{
    mcp::{connection::Said, http_message::HttpAsk},
    scene::{Agent, Scene},
    target::setup::Setup,
    verdict::{StepResult, Stop},
};

/// Starts more servers like the agent's, with the same token, until there are this many; from now on each
/// act goes to the next.
///
/// # Errors
/// Not applicable where only one can run at a time.
pub(crate) async fn add_replicas(scene: &mut Scene, count: usize) -> StepResult {
    let kind = scene.kind(Setup::default());
    if scene.slots.take_turns(kind.transport) {
        return Err(not_claimed("of a server on a fixed port only one can run"));
    }
    let token = scene.token()?.clone();
    while scene.agents.len() < count {
        let slot = scene
            .slots
            .make_on(&scene.oracle, &kind, token.clone())
            .await;
        scene.agents.push(Agent {
            name: String::new(),
            slot: slot.map_err(Stop::blocked)?,
        });
    }
    scene.in_turn = true;
    Ok(())
}

/// Every server must have been asked something that it had to ask Vault for.
///
/// # Errors
/// When one has not.
pub(crate) fn expect_all_asked(scene: &Scene) -> StepResult {
    let taps = scene.agents.iter().map(|agent| agent.slot.tap.as_ref());
    let idle = taps.flatten().filter(|tap| tap.passed() == 0).count();
    match idle {
        0 => Ok(()),
        _ => Err(scene.failed(
            "requests to Vault from each server",
            &format!("none from {idle} of {}", scene.agents.len()),
        )),
    }
}

/// Lists the tools of another server in the session of the first.
///
/// # Errors
/// Not applicable where there are no sessions.
pub(crate) async fn list_in_foreign_session(scene: &mut Scene) -> StepResult {
    crate::scene::talk::need_session(scene)?;
    let headers = crate::scene::talk::connection(scene)?.session_headers();
    let missing = || Stop::blocked("there is no other server");
    let other = &scene.agents.last().ok_or_else(missing)?.slot.instance;
    let endpoint = other.endpoint().ok_or_else(missing)?;
    let listing = request(&json!("list-1"), "tools/list", json!({}));
    let asked = HttpAsk::post(&listing).with_all(headers);
    let said = Said::over_http(
        endpoint
            .send(&asked, crate::scene::talk::patience(scene))
            .await,
    );
    crate::scene::talk::messages::heard(scene, said);
    Ok(())
}

/// The session must be none there, or be shared.
///
/// # Errors
/// When it is neither.
pub(crate) fn expect_no_foreign_session(scene: &Scene) -> StepResult {
    let said = crate::scene::talk::messages::said(scene)?;
    if said.status == Some(404) {
        return Ok(());
    }
    let listed = said.success().and_then(|page| page["tools"].as_array());
    let known = &crate::scene::talk::instance(scene)?.tool_names;
    let is_known = |tool| known.iter().any(|name| name == name_of(tool));
    match listed {
        Some(tools) if tools.iter().all(is_known) => Ok(()),
        _ => Err(scene.failed("HTTP 404, or the same tools", &said.describe())),
    }
}
