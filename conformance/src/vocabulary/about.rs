//! Checks that a step names what its scenario is about.
//!
//! Many steps refer to the agent's last act, or to the mount that the scenario made. A step that names another secret,
//! mount or version would check something else than it says, and pass. Such a step is blocked.

use std::fmt;

use crate::{
    act::Act,
    engines::Operation,
    scenario::{Scenario, calls::CallRecord},
    vault::oracle::SecretData,
    verdict::{StepEnd, StepResult},
    vocabulary::kv::{KvMount, kv, secret_paths},
};

/// The error that a step names something else than what its scenario is about.
pub(crate) fn contradiction(named: impl fmt::Display, scenario: impl fmt::Display) -> StepEnd {
    StepEnd::blocked(format!("the step is about {named}, but {scenario}"))
}

/// The scenario's KV mount, if it has this name.
pub(super) fn kv_named<'s>(scenario: &'s Scenario, name: &str) -> StepResult<&'s KvMount> {
    let kv = kv(scenario)?;
    if kv.path == scenario.path_of(name) {
        return Ok(kv);
    }
    let made = scenario.name_of(&kv.path);
    let scenario = format!("the scenario's KV mount is {made:?}");
    Err(contradiction(format!("the mount {name:?}"), scenario))
}

/// The only secret that the scenario made, for steps that name none.
///
/// # Errors
/// Blocked if it made none, or several.
pub(crate) fn only_secret(scenario: &Scenario) -> StepResult<String> {
    match secret_paths(scenario).as_slice() {
        [one] => Ok(one.clone()),
        several => {
            let scenario = format!("the scenario made {}", several.len());
            Err(contradiction("the only secret", scenario))
        }
    }
}

/// The act of reading a secret that the scenario made. An error about a missing secret would show nothing.
pub(crate) fn reading(scenario: &Scenario, path: &str) -> StepResult<Act> {
    scenario.held(path)?;
    Ok(Act::read(scenario.mount()?, path))
}

/// The contents of a secret in one version.
pub(super) fn held_in<'s>(
    scenario: &'s Scenario,
    path: &str,
    version: u64,
) -> StepResult<&'s SecretData> {
    let missing = || StepEnd::blocked(format!("the scenario made no secret {path:?}"));
    let first = scenario.ledger.first.get(path).ok_or_else(missing)?;
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
/// Blocked if it has.
pub(crate) fn expect_never_made(scenario: &Scenario, path: &str) -> StepResult {
    if !scenario.ledger.first.contains_key(path) {
        return Ok(());
    }
    let named = format!("a secret {path:?} that never existed");
    Err(contradiction(named, "the scenario made it"))
}

/// The agent's last act, as text.
fn last_in_words(scenario: &Scenario) -> StepResult<String> {
    let act = &scenario.last()?.act;
    let operation = act.operation;
    let about = match (act.secret(), act.text("mount")) {
        (Some(secret), _) => format!("{operation} on the secret {secret:?}"),
        (None, "") => operation.to_string(),
        (None, mount) => format!("{operation} on the mount {:?}", scenario.name_of(mount)),
    };
    Ok(format!("the agent's last act was {about}"))
}

/// The secret that the agent's last act was about.
pub(super) fn last_secret(scenario: &Scenario) -> StepResult<&str> {
    match scenario.last()?.act.secret() {
        Some(secret) => Ok(secret),
        None => Err(contradiction("a secret", last_in_words(scenario)?)),
    }
}

/// The agent's last act, if it was about this secret.
pub(crate) fn last_on_secret<'s>(scenario: &'s Scenario, path: &str) -> StepResult<&'s CallRecord> {
    let deed = scenario.last()?;
    match deed.act.secret() == Some(path) {
        true => Ok(deed),
        false => {
            let named = format!("the secret {path:?}");
            Err(contradiction(named, last_in_words(scenario)?))
        }
    }
}

/// The agent's last act, if it was about the mount with this name in the scenario.
pub(super) fn last_on_mount<'s>(scenario: &'s Scenario, name: &str) -> StepResult<&'s CallRecord> {
    let deed = scenario.last()?;
    match deed.act.text("mount") == scenario.path_of(name) {
        true => Ok(deed),
        false => {
            let named = format!("the mount {name:?}");
            Err(contradiction(named, last_in_words(scenario)?))
        }
    }
}

/// The agent's last act must have been one of these operations.
///
/// # Errors
/// Blocked if it was another.
pub(crate) fn expect_last_is(scenario: &Scenario, operations: &[Operation]) -> StepResult {
    if operations.contains(&scenario.last()?.act.operation) {
        return Ok(());
    }
    let names: Vec<_> = operations.iter().map(|one| one.name()).collect();
    Err(contradiction(names.join(" or "), last_in_words(scenario)?))
}
