//! The KV secrets engine, versions 1 and 2.
//!
//! Which version a mount has decides the path and the shape of every request,
//! and Vault does not object to the wrong one: a v2-shaped write to a v1 mount
//! is stored as it stands. So the version of a mount is remembered, but no
//! longer trusted after a 403, a 404 or an answer of the wrong shape, and each
//! change starts with a read, whose answer proves the version.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    client::{Answer, VaultClient},
    error::{Capability, VaultError},
    path::{ApiPath, FolderPath, MountPath, SecretPath},
};

/// Attempts of one change before the conflict is reported.
const CHANGE_ATTEMPTS: u32 = 8;
/// Pause after the first conflict; it doubles each time.
const CONFLICT_PAUSE: Duration = Duration::from_millis(10);
/// Locks that keep changes of one secret in order; two secrets rarely share one.
const LOCKS: usize = 64;
/// Mounts whose version is remembered.
const MAX_KNOWN_MOUNTS: usize = 1024;

/// The version of a KV secrets engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvVersion {
    /// One value a secret, no history.
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

/// The keys and values of a secret. Values are kept as the JSON text that
/// Vault sent, so that writing them back cannot change them.
pub type Secret = BTreeMap<String, Box<RawValue>>;

/// What Vault says about one version of a KV v2 secret.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// Counted from 1.
    pub version: u64,
    /// RFC 3339.
    pub created_time: String,
    /// RFC 3339, empty when the version is not deleted.
    #[serde(default)]
    pub deletion_time: String,
    /// Whether the data is gone for good.
    #[serde(default)]
    pub destroyed: bool,
    /// The operator's notes on the secret.
    #[serde(default)]
    pub custom_metadata: Option<BTreeMap<String, String>>,
}

/// A secret as it was read.
pub struct Reading {
    /// The version of the engine that answered.
    pub kv_version: KvVersion,
    /// The keys and values.
    pub data: Secret,
    /// Given by KV v2.
    pub metadata: Option<Metadata>,
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// The version of the engine that was changed.
    pub kv_version: KvVersion,
    /// The version that KV v2 made, or the one that it deleted where that is known.
    pub version: Option<u64>,
    /// Whether the secret, or its latest version, was deleted.
    pub deleted: bool,
}

/// What Vault holds at a path.
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

    /// The version that a check-and-set has to name: 0 for a secret that is not there.
    fn latest_version(&self) -> u64 {
        match self {
            Self::Gone(metadata) | Self::Present(_, Some(metadata)) => metadata.version,
            Self::Absent | Self::Present(_, None) => 0,
        }
    }
}

/// What to do with a secret, decided on what it holds.
enum Change {
    Store(Secret),
    Delete,
}

/// The KV engines of one Vault.
pub struct Kv {
    client: VaultClient,
    versions: RwLock<HashMap<MountPath, KvVersion>>,
    locks: [Mutex<()>; LOCKS],
    hasher: RandomState,
}

impl Kv {
    /// All KV engines that the client's token reaches.
    pub fn new(client: VaultClient) -> Self {
        Self {
            client,
            versions: RwLock::default(),
            locks: std::array::from_fn(|_| Mutex::new(())),
            hasher: RandomState::new(),
        }
    }

    /// Reads a secret; `version` asks for one version, the latest is the default.
    ///
    /// # Errors
    /// [`VaultError`], with missing, deleted and destroyed told apart.
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
        let path = |version| ApiPath::folder(mount, version, folder);
        let (_, names) = self
            .ask(mount, Capability::List, path, None, true, names_in)
            .await?;
        match names {
            Some(names) => Ok(names),
            // Vault says the same of an empty mount and of a folder that is not there.
            None if folder.is_root() => Ok(Vec::new()),
            None => Err(VaultError::NotFound("folder at this path")),
        }
    }

    /// Sets one key of a secret and keeps the others; makes the secret if it is not there.
    ///
    /// # Errors
    /// [`VaultError::Conflict`] if others kept changing the secret.
    pub async fn write_key(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        key: &str,
        value: &RawValue,
    ) -> Result<Changed, VaultError> {
        self.change(mount, path, |stored| {
            let mut data = match stored {
                Stored::Present(data, _) => data,
                Stored::Absent | Stored::Gone(_) => Secret::new(),
            };
            data.insert(key.to_owned(), value.to_owned());
            Ok(Change::Store(data))
        })
        .await
    }

    /// Deletes one key of a secret and keeps the others; the last key takes the secret with it.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if the secret does not have the key.
    pub async fn delete_key(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        key: &str,
    ) -> Result<Changed, VaultError> {
        self.change(mount, path, |stored| {
            let (mut data, _) = stored.into_present()?;
            data.remove(key)
                .ok_or(VaultError::NotFound("such key in the secret"))?;
            // Vault's DELETE knows no check-and-set: a key that another process adds in
            // this moment is soft-deleted with the version that holds it.
            Ok(if data.is_empty() {
                Change::Delete
            } else {
                Change::Store(data)
            })
        })
        .await
    }

    /// Deletes a secret: for good in KV v1, the latest version softly in KV v2.
    ///
    /// # Errors
    /// [`VaultError`]; a secret that is not there, or is deleted already, is told.
    pub async fn delete(
        &self,
        mount: &MountPath,
        path: &SecretPath,
    ) -> Result<Changed, VaultError> {
        let delete = |stored: Stored| stored.into_present().map(|_| Change::Delete);
        match self.change(mount, path, delete).await {
            // A token may delete what it may not read. Whether there is
            // anything to delete can then not be told.
            Err(VaultError::Refused(refusal))
                if refusal.status == 403 && refusal.capability == Capability::Read =>
            {
                let kv_version = self.verify(mount, Capability::Delete).await?;
                self.delete_stored(mount, kv_version, path, None).await
            }
            result => result,
        }
    }

    /// Reads, decides, writes; again from the start when another writer came between.
    async fn change(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        decide: impl Fn(Stored) -> Result<Change, VaultError> + Send,
    ) -> Result<Changed, VaultError> {
        let _turn = self.turn(mount, path).await;
        for attempt in 0..CHANGE_ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(CONFLICT_PAUSE * 2_u32.pow(attempt - 1)).await;
            }
            let (kv_version, stored) = self.stored(mount, path, None).await?;
            let latest = stored.latest_version();
            let capability = match stored {
                Stored::Absent => Capability::Create,
                Stored::Gone(_) | Stored::Present(..) => Capability::Update,
            };
            match decide(stored)? {
                Change::Delete => {
                    return self
                        .delete_stored(mount, kv_version, path, Some(latest))
                        .await;
                }
                Change::Store(data) => {
                    match self
                        .store(mount, kv_version, path, capability, latest, &data)
                        .await
                    {
                        Err(VaultError::Refused(refusal))
                            if refusal.says("check-and-set parameter did not match") => {}
                        result => return result,
                    }
                }
            }
        }
        Err(VaultError::Conflict(CHANGE_ATTEMPTS))
    }

    async fn store(
        &self,
        mount: &MountPath,
        kv_version: KvVersion,
        path: &SecretPath,
        capability: Capability,
        latest: u64,
        data: &Secret,
    ) -> Result<Changed, VaultError> {
        #[derive(Serialize)]
        struct CheckAndSet {
            cas: u64,
        }
        #[derive(Serialize)]
        struct Versioned<'a> {
            data: &'a Secret,
            options: CheckAndSet,
        }
        let body = match kv_version {
            KvVersion::V1 => serde_json::to_vec(data),
            KvVersion::V2 => serde_json::to_vec(&Versioned {
                data,
                options: CheckAndSet { cas: latest },
            }),
        };
        let body = body.map_err(|_| VaultError::Unexpected {
            status: 200,
            reason: "its values cannot be written back",
        })?;
        let answer = self
            .client
            .write(&ApiPath::secret(mount, kv_version, path), capability, body)
            .await?;
        let version = match kv_version {
            // KV v1 has nothing to say; an answer means that this is something else by now.
            KvVersion::V1 => (answer.status == 204).then_some(None),
            KvVersion::V2 => answer
                .kv_data::<Metadata>()
                .ok()
                .map(|metadata| Some(metadata.version)),
        };
        let Some(version) = version else {
            self.forget(mount);
            return Err(answer.unexpected(
                "the mount was replaced while the secret was written; check what it holds",
            ));
        };
        Ok(Changed {
            kv_version,
            version,
            deleted: false,
        })
    }

    async fn delete_stored(
        &self,
        mount: &MountPath,
        kv_version: KvVersion,
        path: &SecretPath,
        latest: Option<u64>,
    ) -> Result<Changed, VaultError> {
        let answer = self
            .client
            .delete(&ApiPath::secret(mount, kv_version, path))
            .await?;
        if answer.is_not_found() {
            self.forget(mount);
            return Err(answer.unexpected("the mount was replaced while the secret was deleted"));
        }
        let version = latest.filter(|_| kv_version == KvVersion::V2);
        Ok(Changed {
            kv_version,
            version,
            deleted: true,
        })
    }

    /// What Vault holds at the path, and the version of the engine, proved by this very answer.
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

    /// Asks with the remembered version of the mount; if the answer casts doubt
    /// on it, verifies the mount, and asks once more if it is another by now.
    async fn ask<T>(
        &self,
        mount: &MountPath,
        capability: Capability,
        path: impl Fn(KvVersion) -> ApiPath + Send,
        version: Option<u64>,
        tells_v1_from_v2: bool,
        decode: fn(&Answer, KvVersion) -> Result<T, VaultError>,
    ) -> Result<(KvVersion, T), VaultError> {
        let remembered = self
            .remembered(mount)
            .filter(|version| tells_v1_from_v2 || *version == KvVersion::V2);
        let mut verified = remembered.is_none();
        let mut kv_version = match remembered {
            Some(kv_version) => kv_version,
            None => self.verify(mount, capability).await?,
        };
        loop {
            let path = path(kv_version);
            let answer = match capability {
                Capability::List => self.client.list(&path).await,
                _ => {
                    self.client
                        .read(&path, version.filter(|_| kv_version == KvVersion::V2))
                        .await
                }
            };
            let (doubtful, result) = match answer {
                Ok(answer) => {
                    let result = decode(&answer, kv_version);
                    (answer.is_not_found() || result.is_err(), result)
                }
                // Denied, maybe because the paths that a policy grants are others now.
                Err(error) => (error.refused_with(403).is_some(), Err(error)),
            };
            if verified || !doubtful {
                return result.map(|decoded| (kv_version, decoded));
            }
            verified = true;
            let now = self.verify(mount, capability).await?;
            if now == kv_version {
                return result.map(|decoded| (kv_version, decoded));
            }
            kv_version = now;
        }
    }

    fn remembered(&self, mount: &MountPath) -> Option<KvVersion> {
        self.versions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(mount)
            .copied()
    }

    /// Asks Vault what is mounted; `capability` is what the caller is about to need.
    async fn verify(
        &self,
        mount: &MountPath,
        capability: Capability,
    ) -> Result<KvVersion, VaultError> {
        let result = self.ask_for_version(mount, capability).await;
        match result {
            Ok(version) => {
                let mut versions = self
                    .versions
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                if versions.len() >= MAX_KNOWN_MOUNTS {
                    versions.clear();
                }
                versions.insert(mount.clone(), version);
            }
            Err(_) => self.forget(mount),
        }
        result
    }

    async fn ask_for_version(
        &self,
        mount: &MountPath,
        capability: Capability,
    ) -> Result<KvVersion, VaultError> {
        #[derive(Deserialize)]
        struct Mount {
            path: String,
            r#type: String,
            options: Option<HashMap<String, String>>,
        }
        let answer = self
            .client
            .read(&ApiPath::mount(mount), None)
            .await
            .map_err(|error| match error {
                // Vault answers 403 if the token has no right at all on the mount,
                // or there is none. What is missing is a right on the mount.
                VaultError::Refused(mut refusal) if refusal.status == 403 => {
                    refusal.capability = capability;
                    refusal.path = format!("{mount}/*");
                    VaultError::Refused(refusal)
                }
                error => error,
            })?;
        if answer.is_not_found() {
            return Err(VaultError::NoSuchMount);
        }
        let found: Mount = answer.data()?;
        // Vault answers for the mount that the path lies in.
        if found.path.trim_end_matches('/') != mount.as_str() {
            return Err(VaultError::NoSuchMount);
        }
        if found.r#type != "kv" {
            return Err(VaultError::NotKv(found.r#type));
        }
        let version = found
            .options
            .as_ref()
            .and_then(|options| options.get("version"));
        Ok(if version.is_some_and(|version| version == "2") {
            KvVersion::V2
        } else {
            KvVersion::V1
        })
    }

    fn forget(&self, mount: &MountPath) {
        self.versions
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(mount);
    }

    /// Lets the changes of one secret through one after the other, so that
    /// concurrent calls on this server do not run into conflicts of their own.
    async fn turn(&self, mount: &MountPath, path: &SecretPath) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one((mount, path));
        // The remainder is below 64 and fits any usize.
        self.locks[(hash % LOCKS as u64) as usize].lock().await
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
        (KvVersion::V2, not_found) => match answer.kv_data::<Versioned>() {
            Ok(Versioned {
                data: Some(data),
                metadata,
            }) => Ok(Stored::Present(data, Some(metadata))),
            Ok(Versioned {
                data: None,
                metadata,
            }) => Ok(Stored::Gone(metadata)),
            Err(_) if not_found => Ok(Stored::Absent),
            Err(error) => Err(error),
        },
    }
}
