//! Secrets in KV engines: list, read, write a key, delete.

use std::{collections::BTreeMap, sync::Arc};

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::to_raw_value};

use super::{Effect, Failure, route};
use crate::{
    server::VaultServer,
    vault::{
        Vault,
        error::VaultError,
        kv::{Changed, KvVersion, Metadata},
        path::{FolderPath, MountPath, SecretPath},
    },
};

pub(super) fn routes() -> Vec<ToolRoute<VaultServer>> {
    vec![
        route(
            "list_secrets",
            "List secrets",
            Effect::Reads,
            "List the names of the secrets and folders at one level of a KV mount. No values are read.",
            list_secrets,
        ),
        route(
            "read_secret",
            "Read a secret",
            Effect::Reads,
            "Read the keys and values of a secret in a KV mount, and its version where the mount keeps versions. \
             The answer contains the secret values.",
            read_secret,
        ),
        route(
            "write_secret",
            "Write one key of a secret",
            Effect::Replaces,
            "Set one key of a secret in a KV mount to a value. Other keys of the secret are kept; a secret that \
             does not exist is made. In KV v2 this makes a new version, in KV v1 the old value is lost.",
            write_secret,
        ),
        route(
            "delete_secret",
            "Delete a secret or one of its keys",
            Effect::Removes,
            "Delete a secret in a KV mount, or only one of its keys if `key` is given. In KV v2 the latest version \
             is soft-deleted and an operator can restore it; in KV v1 the secret is gone. Deleting the last key \
             deletes the secret.",
            delete_secret,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListSecrets {
    /// The mount of the KV engine, such as `secret` or `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The folder to list, relative to the mount, such as `app`. Leave it out for the root of the mount.
    path: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct SecretList {
    /// The mount that was listed.
    mount: String,
    /// The folder that was listed; empty for the root of the mount.
    path: String,
    /// What is there, in Vault's order.
    entries: Vec<Entry>,
}

#[derive(Serialize, JsonSchema)]
struct Entry {
    /// The name, relative to the folder; that of a folder ends in a slash, as in Vault.
    name: String,
    /// A name can stand for both, in two entries.
    kind: EntryKind,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum EntryKind {
    Secret,
    Folder,
}

async fn list_secrets(vault: Arc<Vault>, arguments: ListSecrets) -> Result<SecretList, Failure> {
    let mount = mount(&arguments.mount)?;
    let folder = FolderPath::parse(arguments.path.as_deref().unwrap_or_default())
        .map_err(|error| Failure::invalid_path("path", error))?;
    let entries = vault
        .kv
        .list(&mount, &folder)
        .await?
        .into_iter()
        .map(entry)
        .collect();
    Ok(SecretList {
        mount: mount.to_string(),
        path: folder.to_string(),
        entries,
    })
}

fn entry(name: String) -> Entry {
    let kind = if name.ends_with('/') {
        EntryKind::Folder
    } else {
        EntryKind::Secret
    };
    Entry { name, kind }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadSecret {
    /// The mount of the KV engine, such as `secret` or `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The path of the secret, relative to the mount, such as `app/db`.
    #[schemars(length(min = 1))]
    path: String,
    /// The version to read, in KV v2. Leave it out for the latest.
    #[schemars(range(min = 1))]
    version: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct SecretData {
    /// The mount of the secret.
    mount: String,
    /// The path of the secret, relative to the mount.
    path: String,
    /// The version of the KV engine, 1 or 2.
    kv_version: u8,
    /// The keys and values.
    data: Map<String, Value>,
    /// Given by KV v2.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<VersionMetadata>,
}

#[derive(Serialize, JsonSchema)]
struct VersionMetadata {
    /// The version that was read.
    version: u64,
    /// When it was written, RFC 3339.
    created_time: String,
    /// When it will be deleted, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    deletion_time: String,
    /// The operator's notes on the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_metadata: Option<BTreeMap<String, String>>,
}

impl From<Metadata> for VersionMetadata {
    fn from(metadata: Metadata) -> Self {
        Self {
            version: metadata.version,
            created_time: metadata.created_time,
            deletion_time: metadata.deletion_time,
            custom_metadata: metadata.custom_metadata,
        }
    }
}

async fn read_secret(vault: Arc<Vault>, arguments: ReadSecret) -> Result<SecretData, Failure> {
    let (mount, path) = secret(&arguments.mount, &arguments.path)?;
    let reading = vault.kv.read(&mount, &path, arguments.version).await?;
    let data = reading
        .data
        .into_iter()
        .map(|(key, value)| Ok((key, serde_json::from_str(value.get())?)))
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|_| VaultError::Unexpected {
            status: 200,
            reason: "it holds a number that is out of range",
        })?;
    Ok(SecretData {
        mount: mount.to_string(),
        path: path.to_string(),
        kv_version: reading.kv_version.number(),
        data,
        metadata: reading.metadata.map(VersionMetadata::from),
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteSecret {
    /// The mount of the KV engine, such as `secret` or `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The path of the secret, relative to the mount, such as `app/db`.
    #[schemars(length(min = 1))]
    path: String,
    /// The key to set, such as `password`.
    #[schemars(length(min = 1))]
    key: String,
    /// The value to store under the key.
    #[schemars(length(min = 1))]
    value: String,
}

#[derive(Serialize, JsonSchema)]
struct KeyWritten {
    /// The mount of the secret.
    mount: String,
    /// The path of the secret, relative to the mount.
    path: String,
    /// The key that was set.
    key: String,
    /// The version that this made, in KV v2.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

async fn write_secret(vault: Arc<Vault>, arguments: WriteSecret) -> Result<KeyWritten, Failure> {
    let (mount, path) = secret(&arguments.mount, &arguments.path)?;
    let value = to_raw_value(&arguments.value).map_err(|_| Failure::internal())?;
    let changed = vault
        .kv
        .write_key(&mount, &path, &arguments.key, &value)
        .await?;
    Ok(KeyWritten {
        mount: mount.to_string(),
        path: path.to_string(),
        key: arguments.key,
        version: changed.version,
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteSecret {
    /// The mount of the KV engine, such as `secret` or `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The path of the secret, relative to the mount, such as `app/db`.
    #[schemars(length(min = 1))]
    path: String,
    /// The key to delete. Leave it out to delete the secret with all its keys.
    #[schemars(length(min = 1))]
    key: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Deletion {
    /// The mount of the secret.
    mount: String,
    /// The path of the secret, relative to the mount.
    path: String,
    /// What was deleted.
    deleted: Deleted,
    /// The key that was deleted, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// In KV v2: the version that was deleted, or, where a key was deleted, the new version without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Deleted {
    /// One key; the others are kept.
    Key,
    /// The latest version of the secret, which can be restored (KV v2).
    LatestVersion,
    /// The secret, for good (KV v1).
    Secret,
}

async fn delete_secret(vault: Arc<Vault>, arguments: DeleteSecret) -> Result<Deletion, Failure> {
    let (mount, path) = secret(&arguments.mount, &arguments.path)?;
    let Changed {
        kv_version,
        version,
        deleted,
    } = match &arguments.key {
        Some(key) => vault.kv.delete_key(&mount, &path, key).await?,
        None => vault.kv.delete(&mount, &path).await?,
    };
    let deleted = match (deleted, kv_version) {
        (false, _) => Deleted::Key,
        (true, KvVersion::V1) => Deleted::Secret,
        (true, KvVersion::V2) => Deleted::LatestVersion,
    };
    Ok(Deletion {
        mount: mount.to_string(),
        path: path.to_string(),
        deleted,
        key: arguments.key,
        version,
    })
}

fn mount(text: &str) -> Result<MountPath, Failure> {
    MountPath::parse(text).map_err(|error| Failure::invalid_path("mount", error))
}

fn secret(mount_text: &str, path: &str) -> Result<(MountPath, SecretPath), Failure> {
    let path = SecretPath::parse(path).map_err(|error| Failure::invalid_path("path", error))?;
    Ok((mount(mount_text)?, path))
}
