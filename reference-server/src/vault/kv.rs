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
            Self::Gone(Metadata { version, destroyed: true, .. }) => Err(VaultError::Destroyed { version }),
            Self::Gone(Metadata { version, deletion_time, .. }) => Err(VaultError::Deleted { version, deletion_time }),
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
        let (data, metadata) = stored.into_present()?;
        Ok(Reading { kv_version, data, metadata })
    }

    /// Lists one level of a mount; folders end in a slash.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if the folder does not exist; an empty mount is an empty list.
    pub async fn list(&self, mount: &MountPath, folder: &FolderPath) -> Result<Vec<String>, VaultError> {
        #[derive(Deserialize)]
        struct Listing {
            keys: Vec<String>,
        }
        let mut mount_state = self.remembered_or_verified(mount, Capability::List).await?;
        loop {
            let result = self.client.list(&ApiPath::folder(mount, mount_state.version, folder)).await.and_then(
                |answer| match answer.is_not_found() {
                    // Vault says the same of an empty mount and of a folder that is not there.
                    true if folder.is_root() => Ok((Vec::new(), true)),
                    true => Err(VaultError::NotFound("folder at this path")),
                    false => answer.kv_data::<Listing>().map(|listing| (listing.keys, false)),
                },
            );
            let doubtful = matches!(result, Ok((_, true))) || result.as_ref().is_err_and(casts_doubt_on_the_mount);
            if !doubtful || !self.turned_out_different(mount, &mut mount_state, Capability::List).await? {
                return result.map(|(keys, _)| keys);
            }
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
    pub async fn delete_key(&self, mount: &MountPath, path: &SecretPath, key: &str) -> Result<Changed, VaultError> {
        self.change(mount, path, |stored| {
            let (mut data, _) = stored.into_present()?;
            data.remove(key).ok_or(VaultError::NotFound("such key in the secret"))?;
            Ok(if data.is_empty() { Change::Delete } else { Change::Store(data) })
        })
        .await
    }

    /// Deletes a secret: for good in KV v1, the latest version softly in KV v2.
    ///
    /// # Errors
    /// [`VaultError`]; a secret that is not there, or is deleted already, is told.
    pub async fn delete(&self, mount: &MountPath, path: &SecretPath) -> Result<Changed, VaultError> {
        let delete = |stored: Stored| stored.into_present().map(|_| Change::Delete);
        match self.change(mount, path, delete).await {
            // A token may delete what it may not read. Whether there is
            // anything to delete can then not be told.
            Err(VaultError::Refused(refusal)) if refusal.status == 403 && refusal.capability == Capability::Read => {
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
        let mut pause = CONFLICT_PAUSE;
        for _ in 0..CHANGE_ATTEMPTS {
            let (kv_version, stored) = self.stored(mount, path, None).await?;
            let latest = stored.latest_version();
            let capability = match stored {
                Stored::Absent => Capability::Create,
                Stored::Gone(_) | Stored::Present(..) => Capability::Update,
            };
            match decide(stored)? {
                Change::Delete => return self.delete_stored(mount, kv_version, path, Some(latest)).await,
                Change::Store(data) => {
                    match self.store(mount, kv_version, path, capability, latest, &data).await {
                        Err(VaultError::Refused(refusal)) if refusal.says("check-and-set parameter did not match") => {
                            tokio::time::sleep(pause).await;
                            pause *= 2;
                        }
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
            KvVersion::V2 => serde_json::to_vec(&Versioned { data, options: CheckAndSet { cas: latest } }),
        };
        let body = body.map_err(|_| VaultError::Unexpected { status: 200, reason: "its values cannot be written back" })?;
        let answer = self.client.write(&ApiPath::secret(mount, kv_version, path), capability, body).await?;
        let version = match kv_version {
            // KV v1 has nothing to say; an answer means that this is something else by now.
            KvVersion::V1 => (answer.status == 204).then_some(None),
            KvVersion::V2 => answer.kv_data::<Metadata>().ok().map(|metadata| Some(metadata.version)),
        };
        let Some(version) = version else {
            self.forget(mount);
            return Err(answer.unexpected("the mount was replaced while the secret was written; check what it holds"));
        };
        Ok(Changed { kv_version, version, deleted: false })
    }

    async fn delete_stored(
        &self,
        mount: &MountPath,
        kv_version: KvVersion,
        path: &SecretPath,
        latest: Option<u64>,
    ) -> Result<Changed, VaultError> {
        let answer = self.client.delete(&ApiPath::secret(mount, kv_version, path)).await?;
        if answer.is_not_found() {
            self.forget(mount);
            return Err(answer.unexpected("the mount was replaced while the secret was deleted"));
        }
        let version = latest.filter(|_| kv_version == KvVersion::V2);
        Ok(Changed { kv_version, version, deleted: true })
    }

    /// What Vault holds at the path, and the version of the engine, proved by this very answer.
    async fn stored(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        version: Option<u64>,
    ) -> Result<(KvVersion, Stored), VaultError> {
        let mut mount_state = self.remembered_or_verified(mount, Capability::Read).await?;
        if mount_state.version == KvVersion::V1 && path.is_like_a_v2_endpoint() {
            self.turned_out_different(mount, &mut mount_state, Capability::Read).await?;
        }
        loop {
            let kv_version = mount_state.version;
            let version = version.filter(|_| kv_version == KvVersion::V2);
            let result = self
                .client
                .read(&ApiPath::secret(mount, kv_version, path), version)
                .await
                .and_then(|answer| Ok((answer.is_not_found(), stored_in(&answer, kv_version)?)));
            let doubtful = matches!(result, Ok((true, _))) || result.as_ref().is_err_and(casts_doubt_on_the_mount);
            if !doubtful || !self.turned_out_different(mount, &mut mount_state, Capability::Read).await? {
                return result.map(|(_, stored)| (kv_version, stored));
            }
        }
    }

    async fn remembered_or_verified(
        &self,
        mount: &MountPath,
        capability: Capability,
    ) -> Result<MountState, VaultError> {
        let remembered = self.versions.read().unwrap_or_else(PoisonError::into_inner).get(mount).copied();
        Ok(match remembered {
            Some(version) => MountState { version, verified: false },
            None => MountState { version: self.verify(mount, capability).await?, verified: true },
        })
    }

    /// Verifies a mount that was only remembered; true if it has changed.
    async fn turned_out_different(
        &self,
        mount: &MountPath,
        state: &mut MountState,
        capability: Capability,
    ) -> Result<bool, VaultError> {
        if state.verified {
            return Ok(false);
        }
        let version = self.verify(mount, capability).await?;
        let different = version != state.version;
        *state = MountState { version, verified: true };
        Ok(different)
    }

    /// Asks Vault what is mounted; `capability` is what the caller is about to need.
    async fn verify(&self, mount: &MountPath, capability: Capability) -> Result<KvVersion, VaultError> {
        let result = self.ask_for_version(mount, capability).await;
        match result {
            Ok(version) => {
                let mut versions = self.versions.write().unwrap_or_else(PoisonError::into_inner);
                if versions.len() >= MAX_KNOWN_MOUNTS {
                    versions.clear();
                }
                versions.insert(mount.clone(), version);
            }
            Err(_) => self.forget(mount),
        }
        result
    }

    async fn ask_for_version(&self, mount: &MountPath, capability: Capability) -> Result<KvVersion, VaultError> {
        #[derive(Deserialize)]
        struct Mount {
            path: String,
            r#type: String,
            options: Option<HashMap<String, String>>,
        }
        let answer = self.client.read(&ApiPath::mount(mount), None).await.map_err(|error| match error {
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
        let version = found.options.as_ref().and_then(|options| options.get("version"));
        Ok(if version.is_some_and(|version| version == "2") { KvVersion::V2 } else { KvVersion::V1 })
    }

    fn forget(&self, mount: &MountPath) {
        self.versions.write().unwrap_or_else(PoisonError::into_inner).remove(mount);
    }

    /// Lets the changes of one secret through one after the other, so that
    /// concurrent calls on this server do not run into conflicts of their own.
    async fn turn(&self, mount: &MountPath, path: &SecretPath) -> MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one((mount, path));
        // The remainder is below 64 and fits any usize.
        self.locks[(hash % LOCKS as u64) as usize].lock().await
    }
}

#[derive(Clone, Copy)]
struct MountState {
    version: KvVersion,
    verified: bool,
}

/// Whether a failure may come from a mount that is not what it was: denied
/// because its paths are others now, or answered in the shape of another engine.
fn casts_doubt_on_the_mount(error: &VaultError) -> bool {
    error.refused_with(403).is_some() || matches!(error, VaultError::Unexpected { .. } | VaultError::NotFound(_))
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
            Ok(Versioned { data: Some(data), metadata }) => Ok(Stored::Present(data, Some(metadata))),
            Ok(Versioned { data: None, metadata }) => Ok(Stored::Gone(metadata)),
            Err(_) if not_found => Ok(Stored::Absent),
            Err(error) => Err(error),
        },
    }
}
