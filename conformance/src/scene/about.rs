//! Whether what a step names is what its scenario is about.
//!
//! Many steps speak of the agent's last act, or of the mount that the scenario made. One that names
//! another secret, mount or version would check something else than it says, and pass: it is blocked.

use std::fmt;

use super::{Deed, KvMount, Scene};
use crate::{
    act::Act,
    target::operation::Operation,
    vault::oracle::SecretData,
    verdict::{StepResult, Stop},
};

/// A step names something, and its scenario is about something else.
pub(super) fn contradiction(named: impl fmt::Display, scenario: impl fmt::Display) -> Stop {
    Stop::blocked(format!("the step is about {named}, but {scenario}"))
}

/// What the scenario calls a path in Vault.
fn name_of<'p>(scene: &Scene, path: &'p str) -> &'p str {
    path.strip_prefix(&scene.prefix).unwrap_or(path)
}

/// The scenario's KV mount, if it is called so.
pub(super) fn kv_named<'s>(scene: &'s Scene, name: &str) -> StepResult<&'s KvMount> {
    let kv = scene.kv()?;
    if kv.path == scene.path_of(name) {
        return Ok(kv);
    }
    let made = name_of(scene, &kv.path);
    let scenario = format!("the scenario's KV mount is {made:?}");
    Err(contradiction(format!("the mount {name:?}"), scenario))
}

/// The one secret that the scenario made, for steps that name none.
///
/// # Errors
/// Blocked when it made none, or several.
pub(crate) fn only_secret(scene: &Scene) -> StepResult<String> {
    match scene.secret_paths().as_slice() {
        [one] => Ok(one.clone()),
        several => {
            let scenario = format!("the scenario made {}", several.len());
            Err(contradiction("the one secret that there is", scenario))
        }
    }
}

/// Reading a secret that the scenario made: an error about one that is not there shows nothing.
pub(super) fn reading(scene: &Scene, path: &str) -> StepResult<Act> {
    scene.held(path)?;
    Ok(Act::read(scene.mount()?, path))
}

/// What a secret held in one version.
pub(super) fn held_in<'s>(
    scene: &'s Scene,
    path: &str,
    version: u64,
) -> StepResult<&'s SecretData> {
    let missing = || Stop::blocked(format!("the scenario made no secret {path:?}"));
    let first = scene.first.get(path).ok_or_else(missing)?;
    if version == 1 {
        return Ok(first);
    }
    let scenario = "what a secret held is known of version 1 alone";
    Err(contradiction(
        format!("version {version} of {path:?}"),
        scenario,
    ))
}

/// The scenario must have made no secret there.
///
/// # Errors
/// Blocked when it has.
pub(crate) fn expect_never_made(scene: &Scene, path: &str) -> StepResult {
    if !scene.first.contains_key(path) {
        return Ok(());
    }
    let named = format!("a secret {path:?} that never existed");
    Err(contradiction(named, "the scenario made it"))
}

/// The agent's last act, in words.
fn last_in_words(scene: &Scene) -> StepResult<String> {
    let act = &scene.last()?.act;
    let operation = act.operation;
    let about = match (act.secret(), act.text("mount")) {
        (Some(secret), _) => format!("{operation} on the secret {secret:?}"),
        (None, "") => operation.to_string(),
        (None, mount) => format!("{operation} on the mount {:?}", name_of(scene, mount)),
    };
    Ok(format!("the agent's last act was {about}"))
}

/// The secret that the agent's last act was about.
pub(super) fn last_secret(scene: &Scene) -> StepResult<&str> {
    match scene.last()?.act.secret() {
        Some(secret) => Ok(secret),
        None => Err(contradiction("a secret", last_in_words(scene)?)),
    }
}

/// The agent's last act, if it was about this secret.
pub(super) fn last_on_secret<'s>(scene: &'s Scene, path: &str) -> StepResult<&'s Deed> {
    let deed = scene.last()?;
    match deed.act.secret() == Some(path) {
        true => Ok(deed),
        false => {
            let named = format!("the secret {path:?}");
            Err(contradiction(named, last_in_words(scene)?))
        }
    }
}

/// The agent's last act, if it was about the mount that the scenario calls so.
pub(super) fn last_on_mount<'s>(scene: &'s Scene, name: &str) -> StepResult<&'s Deed> {
    let deed = scene.last()?;
    match deed.act.text("mount") == scene.path_of(name) {
        true => Ok(deed),
        false => {
            let named = format!("the mount {name:?}");
            Err(contradiction(named, last_in_words(scene)?))
        }
    }
}

/// The agent's last act must have been one of these operations.
///
/// # Errors
/// Blocked when it was another.
pub(crate) fn expect_last_is(scene: &Scene, operations: &[Operation]) -> StepResult {
    if operations.contains(&scene.last()?.act.operation) {
        return Ok(());
    }
    let names: Vec<_> = operations.iter().map(|one| one.name()).collect();
    Err(contradiction(names.join(" or "), last_in_words(scene)?))
}
