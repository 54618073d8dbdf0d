//! The KV secrets engine, versions 1 and 2.
//!
//! The version of a mount determines the path and the shape of every request. Vault does not reject the wrong one: a
//! KV v1 mount stores a v2-shaped write unchanged. So [`mount`] caches the version of a mount, but verifies it after
//! a 403, a 404 or an answer of the wrong shape. Each change starts with a request whose answer proves the version.
//!
//! This module reads. [`tree`] lists folders recursively. [`change`] writes and deletes, serialised by
//! [`write_locks`]. [`history`] deals with the versions that KV v2 keeps.

mod change;
mod history;
mod mount;
mod tree;
mod write_locks;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::RwLock;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::{
    change::Changed,
    history::{History, KeyNames, Outline, Purged, VersionState, VersionStates},
    tree::{Tree, Walk},
    write_locks::WriteLocks,
};
use super::{
    client::{Answer, VaultClient},
    error::{Capability, VaultError},
    mounts::Mounts,
    path::{ApiPath, FolderPath, MountPath, SecretPath},
};

/// The version of a KV secrets engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvVersion {
    /// Only the current data of a secret, no history.
    V1,
    /// Versions, soft deletion, check-and-set.
    V2,
}

impl KvVersion {
    /// 1 or 2.
    pub fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// The keys and values of a secret. Values stay the JSON text that Vault sent, so that writing them back cannot
/// change them.
pub type Secret = BTreeMap<String, Box<RawValue>>;

/// KV v2's metadata of one version.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// Counted from 1.
    pub version: u64,
    /// RFC 3339.
    pub created_time: String,
    /// RFC 3339, empty when the version is not deleted.
    #[serde(default)]
    pub deletion_time: String,
    /// Whether the data is permanently gone.
    #[serde(default)]
    pub destroyed: bool,
    /// The operator's notes on the secret.
    #[serde(default)]
    pub custom_metadata: Option<BTreeMap<String, String>>,
}

/// A secret, and the engine that it comes from.
pub struct Reading {
    /// The version of the engine that answered.
    pub kv_version: KvVersion,
    /// The keys and values.
    pub data: Secret,
    /// Given by KV v2.
    pub metadata: Option<Metadata>,
}

/// What Vault has at a path.
enum Stored {
    Absent,
    Gone(Metadata),
    Present(Secret, Option<Metadata>),
}

impl Stored {
    fn into_present(self) -> Result<(Secret, Option<Metadata>), VaultError> {
        match self {
            Self::Present(data, metadata) => Ok((data, metadata)),
            Self::Absent => Err(VaultError::NotFound("secret at this path")),
            Self::Gone(Metadata {
                version,
                destroyed: true,
                ..
            }) => Err(VaultError::Destroyed { version }),
            Self::Gone(Metadata {
                version,
                deletion_time,
                ..
            }) => Err(VaultError::Deleted {
                version,
                deletion_time,
            }),
        }
    }

    /// The version for a check-and-set: 0 for a secret that does not exist.
    fn latest_version(&self) -> u64 {
        match self {
            Self::Gone(metadata) | Self::Present(_, Some(metadata)) => metadata.version,
            Self::Absent | Self::Present(_, None) => 0,
        }
    }
}

/// The KV engines of one Vault.
pub struct Kv {
    client: VaultClient,
    mounts: Mounts,
    versions: RwLock<HashMap<MountPath, KvVersion>>,
    write_locks: Arc<WriteLocks>,
}

impl Kv {
    /// All KV engines that the client's token reaches.
    pub fn new(client: VaultClient, write_locks: Arc<WriteLocks>) -> Self {
        Self {
            mounts: Mounts::new(client.clone()),
            client,
            versions: RwLock::default(),
            write_locks,
        }
    }

    /// Reads a secret: the latest version, or the given `version`.
    ///
    /// # Errors
    /// [`VaultError`], which distinguishes missing, deleted and destroyed.
    pub async fn read(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<Reading, VaultError> {
        let (kv_version, stored) = self.stored(mount, path, version).await?;
        if kv_version == KvVersion::V1 && version.is_some() {
            return Err(VaultError::NoVersions);
        }
        if let (Some(_), Stored::Absent) = (version, &stored) {
            return Err(VaultError::NotFound(
                "such version of a secret at this path",
            ));
        }
        let (data, metadata) = stored.into_present()?;
        Ok(Reading {
            kv_version,
            data,
            metadata,
        })
    }

    /// Lists one level of a mount; folders end in a slash.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if the folder does not exist; an empty mount is an empty list.
    pub async fn list(
        &self,
        mount: &MountPath,
        folder: &FolderPath,
    ) -> Result<Vec<String>, VaultError> {
        let tells_v1_from_v2 = !folder.is_like_a_v2_endpoint();
        let path = |version| ApiPath::folder(mount, version, folder);
        let (_, names) = self
            .ask(
                mount,
                Capability::List,
                path,
                None,
                tells_v1_from_v2,
                names_in,
            )
            .await?;
        match names {
            Some(names) => Ok(names),
            // Vault returns the same for an empty mount and for a missing folder.
            None if folder.is_root() => Ok(Vec::new()),
            None => Err(VaultError::NotFound("folder at this path")),
        }
    }

    /// What Vault has at the path, and the version of the engine, which the same answer proves.
    async fn stored(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<(KvVersion, Stored), VaultError> {
        let tells_v1_from_v2 = !path.is_like_a_v2_endpoint();
        let path = |kv_version| ApiPath::secret(mount, kv_version, path);
        self.ask(
            mount,
            Capability::Read,
            path,
            version,
            tells_v1_from_v2,
            stored_in,
        )
        .await
    }
}

fn names_in(answer: &Answer, _: KvVersion) -> Result<Option<Vec<String>>, VaultError> {
    #[derive(Deserialize)]
    struct Listing {
        keys: Vec<String>,
    }
    if answer.is_not_found() {
        return Ok(None);
    }
    answer
        .kv_data::<Listing>()
        .map(|listing| Some(listing.keys))
}

fn stored_in(answer: &Answer, kv_version: KvVersion) -> Result<Stored, VaultError> {
    #[derive(Deserialize)]
    struct Versioned {
        data: Option<Secret>,
        metadata: Metadata,
    }
    match (kv_version, answer.is_not_found()) {
        (KvVersion::V1, true) => Ok(Stored::Absent),
        (KvVersion::V1, false) => Ok(Stored::Present(answer.kv_data()?, None)),
        (KvVersion::V2, not_found) => match answer.kv_v2_data::<Versioned>() {
            Ok(Versioned {
                data: Some(data),
                metadata,
            }) => Ok(Stored::Present(data, Some(metadata))),
            Ok(Versioned { metadata, .. })
                if metadata.destroyed || !metadata.deletion_time.is_empty() =>
            {
                Ok(Stored::Gone(metadata))
            }
            // A writer stored `null` in place of the keys.
            Ok(Versioned { metadata, .. }) => Ok(Stored::Present(Secret::new(), Some(metadata))),
            Err(_) if not_found => Ok(Stored::Absent),
            Err(error) => Err(error),
        },
    }
}
