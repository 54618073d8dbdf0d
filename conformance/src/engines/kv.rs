//! KV engines, versions 1 and 2: secrets.

use serde_json::{Value, json};

use super::engine::{
    About, Answers, Engine, Parameters, SECRET, WRITTEN, WorkloadMounts, about, text,
};
use crate::vault::oracle::{Oracle, OracleError, Snapshot, VaultRequest};

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kv {
    /// List one level of a KV mount.
    List,
    /// List all secrets below a folder of a KV mount.
    ListAll,
    /// Read the latest version of a secret.
    Read,
    /// Read one version of a secret.
    ReadVersion,
    /// Return the key names, versions and times of a secret, without its values.
    Metadata,
    /// Replace a secret as a whole.
    Write,
    /// Set one key of a secret and keep the others.
    WriteKey,
    /// Delete a secret: in KV version 2 its latest version.
    Delete,
    /// Delete one key of a secret and keep the others.
    DeleteKey,
    /// Restore a deleted version.
    Undelete,
    /// Remove the data of a version permanently.
    Destroy,
    /// Remove a secret with all its versions and metadata.
    Purge,
}

impl Kv {
    /// All operations.
    pub const ALL: [Self; 12] = [
        Self::List,
        Self::ListAll,
        Self::Read,
        Self::ReadVersion,
        Self::Metadata,
        Self::Write,
        Self::WriteKey,
        Self::Delete,
        Self::DeleteKey,
        Self::Undelete,
        Self::Destroy,
        Self::Purge,
    ];
}

impl Engine for Kv {
    fn about(self) -> About {
        const ONE_SECRET: &[&str] = &["mount", "path"];
        const VERSION: &[&str] = &["mount", "path", "version"];
        const METADATA: &[&str] = &["keys", "version", "created", "updated", "custom", "deleted"];
        match self {
            Self::List => about(Answers::Names, "kv.list", ONE_SECRET, &[]),
            Self::ListAll => about(Answers::Names, "kv.list_all", ONE_SECRET, &[]),
            Self::Read => about(Answers::Data, "kv.read", ONE_SECRET, &["version"]),
            Self::ReadVersion => about(Answers::Data, "kv.read_version", VERSION, &["version"]),
            Self::Metadata => about(Answers::Facts, "kv.metadata", ONE_SECRET, METADATA),
            Self::Write => about(
                Answers::Change,
                "kv.write",
                &["mount", "path", "data"],
                &["version"],
            ),
            Self::WriteKey => about(
                Answers::Change,
                "kv.write_key",
                &["mount", "path", "key", "value"],
                &["version"],
            ),
            Self::Delete => about(Answers::Change, "kv.delete", ONE_SECRET, &[]),
            Self::DeleteKey => about(
                Answers::Change,
                "kv.delete_key",
                &["mount", "path", "key"],
                &["version"],
            ),
            Self::Undelete => about(Answers::Change, "kv.undelete", VERSION, &[]),
            Self::Destroy => about(Answers::Change, "kv.destroy", VERSION, &[]),
            Self::Purge => about(Answers::Change, "kv.purge", ONE_SECRET, &[]),
        }
    }

    fn requests(self, parameters: &Parameters, kv_version: u8) -> Vec<VaultRequest> {
        let (mount, path) = (text(parameters, "mount"), text(parameters, "path"));
        let below = |endpoint: &str| match kv_version {
            2 => format!("{mount}/{endpoint}/{path}"),
            _ => format!("{mount}/{path}"),
        };
        let read = || VaultRequest::new("GET", below("data"));
        let write = |data: Value| {
            let body = match kv_version {
                2 => json!({ "data": data }),
                _ => data,
            };
            VaultRequest::new("POST", below("data")).with(body)
        };
        let versions = || {
            let version = parameters.get("version").cloned().unwrap_or(json!(1));
            json!({ "versions": [version] })
        };
        vec![match self {
            // Only the first of several requests; the others need the same rights.
            Self::List | Self::ListAll => VaultRequest::new("LIST", below("metadata")),
            // The version is a query, which policies do not consider.
            Self::Read | Self::ReadVersion => read(),
            Self::Metadata => VaultRequest::new("GET", below("metadata")),
            Self::Write => write(parameters.get("data").cloned().unwrap_or(json!({}))),
            // The rest of the secret is kept.
            Self::WriteKey => {
                let (key, value) = (text(parameters, "key"), text(parameters, "value"));
                return vec![read(), write(json!({ key: value }))];
            }
            Self::DeleteKey => return vec![read(), write(json!({}))],
            Self::Delete => VaultRequest::new("DELETE", below("data")),
            Self::Undelete => VaultRequest::new("PUT", below("undelete")).with(versions()),
            Self::Destroy => VaultRequest::new("PUT", below("destroy")).with(versions()),
            Self::Purge => VaultRequest::new("DELETE", below("metadata")),
        }]
    }

    fn workload(self, on: &WorkloadMounts) -> Option<Value> {
        let (kv, value) = (&on.kv, "written by a measurement");
        match self {
            Self::List => Some(json!({ "mount": kv, "path": "app" })),
            Self::Read => Some(json!({ "mount": kv, "path": SECRET })),
            Self::ReadVersion => Some(json!({ "mount": kv, "path": SECRET, "version": 1 })),
            Self::Write => {
                Some(json!({ "mount": kv, "path": WRITTEN, "data": { "token": value } }))
            }
            Self::WriteKey => {
                Some(json!({ "mount": kv, "path": WRITTEN, "key": "token", "value": value }))
            }
            Self::ListAll
            | Self::Metadata
            | Self::Delete
            | Self::DeleteKey
            | Self::Undelete
            | Self::Destroy
            | Self::Purge => None,
        }
    }

    async fn snapshot(
        oracle: &Oracle,
        mount: &str,
        about: &Value,
        snapshot: &mut Snapshot,
    ) -> Result<(), OracleError> {
        let version = match (about["type"].as_str(), about["options"]["version"].as_str()) {
            (Some("kv"), Some("2")) => 2,
            (Some("kv" | "generic"), _) => 1,
            _ => return Ok(()),
        };
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            for name in oracle.list(mount, version, &folder).await? {
                let path = format!("{folder}{name}");
                if path.ends_with('/') {
                    folders.push(path);
                    continue;
                }
                let data = oracle.read_secret(mount, version, &path).await?;
                let versions = match version {
                    2 => {
                        let metadata = oracle.metadata(mount, &path).await?;
                        json!([metadata["versions"], metadata["custom_metadata"]])
                    }
                    _ => Value::Null,
                };
                let held = json!({ "data": data, "versions": versions });
                snapshot.insert(format!("{mount}:{path}"), held);
            }
        }
        Ok(())
    }
}
