//! Changes of a secret: read, decide, write; again when another writer came between.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Kv, KvVersion, Metadata, Secret, Stored};
use crate::vault::{
    error::{Capability, VaultError},
    path::{ApiPath, MountPath, SecretPath},
};

/// Attempts of one change before the conflict is reported.
const CHANGE_ATTEMPTS: u32 = 8;
/// Pause after the first conflict; it doubles each time.
const CONFLICT_PAUSE: Duration = Duration::from_millis(10);

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// The version of the engine that was changed.
    pub kv_version: KvVersion,
    /// The version that KV v2 made, or the one that it deleted where that is known.
    pub version: Option<u64>,
    /// Whether the secret, or its latest version, was deleted.
    pub deleted: bool,
    /// Whether it was seen what was there before; not if the token may not read it.
    pub checked: bool,
}

/// What to do with a secret, decided on what it holds.
enum Change {
    Store(Secret),
    Delete,
}

impl Kv {
    /// Replaces a whole secret; makes it if it is not there. With `check_version` only if its
    /// latest version is that one; 0 stands for a secret that was never written.
    ///
    /// # Errors
    /// [`VaultError::Refused`] if the version is another one; [`VaultError::Conflict`] if the mount
    /// demands a version and others kept changing the secret.
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
                // Nobody named one: whatever is there is to be replaced.
                let replace = |_, _| Ok(Change::Store(data.clone()));
                self.change(mount, path, replace).await
            }
            result => result,
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
        self.change(mount, path, |_, stored| {
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
        self.change(mount, path, |_, stored| {
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
        let delete = |_, stored: Stored| stored.into_present().map(|_| Change::Delete);
        match self.change(mount, path, delete).await {
            // A token may delete what it may not read. Whether there is
            // anything to delete can then not be told.
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

    /// Reads, decides, writes; again from the start when another writer came between.
    async fn change(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        decide: impl Fn(KvVersion, Stored) -> Result<Change, VaultError> + Send,
    ) -> Result<Changed, VaultError> {
        let _turn = self.write_locks.take(mount, path).await;
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

/// Whether a change ended because the token may not read what is there.
fn is_unreadable(error: &VaultError) -> bool {
    error
        .refused_with(403)
        .is_some_and(|refusal| refusal.capability == Capability::Read)
}
