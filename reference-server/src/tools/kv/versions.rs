//! Old versions of a secret in KV v2: restoring them, destroying them, and removing the secret with all of them.

use std::{collections::BTreeSet, sync::Arc};

use rmcp::handler::server::tool::ToolRoute;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{SecretArguments, Version, secret, unless_checked};
use crate::{
    server::VaultServer,
    tools::{Effect, Failure, route},
    vault::{
        Vault,
        kv::VersionStates,
        path::{MountPath, SecretPath},
    },
};

pub(super) fn routes() -> [ToolRoute<VaultServer>; 3] {
    [
        route(
            "undelete_secret",
            "Restore deleted versions of a secret",
            Effect::Adds,
            "Restore soft-deleted versions of a secret in a KV v2 mount. Makes no new version: the latest version \
             stays the latest. A destroyed version cannot be restored. KV v1 keeps nothing to restore.",
            undelete_secret,
        ),
        route(
            "destroy_secret_versions",
            "Destroy versions of a secret",
            Effect::Removes,
            "Destroy the data of versions of a secret in a KV v2 mount for good, as after a leak. Their numbers and \
             times stay, and so do all other versions. This cannot be undone.",
            destroy_secret_versions,
        ),
        route(
            "purge_secret",
            "Remove a secret with all its versions",
            Effect::Removes,
            "Remove a secret in a KV mount with all its versions and metadata. This cannot be undone. To be able to \
             restore it, call delete_secret, which in KV v2 deletes the latest version softly.",
            purge_secret,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VersionsOfSecret {
    /// The mount of the KV v2 engine, such as `secret` or `team/a/kv`.
    #[schemars(length(min = 1))]
    mount: String,
    /// The path of the secret, relative to the mount, such as `app/db`.
    #[schemars(length(min = 1))]
    path: String,
    /// The numbers of the versions, as read_secret_metadata shows them.
    #[schemars(length(min = 1), inner(range(min = 1)))]
    versions: Vec<u64>,
}

#[derive(Serialize, JsonSchema)]
struct VersionsChanged {
    /// The mount of the secret.
    mount: String,
    /// The path of the secret, relative to the mount.
    path: String,
    /// The numbers of the versions that were named.
    versions: BTreeSet<u64>,
    /// What Vault says of these versions now; absent when the token may not read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Vec<Version>>,
    /// What else there is to know.
    notes: Vec<String>,
}

impl VersionsChanged {
    fn new(
        mount: &MountPath,
        path: &SecretPath,
        versions: BTreeSet<u64>,
        now: Option<VersionStates>,
    ) -> Self {
        let notes = match now {
            Some(_) => Vec::new(),
            None => vec![
                "the token may not read the metadata of the secret, so the server could not check whether these \
                 versions exist"
                    .to_owned(),
            ],
        };
        Self {
            mount: mount.to_string(),
            path: path.to_string(),
            versions,
            now: now.map(|states| states.into_iter().map(Version::from).collect()),
            notes,
        }
    }
}

async fn undelete_secret(
    vault: Arc<Vault>,
    arguments: VersionsOfSecret,
) -> Result<VersionsChanged, Failure> {
    let (mount, path) = secret(&arguments.mount, &arguments.path)?;
    let versions = arguments.versions.into_iter().collect();
    let now = vault.kv.undelete(&mount, &path, &versions).await?;
    Ok(VersionsChanged::new(&mount, &path, versions, now))
}

async fn destroy_secret_versions(
    vault: Arc<Vault>,
    arguments: VersionsOfSecret,
) -> Result<VersionsChanged, Failure> {
    let (mount, path) = secret(&arguments.mount, &arguments.path)?;
    let versions = arguments.versions.into_iter().collect();
    let now = vault.kv.destroy(&mount, &path, &versions).await?;
    Ok(VersionsChanged::new(&mount, &path, versions, now))
}

#[derive(Serialize, JsonSchema)]
struct SecretPurged {
    /// The mount in which the secret was.
    mount: String,
    /// The path at which it was, relative to the mount.
    path: String,
    /// The version of the KV engine, 1 or 2.
    kv_version: u8,
    /// What else there is to know.
    notes: Vec<String>,
}

async fn purge_secret(
    vault: Arc<Vault>,
    arguments: SecretArguments,
) -> Result<SecretPurged, Failure> {
    let (mount, path) = secret(&arguments.mount, &arguments.path)?;
    let purged = vault.kv.purge(&mount, &path).await?;
    Ok(SecretPurged {
        mount: mount.to_string(),
        path: path.to_string(),
        kv_version: purged.kv_version.number(),
        notes: unless_checked(purged.checked),
    })
}
