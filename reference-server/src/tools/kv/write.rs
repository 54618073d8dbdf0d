//! Writing and deleting a secret, or one key of it.

use std::sync::Arc;

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::to_raw_value};

use super::{secret, unless_checked};
use crate::{
    server::VaultServer,
    tools::{Effect, Failure, route},
    vault::{
        Vault,
        kv::{Changed, KvVersion},
    },
};

pub(super) fn routes() -> [ToolRoute<VaultServer>; 3] {
    [
        route(
            "write_secret",
            "Write one key of a secret",
            Effect::Replaces,
            "Set one key of a secret in a KV mount to a value. Other keys of the secret are kept; a secret that \
             does not exist is made. In KV v2 this makes a new version, in KV v1 the old value is lost. To \
             replace the whole secret, or to store anything but a string, call put_secret.",
            write_secret,
        ),
        route(
            "put_secret",
            "Replace a secret",
            Effect::Replaces,
            "Replace a whole secret in a KV mount: keys that are not in `data` are gone after; a secret that does \
             not exist is made. In KV v2 this makes a new version, and the old ones stay; in KV v1 what was there \
             is lost. `check_version` keeps a change by others from being overwritten unseen; without it the \
             write wins over what is there, also where the mount requires check-and-set. To change one key, call \
             write_secret.",
            put_secret,
        ),
        route(
            "delete_secret",
            "Delete a secret or one of its keys",
            Effect::Removes,
            "Delete a secret in a KV mount, or only one of its keys if `key` is given. In KV v2 the latest version \
             is soft-deleted: undelete_secret restores it, older versions stay. In KV v1 the secret is gone. \
             Deleting the last key deletes the secret. What is not there is an error, and changes nothing.",
            delete_secret,
        ),
    ]
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
struct PutSecret {
    /// The mount of the KV engine, such as `secret` or `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The path of the secret, relative to the mount, such as `app/db`.
    #[schemars(length(min = 1))]
    path: String,
    /// All keys and values that the secret shall have. Values can be any JSON.
    data: Map<String, Value>,
    /// In KV v2: write only if the latest version is this one; 0 if there must be no secret yet.
    #[schemars(range(min = 0))]
    check_version: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct SecretPut {
    /// The mount of the secret.
    mount: String,
    /// The path of the secret, relative to the mount.
    path: String,
    /// The version that this made, in KV v2.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

async fn put_secret(vault: Arc<Vault>, arguments: PutSecret) -> Result<SecretPut, Failure> {
    let (mount, path) = secret(&arguments.mount, &arguments.path)?;
    let data = arguments
        .data
        .into_iter()
        .map(|(key, value)| Ok((key, to_raw_value(&value)?)))
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|_| Failure::internal())?;
    let changed = vault
        .kv
        .put(&mount, &path, &data, arguments.check_version)
        .await?;
    Ok(SecretPut {
        mount: mount.to_string(),
        path: path.to_string(),
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
    /// What else there is to know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
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
        checked,
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
        notes: unless_checked(checked),
    })
}
