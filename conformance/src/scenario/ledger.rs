//! Which secret values exist in a scenario, what each secret should contain, and who may know the values.

use std::collections::HashMap;

use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use crate::{
    act::Act,
    certificate::{Certificate, private_keys_in, secret_lines},
    engines::{Operation, kv::Kv},
    redact::Secrets,
    vault::oracle::SecretData,
};

/// What a scenario knows about secrets.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The expected contents of each secret in the scenario's last KV mount, by path.
    pub(crate) holds: HashMap<String, SecretData>,
    /// The contents of the first version of each secret.
    pub(crate) first: HashMap<String, SecretData>,
    /// The version of each KV mount that was made, by path.
    pub(crate) kv_versions: HashMap<String, u8>,
    canaries: Mutex<Vec<Canary>>,
}

/// A random value that the scenario stored somewhere, and whether the agent may know it.
#[derive(Clone, Debug)]
struct Canary {
    label: String,
    value: SecretString,
    known_to_agent: bool,
}

impl Ledger {
    /// Remembers a secret value.
    pub(crate) fn remember(&self, label: &str, value: &str, known_to_agent: bool) {
        self.canaries.lock().push(Canary {
            label: label.to_owned(),
            value: value.into(),
            known_to_agent,
        });
    }

    /// Whether the scenario has made a secret there. Vault may still have versions of it though it was deleted.
    pub(crate) fn has_made(&self, path: &str) -> bool {
        self.holds.contains_key(path) || self.first.contains_key(path)
    }

    /// Whether the scenario stored this value somewhere.
    pub(crate) fn is_canary(&self, value: &str) -> bool {
        let canaries = self.canaries.lock();
        canaries
            .iter()
            .any(|canary| canary.value.expose_secret() == value)
    }

    /// Remembers the private keys in a text, with their certificates. No later answer and no log may contain these
    /// keys.
    pub(crate) fn remember_keys(&self, said: &str, known_to_agent: bool) {
        let certificates = Certificate::all_in(said);
        for key in private_keys_in(said) {
            for line in secret_lines(&key, &certificates) {
                self.remember("private key", line.expose_secret(), known_to_agent);
            }
        }
    }

    /// Marks these values as known to the agent.
    pub(crate) fn disclose(&self, data: &SecretData) {
        let values: Vec<_> = data.values().filter_map(Value::as_str).collect();
        for canary in self.canaries.lock().iter_mut() {
            let carries = |value: &&str| value.contains(canary.value.expose_secret());
            canary.known_to_agent |= values.iter().any(carries);
        }
    }

    /// Marks the values of a secret as known if the act reads it.
    pub(crate) fn let_read(&self, act: &Act) {
        if matches!(act.operation, Operation::Kv(Kv::Read | Kv::ReadVersion)) {
            let held = |secrets: &HashMap<_, SecretData>| secrets.get(act.secret()?).cloned();
            let known: [Map<_, _>; 2] =
                [held(&self.holds), held(&self.first)].map(Option::unwrap_or_default);
            known.iter().for_each(|data| self.disclose(data));
        }
    }

    /// Marks all values as known, because a call with any arguments may read any of them.
    pub(crate) fn disclose_all(&self) {
        for canary in self.canaries.lock().iter_mut() {
            canary.known_to_agent = true;
        }
    }

    /// All values.
    pub(crate) fn all(&self) -> Secrets {
        self.values(|_| true)
    }

    /// The values that the agent neither wrote nor requested.
    pub(crate) fn unasked(&self) -> Secrets {
        self.values(|canary| !canary.known_to_agent)
    }

    /// The values for which `wanted` is true, given the label and the value.
    pub(crate) fn matching(&self, wanted: impl Fn(&str, &str) -> bool) -> Secrets {
        self.values(|canary| wanted(&canary.label, canary.value.expose_secret()))
    }

    fn values(&self, wanted: impl Fn(&Canary) -> bool) -> Secrets {
        let mut values = Secrets::default();
        for canary in self.canaries.lock().iter().filter(|canary| wanted(canary)) {
            values.add(&canary.label, canary.value.clone());
        }
        values
    }
}
