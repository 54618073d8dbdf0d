//! Reading a secret, with or without its values.

use std::{collections::BTreeMap, sync::Arc};

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{SecretArguments, Version, secret};
use crate::{
    server::VaultServer,
    tools::{Effect, Failure, route},
    vault::{
        Vault,
        error::{Refusal, VaultError},
        kv::{KeyNames, Metadata},
    },
};

pub(super) fn routes() -> [ToolRoute<VaultServer>; 2] {
    [
        route(
            "read_secret",
            "Read a secret",
            Effect::Reads,
            "Read the keys and values of a secret in a KV mount, and its version where the mount keeps versions. \
             The answer contains the secret values; where key names or versions are enough, call \
             read_secret_metadata.",
            read_secret,
        ),
        route(
            "read_secret_metadata",
            "Read key names and versions of a secret",
            Effect::Reads,
            "Read what a secret is without its values: the key names of the latest version, and in KV v2 the \
             versions with their times and states. Never returns a value. What the token may not see is left out \
             and told in `notes`.",
            read_secret_metadata,
        ),
    ]
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

#[derive(Serialize, JsonSchema)]
struct SecretMetadata {
    /// The mount of the secret.
    mount: String,
    /// The path of the secret, relative to the mount.
    path: String,
    /// The version of the KV engine, 1 or 2.
    kv_version: u8,
    /// The key names of the latest version; absent when they cannot be told, see `notes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<String>>,
    /// The number of the latest version, in KV v2; 0 when none was ever written.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_version: Option<u64>,
    /// Whether the latest version is soft-deleted now, in KV v2.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<bool>,
    /// When the secret was made, RFC 3339, in KV v2.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_time: Option<String>,
    /// When the latest version was written, RFC 3339, in KV v2.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_time: Option<String>,
    /// The operator's notes on the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_metadata: Option<BTreeMap<String, String>>,
    /// The versions that are kept, oldest first, in KV v2.
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<Version>>,
    /// What else there is to know, such as what was left out and why.
    notes: Vec<String>,
}

async fn read_secret_metadata(
    vault: Arc<Vault>,
    arguments: SecretArguments,
) -> Result<SecretMetadata, Failure> {
    let (mount, path) = secret(&arguments.mount, &arguments.path)?;
    let outline = vault.kv.outline(&mount, &path).await?;
    let mut notes = Vec::new();
    // Vault's answer for the data says more than a comparison of times: clocks differ.
    let deleted = match &outline.keys {
        KeyNames::Known(_, latest) => latest.as_ref().map(|_| false),
        KeyNames::Gone(latest) => Some(!latest.destroyed),
        KeyNames::NeverWritten | KeyNames::Denied(_) => None,
    };
    let (keys, latest) = match outline.keys {
        KeyNames::Known(keys, latest) => (Some(keys), latest),
        KeyNames::Gone(latest) => {
            let what = if latest.destroyed {
                "was destroyed".to_owned()
            } else {
                format!("was deleted at {}", latest.deletion_time)
            };
            let version = latest.version;
            notes.push(format!(
                "the latest version, {version}, {what}: it has no key names"
            ));
            (None, Some(latest))
        }
        KeyNames::NeverWritten => {
            notes.push("the secret has metadata, but no version was ever written".to_owned());
            (None, None)
        }
        KeyNames::Denied(refusal) => {
            notes.push(lacks("key names are left out", &refusal));
            (None, None)
        }
    };
    let mut told = SecretMetadata {
        mount: mount.to_string(),
        path: path.to_string(),
        kv_version: outline.kv_version.number(),
        keys,
        current_version: latest.as_ref().map(|latest| latest.version),
        deleted: None,
        created_time: None,
        updated_time: latest.as_ref().map(|latest| latest.created_time.clone()),
        custom_metadata: None,
        versions: None,
        notes,
    };
    match outline.history {
        Some(Ok(history)) => {
            told.current_version = Some(history.current_version);
            told.created_time = Some(history.created_time);
            told.updated_time = Some(history.updated_time);
            told.custom_metadata = history.custom_metadata;
            told.versions = Some(history.versions.into_iter().map(Version::from).collect());
        }
        Some(Err(refusal)) => {
            let left_out = "all versions but the latest are left out";
            told.notes.push(lacks(left_out, &refusal));
            told.custom_metadata = latest.as_ref().and_then(|it| it.custom_metadata.clone());
            told.versions = latest.map(|latest| vec![latest.into()]);
        }
        None => told
            .notes
            .push("KV v1 keeps no versions and no times".to_owned()),
    }
    if let Some(latest) = told
        .versions
        .as_mut()
        .and_then(|versions| versions.last_mut())
    {
        latest.deleted = deleted.unwrap_or(latest.deleted);
        told.deleted = Some(latest.deleted);
    }
    Ok(told)
}

fn lacks(left_out: &str, refusal: &Refusal) -> String {
    let Refusal {
        capability, path, ..
    } = refusal;
    format!("{left_out}: the token lacks `{capability}` on `{path}`")
}
