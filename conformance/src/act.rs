//! Acts: one call that a scenario lets the agent make, with its expected effect.

pub mod pki;

use serde_json::{Value, json};

use self::pki::PkiEffect;
use crate::{
    engines::{Operation, Parameters, kv::Kv, mounts::Mounts},
    vault::oracle::SecretData,
};

/// One call that the agent makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// The operation.
    pub operation: Operation,
    /// Its parameters.
    pub parameters: Parameters,
    /// The expected effect.
    pub effect: Effect,
}

/// The expected effect of a successful act.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The answer has what Vault holds.
    Read,
    /// The answer has the names of a folder; empty for the whole mount.
    Listed {
        /// The folder.
        folder: String,
    },
    /// The answer has all secrets below a folder; empty for the whole mount.
    ListedAll {
        /// The folder.
        folder: String,
    },
    /// The answer describes a secret without its values.
    Described {
        /// The secret.
        path: String,
    },
    /// Vault holds these keys. The secret's other keys are unchanged if `merged`, and gone otherwise.
    Written {
        /// The secret.
        path: String,
        /// The keys and their values.
        data: SecretData,
        /// Whether the other keys of the secret stay.
        merged: bool,
    },
    /// Vault no longer returns the secret, or one key of it.
    Deleted {
        /// The secret.
        path: String,
        /// The key; `None` for the whole secret.
        key: Option<String>,
    },
    /// The state of a version of a secret changed.
    VersionChanged {
        /// The secret.
        path: String,
    },
    /// The answer names the scenario's mounts.
    MountsListed,
    /// Vault has the KV mount.
    Mounted {
        /// Its path.
        mount: String,
        /// The version of the KV engine.
        version: u8,
    },
    /// Vault no longer has the mount.
    Unmounted {
        /// Its path.
        mount: String,
    },
    /// On a PKI mount.
    Pki(PkiEffect),
}

impl Act {
    fn on_mounts(operation: Operation, effect: Effect) -> Self {
        Self {
            operation,
            parameters: Parameters::new(),
            effect,
        }
    }

    /// Lists the mounts.
    #[must_use]
    pub fn list_mounts() -> Self {
        Self::on_mounts(Operation::Mounts(Mounts::List), Effect::MountsListed)
    }

    /// Creates a KV mount at this path in Vault.
    #[must_use]
    pub fn create_mount(mount: String, version: u8) -> Self {
        let effect = Effect::Mounted {
            mount: mount.clone(),
            version,
        };
        Self::on_mounts(Operation::Mounts(Mounts::Create), effect)
            .and("mount", json!(mount))
            .and("version", json!(version))
            .and("description", json!("made by an agent"))
    }

    /// Deletes the mount at this path in Vault.
    #[must_use]
    pub fn delete_mount(mount: String) -> Self {
        let effect = Effect::Unmounted {
            mount: mount.clone(),
        };
        Self::on_mounts(Operation::Mounts(Mounts::Delete), effect).and("mount", json!(mount))
    }

    fn on_secret(mount: &str, operation: Operation, path: &str, effect: Effect) -> Self {
        Self {
            operation,
            parameters: Parameters::new(),
            effect,
        }
        .and("mount", json!(mount))
        .and("path", json!(path))
    }

    pub(crate) fn and(mut self, name: &str, value: Value) -> Self {
        self.parameters.insert(name.to_owned(), value);
        self
    }

    /// Reads a secret.
    #[must_use]
    pub fn read(mount: &str, path: &str) -> Self {
        Self::on_secret(mount, Operation::Kv(Kv::Read), path, Effect::Read)
    }

    /// Reads one version of a secret.
    #[must_use]
    pub fn read_version(mount: &str, path: &str, version: u64) -> Self {
        Self::on_secret(mount, Operation::Kv(Kv::ReadVersion), path, Effect::Read)
            .and("version", json!(version))
    }

    /// Lists a folder, or the whole mount if it is empty.
    #[must_use]
    pub fn list(mount: &str, folder: &str) -> Self {
        let effect = Effect::Listed {
            folder: folder.to_owned(),
        };
        Self::on_secret(mount, Operation::Kv(Kv::List), folder, effect)
    }

    /// Lists everything below a folder, or the whole mount if it is empty.
    #[must_use]
    pub fn list_all(mount: &str, folder: &str) -> Self {
        let effect = Effect::ListedAll {
            folder: folder.to_owned(),
        };
        Self::on_secret(mount, Operation::Kv(Kv::ListAll), folder, effect)
    }

    /// Reads the metadata of a secret.
    #[must_use]
    pub fn describe(mount: &str, path: &str) -> Self {
        let effect = Effect::Described {
            path: path.to_owned(),
        };
        Self::on_secret(mount, Operation::Kv(Kv::Metadata), path, effect)
    }

    /// Deletes a secret.
    #[must_use]
    pub fn delete(mount: &str, path: &str) -> Self {
        let effect = Effect::Deleted {
            path: path.to_owned(),
            key: None,
        };
        Self::on_secret(mount, Operation::Kv(Kv::Delete), path, effect)
    }

    /// Deletes one key of a secret.
    #[must_use]
    pub fn delete_key(mount: &str, path: &str, key: &str) -> Self {
        let effect = Effect::Deleted {
            path: path.to_owned(),
            key: Some(key.to_owned()),
        };
        Self::on_secret(mount, Operation::Kv(Kv::DeleteKey), path, effect).and("key", json!(key))
    }

    /// Undeletes or destroys one version of a secret.
    #[must_use]
    pub fn on_version(mount: &str, operation: Operation, path: &str, version: u64) -> Self {
        let effect = Effect::VersionChanged {
            path: path.to_owned(),
        };
        Self::on_secret(mount, operation, path, effect).and("version", json!(version))
    }

    /// Removes a secret with all its versions.
    #[must_use]
    pub fn purge(mount: &str, path: &str) -> Self {
        let effect = Effect::Deleted {
            path: path.to_owned(),
            key: None,
        };
        Self::on_secret(mount, Operation::Kv(Kv::Purge), path, effect)
    }

    /// Writes one key of a secret.
    #[must_use]
    pub fn write(mount: &str, path: &str, key: &str, value: &str) -> Self {
        let effect = Effect::Written {
            path: path.to_owned(),
            data: SecretData::from_iter([(key.to_owned(), json!(value))]),
            merged: true,
        };
        Self::on_secret(mount, Operation::Kv(Kv::WriteKey), path, effect)
            .and("key", json!(key))
            .and("value", json!(value))
    }

    /// Replaces a secret as a whole.
    #[must_use]
    pub fn replace(mount: &str, path: &str, data: SecretData) -> Self {
        let effect = Effect::Written {
            path: path.to_owned(),
            data: data.clone(),
            merged: false,
        };
        Self::on_secret(mount, Operation::Kv(Kv::Write), path, effect)
            .and("data", Value::Object(data))
    }

    /// The secret that the act is about.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match &self.effect {
            Effect::Written { path, .. }
            | Effect::Deleted { path, .. }
            | Effect::Described { path }
            | Effect::VersionChanged { path } => Some(path),
            Effect::Read => self.parameters.get("path")?.as_str(),
            Effect::Listed { .. }
            | Effect::ListedAll { .. }
            | Effect::MountsListed
            | Effect::Mounted { .. }
            | Effect::Unmounted { .. }
            | Effect::Pki(_) => None,
        }
    }

    /// Whether the act is about this place of a snapshot: its secret, or its mount with all contents.
    #[must_use]
    pub fn is_about(&self, place: &str) -> bool {
        let text = |name: &str| self.parameters.get(name).and_then(Value::as_str);
        let mount = text("mount").unwrap_or_default();
        let rest = place.strip_prefix(mount);
        match &self.effect {
            Effect::Mounted { .. } | Effect::Unmounted { .. } | Effect::Pki(PkiEffect::Enabled) => {
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            }
            Effect::Pki(_) => self.is_about_in_pki(place),
            _ => self
                .secret()
                .is_some_and(|secret| rest.and_then(|rest| rest.strip_prefix(':')) == Some(secret)),
        }
    }

    /// The values that the act passes to the target.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let data = match &self.effect {
            Effect::Written { data, .. } => Some(data),
            Effect::Read
            | Effect::Listed { .. }
            | Effect::ListedAll { .. }
            | Effect::Described { .. }
            | Effect::Deleted { .. }
            | Effect::VersionChanged { .. }
            | Effect::MountsListed
            | Effect::Mounted { .. }
            | Effect::Unmounted { .. }
            | Effect::Pki(_) => None,
        };
        data.into_iter()
            .flat_map(|data| data.values())
            .filter_map(Value::as_str)
    }
}
