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

impl Scene {
    /// What the scenario calls a path in Vault.
    fn name_of<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(&self.prefix).unwrap_or(path)
    }

    /// The scenario's KV mount, if it is called so.
    pub(super) fn kv_named(&self, name: &str) -> StepResult<&KvMount> {
        let kv = self.kv()?;
        if kv.path == self.path_of(name) {
            return Ok(kv);
        }
        let made = self.name_of(&kv.path);
        let scenario = format!("the scenario's KV mount is {made:?}");
        Err(contradiction(format!("the mount {name:?}"), scenario))
    }

    /// The one secret that the scenario made, for steps that name none.
    ///
    /// # Errors
    /// Blocked when it made none, or several.
    pub fn only_secret(&self) -> StepResult<String> {
        match self.secret_paths().as_slice() {
            [one] => Ok(one.clone()),
            several => {
                let scenario = format!("the scenario made {}", several.len());
                Err(contradiction("the one secret that there is", scenario))
            }
        }
    }

    /// Reading a secret that the scenario made: an error about one that is not there shows nothing.
    pub(super) fn reading(&self, path: &str) -> StepResult<Act> {
        self.held(path)?;
        Ok(Act::read(self.mount()?, path))
    }

    /// What a secret held in one version.
    pub(super) fn held_in(&self, path: &str, version: u64) -> StepResult<&SecretData> {
        let missing = || Stop::blocked(format!("the scenario made no secret {path:?}"));
        let first = self.first.get(path).ok_or_else(missing)?;
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
    pub fn expect_never_made(&self, path: &str) -> StepResult {
        if !self.first.contains_key(path) {
            return Ok(());
        }
        let named = format!("a secret {path:?} that never existed");
        Err(contradiction(named, "the scenario made it"))
    }

    /// The agent's last act, in words.
    fn last_in_words(&self) -> StepResult<String> {
        let act = &self.last()?.act;
        let operation = act.operation;
        let about = match (act.secret(), act.text("mount")) {
            (Some(secret), _) => format!("{operation} on the secret {secret:?}"),
            (None, "") => operation.to_string(),
            (None, mount) => format!("{operation} on the mount {:?}", self.name_of(mount)),
        };
        Ok(format!("the agent's last act was {about}"))
    }

    /// The secret that the agent's last act was about.
    pub(super) fn last_secret(&self) -> StepResult<&str> {
        match self.last()?.act.secret() {
            Some(secret) => Ok(secret),
            None => Err(contradiction("a secret", self.last_in_words()?)),
        }
    }

    /// The agent's last act, if it was about this secret.
    pub(super) fn last_on_secret(&self, path: &str) -> StepResult<&Deed> {
        let deed = self.last()?;
        match deed.act.secret() == Some(path) {
            true => Ok(deed),
            false => {
                let named = format!("the secret {path:?}");
                Err(contradiction(named, self.last_in_words()?))
            }
        }
    }

    /// The agent's last act, if it was about the mount that the scenario calls so.
    pub(super) fn last_on_mount(&self, name: &str) -> StepResult<&Deed> {
        let deed = self.last()?;
        match deed.act.text("mount") == self.path_of(name) {
            true => Ok(deed),
            false => {
                let named = format!("the mount {name:?}");
                Err(contradiction(named, self.last_in_words()?))
            }
        }
    }

    /// The agent's last act must have been one of these operations.
    ///
    /// # Errors
    /// Blocked when it was another.
    pub fn expect_last_is(&self, operations: &[Operation]) -> StepResult {
        if operations.contains(&self.last()?.act.operation) {
            return Ok(());
        }
        let names: Vec<_> = operations.iter().map(|one| one.name()).collect();
        Err(contradiction(names.join(" or "), self.last_in_words()?))
    }
}
