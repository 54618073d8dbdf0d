//! Changes of a secret: read, decide, write. The change is retried if another writer came between.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Kv, KvVersion, Metadata, Secret, Stored};
use crate::vault::{
    client::Answer,
    error::{Capability, VaultError},
    path::{ApiPath, MountPath, SecretPath},
};

/// Attempts of one change before a conflict is reported.
const CHANGE_ATTEMPTS: u32 = 8;
/// Pause after the first conflict; it doubles each time.
const CONFLICT_PAUSE: Duration = Duration::from_millis(10);

/// Why a value cannot be sent.
const UNWRITABLE: VaultError = VaultError::Unexpected {
    status: 200,
    reason: "its values cannot be written back",
};

/// The result of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// The version of the KV engine.
    pub kv_version: KvVersion,
    /// The version that KV v2 created, or the one that it deleted, if known.
    pub version: Option<u64>,
    /// Whether the secret, or its latest version, was deleted.
    pub deleted: bool,
    /// Whether the server could check the previous state; false if the token may not read it.
    pub checked: bool,
}

/// What to do with a secret, decided from its content.
enum Change {
    Store(Secret),
    Delete,
}

impl Kv {
    /// Replaces or creates a whole secret. With `check_version` only if that is the latest version; 0 means that the
    /// secret was never written.
    ///
    /// # Errors
    /// [`VaultError::Refused`] if the latest version is another one; [`VaultError::Conflict`] if the mount requires
    /// check-and-set and other writers kept changing the secret.
    pub async fn put(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        data: &Secret,
        check_version: Option<u64>,
    ) -> Result<Changed, VaultError> {
        let kv_version = self.verify(mount, Capability::Update).await?;
        if kv_version == KvVersion::V1 && check_version.is_some() {
            return Err(VaultError::NoVersions);
        }
        let turn = self.write_locks.take(mount, path).await;
        let capability = Capability::Update;
        let stored = self
            .store(mount, kv_version, path, capability, check_version, data)
            .await;
        drop(turn);
        match stored {
            Err(VaultError::Refused(refusal))
                if check_version.is_none() && refusal.demands_a_version() =>
            {
                // Without `check_version` any version may be replaced.
                let replace = |_, _| Ok(Change::Store(data.clone()));
                self.change(mount, path, replace).await
            }
            result => result,
        }
    }

    /// Sets one key of a secret to a value that is neither null nor an object, and keeps the other keys; creates the
    /// secret if it does not exist. Where the token may not read a secret of KV v2, Vault itself merges the key.
    ///
    /// # Errors
    /// [`VaultError::Conflict`] if other writers kept changing the secret.
    pub async fn write_key(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        key: &str,
        value: &RawValue,
    ) -> Result<Changed, VaultError> {
        let set = |_: KvVersion, stored: Stored| {
            let mut data = match stored {
                Stored::Present(data, _) => data,
                Stored::Absent | Stored::Gone(_) => Secret::new(),
            };
            data.insert(key.to_owned(), value.to_owned());
            Ok(Change::Store(data))
        };
        match self.change(mount, path, set).await {
            Err(unread) if is_unreadable(&unread) => {
                self.merge_key(mount, path, key, value, unread).await
            }
            result => result,
        }
    }

    /// Sets one key of a secret that the token may not read, as `unread` says: with HTTP PATCH, or as a new version if
    /// Vault has no version with data. Vault merges under its own lock, so a merge needs no check-and-set.
    async fn merge_key(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        key: &str,
        value: &RawValue,
        unread: VaultError,
    ) -> Result<Changed, VaultError> {
        #[derive(Serialize)]
        struct Merged<'a> {
            data: &'a Secret,
        }
        /// What Vault says about a version that is gone.
        #[derive(Deserialize)]
        struct Gone {
            version: u64,
        }
        // The denied read has verified the mount.
        let kv_version = match self.remembered(mount) {
            Some(kv_version) => kv_version,
            None => self.verify(mount, Capability::Read).await?,
        };
        if kv_version == KvVersion::V1 {
            return Err(unread);
        }
        let data = Secret::from([(key.to_owned(), value.to_owned())]);
        let body = serde_json::to_vec(&Merged { data: &data }).map_err(|_| UNWRITABLE)?;
        let at = ApiPath::secret(mount, kv_version, path);
        let _turn = self.write_locks.take(mount, path).await;
        for attempt in 0..CHANGE_ATTEMPTS {
            pause_before(attempt).await;
            let answer = match self.client.patch(&at, body.clone()).await {
                Ok(answer) => answer,
                // It needs a read, which is denied: the right `patch` is missing, the mount requires check-and-set
                // with a version that only a read tells, or Vault is older than its PATCH.
                Err(VaultError::Refused(refusal))
                    if matches!(refusal.status, 403 | 405) || refusal.demands_a_version() =>
                {
                    return Err(unread);
                }
                Err(error) => return Err(error),
            };
            if !answer.is_not_found() {
                return self.changed(mount, kv_version, &answer);
            }
            let latest = answer.kv_data().map_or(0, |Gone { version }| version);
            let capability = match latest {
                0 => Capability::Create,
                _ => Capability::Update,
            };
            let created = self
                .store(mount, kv_version, path, capability, Some(latest), &data)
                .await;
            match created {
                Err(VaultError::Refused(refusal)) if refusal.is_conflict() => {}
                result => return result,
            }
        }
        Err(VaultError::Conflict(CHANGE_ATTEMPTS))
    }

    /// Deletes one key of a secret and keeps the others. With the last key it deletes the secret.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if the secret does not have the key.
    pub async fn delete_key(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        key: &str,
    ) -> Result<Changed, VaultError> {
        self.change(mount, path, |_, stored| {
            let (mut data, _) = stored.into_present()?;
            data.remove(key)
                .ok_or(VaultError::NotFound("such key in the secret"))?;
            // Vault's DELETE has no check-and-set: a key that another process adds at this moment is soft-deleted
            // with its version.
            Ok(if data.is_empty() {
                Change::Delete
            } else {
                Change::Store(data)
            })
        })
        .await
    }

    /// Deletes a secret: permanently in KV v1, the latest version softly in KV v2.
    ///
    /// # Errors
    /// [`VaultError`], also for a secret that does not exist or is already deleted.
    pub async fn delete(
        &self,
        mount: &MountPath,
        path: &SecretPath,
    ) -> Result<Changed, VaultError> {
        let delete = |_, stored: Stored| stored.into_present().map(|_| Change::Delete);
        match self.change(mount, path, delete).await {
            // A token may delete secrets that it may not read. The server then cannot know whether there is anything
            // to delete.
            Err(error) if is_unreadable(&error) => {
                let kv_version = self.verify(mount, Capability::Delete).await?;
                let deleted = self.delete_stored(mount, kv_version, path, None).await?;
                Ok(Changed {
                    checked: false,
                    ..deleted
                })
            }
            result => result,
        }
    }

    /// Reads, decides, writes; starts again if another writer came between.
    async fn change(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        decide: impl Fn(KvVersion, Stored) -> Result<Change, VaultError> + Send,
    ) -> Result<Changed, VaultError> {
        let _turn = self.write_locks.take(mount, path).await;
        for attempt in 0..CHANGE_ATTEMPTS {
            pause_before(attempt).await;
            let (kv_version, stored) = self.stored(mount, path, None).await?;
            let latest = stored.latest_version();
            let capability = match stored {
                Stored::Absent => Capability::Create,
                Stored::Gone(_) | Stored::Present(..) => Capability::Update,
            };
            match decide(kv_version, stored)? {
                Change::Delete => {
                    return self
                        .delete_stored(mount, kv_version, path, Some(latest))
                        .await;
                }
                Change::Store(data) => {
                    match self
                        .store(mount, kv_version, path, capability, Some(latest), &data)
                        .await
                    {
                        Err(VaultError::Refused(refusal)) if refusal.is_conflict() => {}
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
        latest: Option<u64>,
        data: &Secret,
    ) -> Result<Changed, VaultError> {
        #[derive(Serialize)]
        struct CheckAndSet {
            #[serde(skip_serializing_if = "Option::is_none")]
            cas: Option<u64>,
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
        let body = body.map_err(|_| UNWRITABLE)?;
        let answer = self
            .client
            .write(&ApiPath::secret(mount, kv_version, path), capability, body)
            .await?;
        self.changed(mount, kv_version, &answer)
    }

    /// What a write has changed, by Vault's answer.
    fn changed(
        &self,
        mount: &MountPath,
        kv_version: KvVersion,
        answer: &Answer,
    ) -> Result<Changed, VaultError> {
        let version = match kv_version {
            // KV v1 returns no body; a body means that the mount is now another one.
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
            checked: true,
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
            checked: true,
        })
    }
}

/// Waits before another attempt of a change, longer each time.
async fn pause_before(attempt: u32) {
    if let Some(earlier) = attempt.checked_sub(1) {
        tokio::time::sleep(CONFLICT_PAUSE * 2_u32.pow(earlier)).await;
    }
}

/// Whether a change failed because the token may not read the secret.
fn is_unreadable(error: &VaultError) -> bool {
    error
        .refused_with(403)
        .is_some_and(|refusal| refusal.capability == Capability::Read)
}
