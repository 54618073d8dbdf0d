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

/// What a scenario knows of secrets.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// What each secret of the scenario's last KV mount should hold now, by path.
    pub(crate) holds: HashMap<String, SecretData>,
    /// What a secret held in its first version.
    pub(crate) first: HashMap<String, SecretData>,
    canaries: Mutex<Vec<Canary>>,
}

/// A random value that the scenario put somewhere, and whether the agent may know it.
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

    /// Remembers the private keys in what was said, with the certificates that they are for: no later answer and no log
    /// may have them.
    pub(crate) fn remember_keys(&self, said: &str, known_to_agent: bool) {
        let certificates = Certificate::all_in(said);
        for key in private_keys_in(said) {
            for line in secret_lines(&key, &certificates) {
                self.remember("private key", line.expose_secret(), known_to_agent);
            }
        }
    }

    /// The agent may know these values.
    pub(crate) fn disclose(&self, data: &SecretData) {
        let values: Vec<_> = data.values().filter_map(Value::as_str).collect();
        for canary in self.canaries.lock().iter_mut() {
            let carries = |value: &&str| value.contains(canary.value.expose_secret());
            canary.known_to_agent |= values.iter().any(carries);
        }
    }

    /// Whoever reads a secret may know its values.
    pub(crate) fn let_read(&self, act: &Act) {
        if matches!(act.operation, Operation::Kv(Kv::Read | Kv::ReadVersion)) {
            let held = |secrets: &HashMap<_, SecretData>| secrets.get(act.secret()?).cloned();
            let known: [Map<_, _>; 2] =
                [held(&self.holds), held(&self.first)].map(Option::unwrap_or_default);
            known.iter().for_each(|data| self.disclose(data));
        }
    }

    /// Whoever calls tools in whatever way may come to know any value.
    pub(crate) fn disclose_all(&self) {
        for canary in self.canaries.lock().iter_mut() {
            canary.known_to_agent = true;
        }
    }

    /// All values.
    pub(crate) fn all(&self) -> Secrets {
        self.values(|_| true)
    }

    /// The values that the agent neither wrote nor asked for.
    pub(crate) fn unasked(&self) -> Secrets {
        self.values(|canary| !canary.known_to_agent)
    }

    /// The values of which this is true, given the label and the value.
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
