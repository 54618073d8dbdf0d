//! What is there only in a Vault of a scenario's own: its default mount, policies under their own names, and
//! as many servers as the scenario says.

use serde_json::Value;

use super::{Agent, KvMount, Scene};
use crate::{
    scene::KvState,
    target::setup::Setup,
    vault::{oracle::Token, own::OwnVault, policy},
    verdict::{NotApplicable, StepResult, Stop},
};

fn own(scene: &Scene) -> StepResult<&OwnVault> {
    let missing = || Stop::blocked("the scenario has no Vault of its own: it lacks @own-vault");
    scene.own.as_ref().ok_or_else(missing)
}

/// There must be a Vault of the scenario's own.
///
/// # Errors
/// Blocked when there is none.
pub(crate) fn expect_own_vault(scene: &Scene) -> StepResult {
    own(scene).map(drop)
}

/// Turns to a KV mount that a new Vault has.
///
/// # Errors
/// Blocked when this Vault does not have it in that version.
pub(crate) async fn find_mount(scene: &mut Scene, path: &str, version: u8) -> StepResult {
    own(scene)?;
    let mounts = scene.oracle.mounts().await.map_err(Stop::blocked)?;
    let about = mounts.get(path).unwrap_or(&Value::Null);
    let found = about["options"]["version"].as_str();
    if about["type"] != "kv" || found != Some(&version.to_string()) {
        let why = format!("this new Vault has no KV version {version} mount {path:?}");
        return Err(Stop::blocked(why));
    }
    let ready = scene.oracle.await_kv_mount(path, version).await;
    ready.map_err(Stop::blocked)?;
    scene.mount = Some(path.to_owned());
    scene.state_mut::<KvState>().mount = Some(KvMount {
        path: path.to_owned(),
        version,
    });
    Ok(())
}

/// Gives an agent a server, whose token has these policies, verbatim and under their own names; that
/// agent acts from now on.
///
/// # Errors
/// When Vault refuses or the server does not start; not applicable where it is to be the second one of a
/// server on a fixed port.
pub(crate) async fn add_agent(scene: &mut Scene, name: &str, policies: &[&str]) -> StepResult {
    own(scene)?;
    let kind = scene.kind(Setup::default());
    if scene.slots.take_turns(kind.transport) && !scene.agents.is_empty() {
        return Err(Stop::NotApplicable {
            reason: NotApplicable::NotClaimed,
            detail: "of a server on a fixed port only one can run".to_owned(),
        });
    }
    let token = make_token(scene, policies).await?;
    let slot = scene.slots.make_on(&scene.oracle, &kind, token).await;
    scene.acting = scene.agents.len();
    scene.agents.push(Agent {
        name: name.to_owned(),
        slot: slot.map_err(Stop::blocked)?,
    });
    Ok(())
}

async fn make_token(scene: &Scene, policies: &[&str]) -> StepResult<Token> {
    for name in policies {
        let written = scene.oracle.write_policy(name, policy::known(name)?).await;
        written.map_err(Stop::blocked)?;
    }
    let token = scene.oracle.make_token_with(policies).await;
    token.map_err(Stop::blocked)
}

/// Turns to the agent of this name.
///
/// # Errors
/// When the scenario has none.
pub(crate) fn turn_to(scene: &mut Scene, name: &str) -> StepResult {
    let found = scene.agents.iter().position(|agent| agent.name == name);
    let unknown = || Stop::blocked(format!("the scenario has no agent of the {name}"));
    scene.acting = found.ok_or_else(unknown)?;
    Ok(())
}

/// Gives a policy that tokens have the text of another.
///
/// # Errors
/// When there is no such text, or Vault refuses.
pub(crate) async fn change_policy(scene: &Scene, name: &str, other: &str) -> StepResult {
    own(scene)?;
    let written = scene.oracle.write_policy(name, policy::known(other)?).await;
    written.map_err(Stop::blocked)
}
