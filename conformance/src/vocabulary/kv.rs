//! What a scenario keeps about KV mounts and secrets, besides the expected contents of its secrets.

use std::collections::HashMap;

use serde_json::json;

use crate::{
    act::Act,
    engines::{Operation, kv::Kv},
    scenario::Scenario,
    vault::oracle::SecretData,
    verdict::{StepEnd, StepResult},
};

/// A KV mount of the scenario.
#[derive(Clone, Debug)]
pub(crate) struct KvMount {
    /// Its path in Vault, which no other scenario uses.
    pub(crate) path: String,
    /// The version of the KV engine.
    pub(crate) version: u8,
}

/// What the scenario keeps about KV.
#[derive(Debug, Default)]
pub(crate) struct KvState {
    /// The KV mount that the scenario made last.
    pub(crate) mount: Option<KvMount>,
    /// The mount whose first concurrent write is held back, if there is one.
    pub(crate) delayed: Option<String>,
    /// What other clients have written, by secret.
    pub(crate) elsewhere: HashMap<String, SecretData>,
    /// The secret with custom metadata, and the value of these.
    pub(crate) custom: Option<(String, String)>,
    /// A mount that Vault itself rejects, and why.
    pub(crate) refused_mount: Option<(String, String)>,
}

/// The KV mount that the scenario made last.
///
/// # Errors
/// If it has made none.
pub(crate) fn kv(scenario: &Scenario) -> StepResult<&KvMount> {
    let missing = || StepEnd::blocked("the scenario gave no KV mount");
    let mount = scenario.state::<KvState>().mount.as_ref();
    mount.ok_or_else(missing)
}

/// The agent's write of one key of a secret. If the adapter maps no tool to that, or one that only changes secrets and this
/// one does not exist, the agent replaces the secret by one that has this key alone. Requirements about a secret's other
/// keys need `kv.write_key`.
///
/// # Errors
/// Blocked if the scenario has no mount.
pub(crate) fn writing(scenario: &Scenario, path: &str, key: &str, value: &str) -> StepResult<Act> {
    let mount = scenario.mount()?;
    let mapping = |operation| {
        let operations = &scenario.target.adapter.operations;
        operations.get(&Operation::Kv(operation))
    };
    let can_write_key = mapping(Kv::WriteKey)
        .is_some_and(|mapping| !mapping.existing_only || scenario.ledger.has_made(path));
    Ok(match mapping(Kv::Write).is_some() && !can_write_key {
        true => {
            let data = SecretData::from_iter([(key.to_owned(), json!(value))]);
            Act::replace(mount, path, data)
        }
        false => Act::write(mount, path, key, value),
    })
}

/// The paths of all secrets that the scenario made, in order.
pub(crate) fn secret_paths(scenario: &Scenario) -> Vec<String> {
    let mut paths: Vec<_> = scenario.ledger.holds.keys().cloned().collect();
    paths.sort();
    paths
}
