//! Mounts: Vault's table of engines.

use serde_json::{Value, json};

use super::engine::{About, Answers, Engine, Parameters, WorkloadMounts, about, text};
use crate::vault::oracle::{Oracle, OracleError, Snapshot, VaultRequest};

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mounts {
    /// List the mounts that the token may see.
    List,
    /// Create a KV mount.
    Create,
    /// Remove a mount with all its contents.
    Delete,
}

impl Mounts {
    /// All operations.
    pub const ALL: [Self; 3] = [Self::List, Self::Create, Self::Delete];
}

impl Engine for Mounts {
    fn about(self) -> About {
        match self {
            Self::List => about(
                Answers::Names,
                "mounts.list",
                &[],
                &["type", "version", "description"],
            ),
            Self::Create => about(
                Answers::Change,
                "mounts.create",
                &["mount", "version", "description"],
                &[],
            ),
            Self::Delete => about(Answers::Change, "mounts.delete", &["mount"], &[]),
        }
    }

    fn requests(self, parameters: &Parameters, _: u8) -> Vec<VaultRequest> {
        let path = format!("sys/mounts/{}", text(parameters, "mount"));
        vec![match self {
            Self::List => VaultRequest::new("GET", "sys/mounts"),
            Self::Create => {
                let version = parameters.get("version").unwrap_or(&json!(2)).to_string();
                let body = json!({ "type": "kv", "options": { "version": version } });
                VaultRequest::new("POST", path).with(body)
            }
            Self::Delete => VaultRequest::new("DELETE", path),
        }]
    }

    fn workload(self, _: &WorkloadMounts) -> Option<Value> {
        match self {
            Self::List => Some(json!({})),
            Self::Create | Self::Delete => None,
        }
    }

    async fn snapshot(
        oracle: &Oracle,
        mount: &str,
        about: &Value,
        snapshot: &mut Snapshot,
    ) -> Result<(), OracleError> {
        let kept = json!({ "type": about["type"], "options": about["options"], "uuid": about["uuid"], "max_lease_ttl": about["config"]["max_lease_ttl"] });
        snapshot.insert(mount.to_owned(), kept);
        if about["type"] == "transit" {
            for key in oracle.list(mount, 1, "keys/").await? {
                snapshot.insert(format!("{mount}:keys/{key}"), Value::Null);
            }
        }
        Ok(())
    }
}
