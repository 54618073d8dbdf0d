//! What exists only in a scenario's own Vault: its default mount, policies with their original names, and as many
//! servers as the scenario starts.

use serde_json::Value;

use super::kv::{KvMount, KvState};
use crate::{
    instance::setup::Setup,
    scenario::Scenario,
    vault::{dedicated::DedicatedVault, oracle::Token, policy},
    verdict::{StepEnd, StepResult},
};

fn own(scenario: &Scenario) -> StepResult<&DedicatedVault> {
    let missing = || StepEnd::blocked("the scenario has no Vault of its own: it lacks @own-vault");
    scenario.own.as_ref().ok_or_else(missing)
}

/// The scenario must have a Vault of its own.
///
/// # Errors
/// Blocked if it has none.
pub(crate) fn expect_own_vault(scenario: &Scenario) -> StepResult {
    own(scenario).map(drop)
}

/// Makes a KV mount of a new Vault the scenario's mount.
///
/// # Errors
/// Blocked if this Vault does not have it in that version.
pub(crate) async fn find_mount(scenario: &mut Scenario, path: &str, version: u8) -> StepResult {
    own(scenario)?;
    if let Some(fixed) = scenario
        .target
        .adapter
        .mount
        .as_deref()
        .filter(|f| *f != path)
    {
        return Err(StepEnd::not_claimed(format!(
            "the server works on the KV mount {fixed:?} alone, not on {path:?}"
        )));
    }
    let mounts = scenario.oracle.mounts().await.map_err(StepEnd::blocked)?;
    let about = mounts.get(path).unwrap_or(&Value::Null);
    let found = about["options"]["version"].as_str();
    if about["type"] != "kv" || found != Some(&version.to_string()) {
        let why = format!("this new Vault has no KV version {version} mount {path:?}");
        return Err(StepEnd::blocked(why));
    }
    let ready = scenario.oracle.await_kv_mount(path, version).await;
    ready.map_err(StepEnd::blocked)?;
    scenario.mount = Some(path.to_owned());
    scenario.state_mut::<KvState>().mount = Some(KvMount {
        path: path.to_owned(),
        version,
    });
    Ok(())
}

/// Gives an agent a server whose token has these policies, unchanged and under their own names. That agent acts from
/// now on.
///
/// # Errors
/// If Vault rejects a request or the server does not start; not applicable for a second server on a fixed port.
pub(crate) async fn add_agent(
    scenario: &mut Scenario,
    name: &str,
    policies: &[&str],
) -> StepResult {
    own(scenario)?;
    let kind = scenario.kind(Setup::default());
    if scenario.slots.take_turns(kind.transport) && !scenario.agents.all.is_empty() {
        return Err(StepEnd::not_claimed(
            "a server on a fixed port can only run once",
        ));
    }
    let token = make_token(scenario, policies).await?;
    let slot = scenario.slots.make_on(&scenario.oracle, &kind, token).await;
    scenario.agents.add(name, slot.map_err(StepEnd::blocked)?);
    Ok(())
}

async fn make_token(scenario: &Scenario, policies: &[&str]) -> StepResult<Token> {
    for name in policies {
        let written = scenario
            .oracle
            .write_policy(name, policy::known(name)?)
            .await;
        written.map_err(StepEnd::blocked)?;
    }
    let token = scenario.oracle.make_token_with(policies).await;
    token.map_err(StepEnd::blocked)
}

/// Lets the agent with this name act from now on.
///
/// # Errors
/// If the scenario has none.
pub(crate) fn turn_to(scenario: &mut Scenario, name: &str) -> StepResult {
    match scenario.agents.turn_to(name) {
        true => Ok(()),
        false => Err(StepEnd::blocked(format!(
            "the scenario has no agent of the {name}"
        ))),
    }
}

/// Replaces the text of a policy that tokens have by that of another.
///
/// # Errors
/// If the other policy does not exist, or Vault rejects a request.
pub(crate) async fn change_policy(scenario: &Scenario, name: &str, other: &str) -> StepResult {
    own(scenario)?;
    let written = scenario
        .oracle
        .write_policy(name, policy::known(other)?)
        .await;
    written.map_err(StepEnd::blocked)
}
