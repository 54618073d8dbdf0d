//! Acts: what a scenario lets the agent do, in the words of the features.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::{
    scene::Scene,
    target::operation::{Operation, Parameters},
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The answer has what Vault holds.
    Read,
    /// The answer has the names of a folder; empty for the whole mount.
    Listed {
        /// The folder.
        folder: String,
    },
    /// Vault holds the key, and the rest of the secret as before.
    Written {
        /// The secret.
        path: String,
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Vault gives the secret out no more.
    Deleted {
        /// The secret.
        path: String,
    },
    /// The answer names the scene's mount.
    MountsListed,
    /// Vault has the mount.
    Mounted {
        /// Its path.
        mount: String,
        /// Its type.
        kind: &'static str,
    },
    /// Vault has the mount no more.
    Unmounted {
        /// Its path.
        mount: String,
    },
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
        let name = parts.get(2).map_or("", |name| name.as_str());
        match &parts[1] {
            "list the mounts" => Ok(Self::on_mounts(
                Operation::MountsList,
                None,
                Effect::MountsListed,
            )),
            "enable PKI at" => {
                let mount = scene.path_of(name);
                let effect = Effect::Mounted {
                    mount: mount.clone(),
                    kind: "pki",
                };
                Ok(Self::on_mounts(Operation::PkiEnable, Some(mount), effect))
            }
            "create a KV mount" => {
                let mount = scene.path_of(name);
                let effect = Effect::Mounted {
                    mount: mount.clone(),
                    kind: "kv",
                };
                Ok(Self::on_mounts(
                    Operation::MountsCreate,
                    Some(mount),
                    effect,
                ))
            }
            "delete the mount" => {
                let mount = scene.path_of(name);
                let effect = Effect::Unmounted {
                    mount: mount.clone(),
                };
                Ok(Self::on_mounts(
                    Operation::MountsDelete,
                    Some(mount),
                    effect,
                ))
            }
            "read the secret" => Self::read(scene, name),
            "list the folder" => Self::list(scene, name),
            "delete the secret" => Self::delete(scene, name),
            "write to the secret" => {
                let value = scene.canary("value that the agent writes", true);
                Self::write(scene, name, "token", value)
            }
            _ => Err(unknown()),
        }
    }

    fn on_mounts(operation: Operation, mount: Option<String>, effect: Effect) -> Self {
        let mut parameters = Parameters::new();
        if let Some(mount) = mount {
            parameters.insert("mount".to_owned(), json!(mount));
        }
        if operation == Operation::MountsCreate {
            parameters.insert("version".to_owned(), json!(2));
            parameters.insert("description".to_owned(), json!(""));
        }
        Self {
            operation,
            parameters,
            effect,
        }
    }

    fn on_secret(
        scene: &Scene,
        operation: Operation,
        path: &str,
        effect: Effect,
    ) -> StepResult<Self> {
        let mut parameters = Parameters::new();
        parameters.insert("mount".to_owned(), json!(scene.kv()?.path));
        parameters.insert("path".to_owned(), json!(path));
        Ok(Self {
            operation,
            parameters,
            effect,
        })
    }

    fn and(mut self, name: &str, value: Value) -> Self {
        self.parameters.insert(name.to_owned(), value);
        self
    }

    /// Reading a secret.
    ///
    /// # Errors
    /// When the scene has no KV mount; so have the others.
    pub fn read(scene: &Scene, path: &str) -> StepResult<Self> {
        Self::on_secret(scene, Operation::KvRead, path, Effect::Read)
    }

    /// Reading one version of a secret.
    ///
    /// # Errors
    /// When the scene has no KV mount.
    pub fn read_version(scene: &Scene, path: &str, version: u64) -> StepResult<Self> {
        let act = Self::on_secret(scene, Operation::KvReadVersion, path, Effect::Read)?;
        Ok(act.and("version", json!(version)))
    }

    /// Listing a folder, or the whole mount where it is empty.
    ///
    /// # Errors
    /// When the scene has no KV mount.
    pub fn list(scene: &Scene, folder: &str) -> StepResult<Self> {
        let effect = Effect::Listed {
            folder: folder.to_owned(),
        };
        Self::on_secret(scene, Operation::KvList, folder, effect)
    }

    /// Deleting a secret.
    ///
    /// # Errors
    /// When the scene has no KV mount.
    pub fn delete(scene: &Scene, path: &str) -> StepResult<Self> {
        let effect = Effect::Deleted {
            path: path.to_owned(),
        };
        Self::on_secret(scene, Operation::KvDelete, path, effect)
    }

    /// Writing one key of a secret.
    ///
    /// # Errors
    /// When the scene has no KV mount.
    pub fn write(scene: &Scene, path: &str, key: &str, value: String) -> StepResult<Self> {
        let effect = Effect::Written {
            path: path.to_owned(),
            key: key.to_owned(),
            value: value.clone(),
        };
        let act = Self::on_secret(scene, Operation::KvWriteKey, path, effect)?;
        Ok(act.and("key", json!(key)).and("value", json!(value)))
    }

    /// The secret that it is about.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match &self.effect {
            Effect::Written { path, .. } | Effect::Deleted { path } => Some(path),
            Effect::Read => self.parameters.get("path")?.as_str(),
            _ => None,
        }
    }

    /// The value that it hands to the target.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.parameters.get("value")?.as_str()
    }
}
