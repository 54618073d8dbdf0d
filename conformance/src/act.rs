//! Acts: what a scenario lets the agent do, in the words of the features.

pub mod pki;

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use self::pki::PkiEffect;
use crate::{
    scene::Scene,
    target::operation::{Operation, Parameters},
    vault::oracle::SecretData,
    verdict::{StepResult, Stop},
};

/// Something that the agent does.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// The operation.
    pub operation: Operation,
    /// With what.
    pub parameters: Parameters,
    /// What must then be seen.
    pub effect: Effect,
}

/// What must be seen once an act has succeeded.
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
    /// Vault holds these keys, and either nothing else or the rest of the secret as before.
    Written {
        /// The secret.
        path: String,
        /// The keys and their values.
        data: SecretData,
        /// Whether the secret's other keys stay.
        merged: bool,
    },
    /// Vault gives the secret, or one key of it, out no more.
    Deleted {
        /// The secret.
        path: String,
        /// The key; none for the whole secret.
        key: Option<String>,
    },
    /// Something was done to a version of a secret.
    VersionChanged {
        /// The secret.
        path: String,
    },
    /// The answer names the scene's mounts.
    MountsListed,
    /// Vault has the KV mount.
    Mounted {
        /// Its path.
        mount: String,
        /// The version of the KV engine.
        version: u8,
    },
    /// Vault has the mount no more.
    Unmounted {
        /// Its path.
        mount: String,
    },
    /// On a PKI mount.
    Pki(PkiEffect),
}

#[expect(clippy::unwrap_used, reason = "the expression is a constant")]
static QUOTED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"^([^"]+?)(?: "([^"]*)")?$"#).unwrap());

impl Act {
    /// The act that a feature words so.
    ///
    /// # Errors
    /// When no act is worded so.
    pub fn parse(text: &str, scene: &mut Scene) -> StepResult<Self> {
        let unknown = || Stop::blocked(format!("no act is worded {text:?}"));
        let parts = QUOTED.captures(text).ok_or_else(unknown)?;
        let Some(name) = parts.get(2).map(|name| name.as_str()) else {
            return match &parts[1] {
                "list the mounts" => Ok(Self::list_mounts()),
                _ => Err(unknown()),
            };
        };
        match &parts[1] {
            "enable PKI at" => Ok(Self::enable_pki(&scene.path_of(name), "87600h")),
            "create a KV mount" => Ok(Self::create_mount(scene.path_of(name), 2)),
            "delete the mount" => Ok(Self::delete_mount(scene.path_of(name))),
            "read the secret" => Self::read(scene, name),
            "list the folder" => Self::list(scene, name),
            "delete the secret" => Self::delete(scene, name),
            "write to the secret" => {
                let value = scene.canary("value that the agent writes", true);
                Self::write(scene, name, "token", &value)
            }
            _ => Err(unknown()),
        }
    }

    fn on_mounts(operation: Operation, effect: Effect) -> Self {
        Self {
            operation,
            parameters: Parameters::new(),
            effect,
        }
    }

    /// Listing the mounts.
    #[must_use]
    pub fn list_mounts() -> Self {
        Self::on_mounts(Operation::MountsList, Effect::MountsListed)
    }

    /// Making a KV mount at this path in Vault.
    #[must_use]
    pub fn create_mount(mount: String, version: u8) -> Self {
        let effect = Effect::Mounted {
            mount: mount.clone(),
            version,
        };
        Self::on_mounts(Operation::MountsCreate, effect)
            .and("mount", json!(mount))
            .and("version", json!(version))
            .and("description", json!("made by an agent"))
    }

    /// Deleting the mount at this path in Vault.
    #[must_use]
    pub fn delete_mount(mount: String) -> Self {
        let effect = Effect::Unmounted {
            mount: mount.clone(),
        };
        Self::on_mounts(Operation::MountsDelete, effect).and("mount", json!(mount))
    }

    fn on_secret(
        scene: &Scene,
        operation: Operation,
        path: &str,
        effect: Effect,
    ) -> StepResult<Self> {
        let mut parameters = Parameters::new();
        parameters.insert("mount".to_owned(), json!(scene.mount()?));
        parameters.insert("path".to_owned(), json!(path));
        Ok(Self {
            operation,
            parameters,
            effect,
        })
    }

    pub(crate) fn and(mut self, name: &str, value: Value) -> Self {
        self.parameters.insert(name.to_owned(), value);
        self
    }

    /// Reading a secret.
    ///
    /// # Errors
    /// When the scene has no mount; so have the others.
    pub fn read(scene: &Scene, path: &str) -> StepResult<Self> {
        Self::on_secret(scene, Operation::KvRead, path, Effect::Read)
    }

    /// Reading one version of a secret.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn read_version(scene: &Scene, path: &str, version: u64) -> StepResult<Self> {
        let act = Self::on_secret(scene, Operation::KvReadVersion, path, Effect::Read)?;
        Ok(act.and("version", json!(version)))
    }

    /// Listing a folder, or the whole mount where it is empty.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn list(scene: &Scene, folder: &str) -> StepResult<Self> {
        let effect = Effect::Listed {
            folder: folder.to_owned(),
        };
        Self::on_secret(scene, Operation::KvList, folder, effect)
    }

    /// Listing everything below a folder, or the whole mount where it is empty.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn list_all(scene: &Scene, folder: &str) -> StepResult<Self> {
        let effect = Effect::ListedAll {
            folder: folder.to_owned(),
        };
        Self::on_secret(scene, Operation::KvListAll, folder, effect)
    }

    /// Listing the root of a mount that is not the scene's.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn list_mount(scene: &Scene, mount: &str) -> StepResult<Self> {
        Ok(Self::list(scene, "")?.and("mount", json!(mount)))
    }

    /// Asking for the metadata of a secret.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn describe(scene: &Scene, path: &str) -> StepResult<Self> {
        let effect = Effect::Described {
            path: path.to_owned(),
        };
        Self::on_secret(scene, Operation::KvMetadata, path, effect)
    }

    /// Deleting a secret.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn delete(scene: &Scene, path: &str) -> StepResult<Self> {
        let effect = Effect::Deleted {
            path: path.to_owned(),
            key: None,
        };
        Self::on_secret(scene, Operation::KvDelete, path, effect)
    }

    /// Deleting one key of a secret.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn delete_key(scene: &Scene, path: &str, key: &str) -> StepResult<Self> {
        let effect = Effect::Deleted {
            path: path.to_owned(),
            key: Some(key.to_owned()),
        };
        let act = Self::on_secret(scene, Operation::KvDeleteKey, path, effect)?;
        Ok(act.and("key", json!(key)))
    }

    /// Doing something (undelete, destroy) to one version of a secret.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn on_version(
        scene: &Scene,
        operation: Operation,
        path: &str,
        version: u64,
    ) -> StepResult<Self> {
        let effect = Effect::VersionChanged {
            path: path.to_owned(),
        };
        let act = Self::on_secret(scene, operation, path, effect)?;
        Ok(act.and("version", json!(version)))
    }

    /// Removing a secret with all its versions.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn purge(scene: &Scene, path: &str) -> StepResult<Self> {
        let effect = Effect::Deleted {
            path: path.to_owned(),
            key: None,
        };
        Self::on_secret(scene, Operation::KvPurge, path, effect)
    }

    /// Writing one key of a secret.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn write(scene: &Scene, path: &str, key: &str, value: &str) -> StepResult<Self> {
        let effect = Effect::Written {
            path: path.to_owned(),
            data: SecretData::from_iter([(key.to_owned(), json!(value))]),
            merged: true,
        };
        let act = Self::on_secret(scene, Operation::KvWriteKey, path, effect)?;
        Ok(act.and("key", json!(key)).and("value", json!(value)))
    }

    /// Writing a secret as a whole.
    ///
    /// # Errors
    /// When the scene has no mount.
    pub fn replace(scene: &Scene, path: &str, data: SecretData) -> StepResult<Self> {
        let effect = Effect::Written {
            path: path.to_owned(),
            data: data.clone(),
            merged: false,
        };
        let act = Self::on_secret(scene, Operation::KvWrite, path, effect)?;
        Ok(act.and("data", Value::Object(data)))
    }

    /// The secret that it is about.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match &self.effect {
            Effect::Written { path, .. }
            | Effect::Deleted { path, .. }
            | Effect::Described { path }
            | Effect::VersionChanged { path } => Some(path),
            Effect::Read => self.parameters.get("path")?.as_str(),
            _ => None,
        }
    }

    /// Whether a place of a snapshot is what it is about: its secret, or its mount with all
    /// that is in it.
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

    /// The values that it hands to the target.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let data = match &self.effect {
            Effect::Written { data, .. } => Some(data),
            _ => None,
        };
        data.into_iter()
            .flat_map(|data| data.values())
            .filter_map(Value::as_str)
    }
}
