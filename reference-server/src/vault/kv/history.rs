//! The versions of a secret: what can be told of them without a value, and what
//! KV v2 can do with old ones.
//!
//! Vault answers 204 to the undeletion, the destruction or the removal of what
//! is not there, in either version of the engine. So the mount is verified and
//! the metadata looked at first, and again after, as far as the token may.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Kv, KvVersion, Metadata, Stored};
use crate::vault::{
    error::{Capability, Refusal, VaultError},
    path::{ApiPath, MountPath, SecretPath},
};

/// What KV v2 says about all versions of a secret.
#[derive(Debug, Clone, Deserialize)]
pub struct History {
    /// The latest version; 0 if none was ever written.
    pub current_version: u64,
    /// When the secret was made, RFC 3339.
    pub created_time: String,
    /// When the latest version was written, RFC 3339.
    pub updated_time: String,
    /// The operator's notes on the secret.
    #[serde(default)]
    pub custom_metadata: Option<BTreeMap<String, String>>,
    /// The versions that are kept.
    pub versions: VersionStates,
}

/// Versions of a secret by number.
pub type VersionStates = BTreeMap<u64, VersionState>;

/// What KV v2 says about one version in a history.
#[derive(Debug, Clone, Deserialize)]
pub struct VersionState {
    /// When it was written, RFC 3339.
    pub created_time: String,
    /// When it was or will be deleted, RFC 3339; empty when it is not.
    #[serde(default)]
    pub deletion_time: String,
    /// Whether the data is gone for good.
    #[serde(default)]
    pub destroyed: bool,
}

/// What can be told of a secret without its values.
pub struct Outline {
    /// The version of the engine that answered.
    pub kv_version: KvVersion,
    /// The names of the keys of the latest version.
    pub keys: KeyNames,
    /// The versions, in KV v2; or why they cannot be told.
    pub history: Option<Result<History, Refusal>>,
}

/// The names of the keys of a secret's latest version, or why there are none.
pub enum KeyNames {
    /// The names, and what KV v2 says about the version.
    Known(Vec<String>, Option<Metadata>),
    /// The latest version is deleted or destroyed.
    Gone(Metadata),
    /// There is metadata, and no version.
    NeverWritten,
    /// The token may not read the data.
    Denied(Refusal),
}

/// What a removal of a secret with all its versions did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// The version of the engine.
    pub kv_version: KvVersion,
    /// Whether it was seen that there was a secret; not if the token may not look.
    pub checked: bool,
}

impl Kv {
    /// What can be told of a secret without its values. Key names stand with the values
    /// alone: the data is read, and the values are dropped here.
    ///
    /// # Errors
    /// [`VaultError::NotFound`]; Vault's refusal if the token may read neither data nor metadata.
    pub async fn outline(
        &self,
        mount: &MountPath,
        path: &SecretPath,
    ) -> Result<Outline, VaultError> {
        let keys = match self.stored(mount, path, None).await {
            Ok((KvVersion::V1, stored)) => {
                let (data, _) = stored.into_present()?;
                return Ok(Outline {
                    kv_version: KvVersion::V1,
                    keys: KeyNames::Known(data.into_keys().collect(), None),
                    history: None,
                });
            }
            Ok((KvVersion::V2, Stored::Present(data, metadata))) => {
                KeyNames::Known(data.into_keys().collect(), metadata)
            }
            Ok((KvVersion::V2, Stored::Gone(metadata))) => KeyNames::Gone(metadata),
            Ok((KvVersion::V2, Stored::Absent)) => KeyNames::NeverWritten,
            Err(VaultError::Refused(refusal)) if refusal.status == 403 => {
                if self.verify(mount, Capability::Read).await? == KvVersion::V1 {
                    return Err(VaultError::Refused(refusal));
                }
                KeyNames::Denied(refusal)
            }
            Err(error) => return Err(error),
        };
        let absent = || VaultError::NotFound("secret at this path");
        let history = match self.history(mount, path).await? {
            Ok(history) => Ok(history.ok_or_else(absent)?),
            Err(refusal) => Err(refusal),
        };
        match (keys, history) {
            (KeyNames::Denied(refusal), Err(_)) => Err(VaultError::Refused(refusal)),
            (KeyNames::NeverWritten, Err(_)) => Err(absent()),
            (keys, history) => Ok(Outline {
                kv_version: KvVersion::V2,
                keys,
                history: Some(history),
            }),
        }
    }

    /// Restores soft-deleted versions. Returns what Vault says of them after, or `None` if
    /// the token may not read it; then it was not checked either that they exist.
    ///
    /// # Errors
    /// [`VaultError::NoSuchVersions`], [`VaultError::Destroyed`], [`VaultError::NotFound`]: nothing
    /// was done; [`VaultError::NoVersions`] in KV v1.
    pub async fn undelete(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        versions: &BTreeSet<u64>,
    ) -> Result<Option<VersionStates>, VaultError> {
        let check = |states: &VersionStates| {
            let destroyed =
                |version: &&u64| states.get(version).is_some_and(|state| state.destroyed);
            match versions.iter().find(destroyed) {
                Some(&version) => Err(VaultError::Destroyed { version }),
                None => Ok(()),
            }
        };
        let endpoint = ApiPath::undelete(mount, path);
        self.change_versions(mount, path, &endpoint, versions, check)
            .await
    }

    /// Destroys the data of versions for good. Returns the same as [`Self::undelete`].
    ///
    /// # Errors
    /// As for [`Self::undelete`]; a version that is destroyed already is none.
    pub async fn destroy(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        versions: &BTreeSet<u64>,
    ) -> Result<Option<VersionStates>, VaultError> {
        let endpoint = ApiPath::destroy(mount, path);
        self.change_versions(mount, path, &endpoint, versions, |_| Ok(()))
            .await
    }

    /// Removes a secret with all its versions and metadata; in KV v1 that is deleting it.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if there is none, as far as the token may know.
    pub async fn purge(&self, mount: &MountPath, path: &SecretPath) -> Result<Purged, VaultError> {
        if self.verify(mount, Capability::Delete).await? == KvVersion::V1 {
            let deleted = self.delete(mount, path).await?;
            // In a mount that became v2 in this moment, older versions may be left.
            if deleted.kv_version == KvVersion::V1 {
                return Ok(Purged {
                    kv_version: KvVersion::V1,
                    checked: deleted.checked,
                });
            }
        }
        let _turn = self.write_locks.take(mount, path).await;
        let before = self.history(mount, path).await?;
        if matches!(before, Ok(None)) {
            return Err(VaultError::NotFound("secret at this path"));
        }
        self.client.delete(&ApiPath::metadata(mount, path)).await?;
        Ok(Purged {
            kv_version: KvVersion::V2,
            checked: before.is_ok(),
        })
    }

    async fn change_versions(
        &self,
        mount: &MountPath,
        path: &SecretPath,
        endpoint: &ApiPath,
        versions: &BTreeSet<u64>,
        check: impl Fn(&VersionStates) -> Result<(), VaultError> + Send,
    ) -> Result<Option<VersionStates>, VaultError> {
        #[derive(Serialize)]
        struct Body<'a> {
            versions: &'a BTreeSet<u64>,
        }
        if self.verify(mount, Capability::Update).await? == KvVersion::V1 {
            return Err(VaultError::NoVersions);
        }
        let _turn = self.write_locks.take(mount, path).await;
        let absent = || VaultError::NotFound("secret at this path");
        let before = self.history(mount, path).await?;
        if let Ok(history) = &before {
            let states = &history.as_ref().ok_or_else(absent)?.versions;
            let missing: Vec<_> = versions
                .iter()
                .copied()
                .filter(|version| !states.contains_key(version))
                .collect();
            if !missing.is_empty() {
                return Err(VaultError::NoSuchVersions(missing));
            }
            check(states)?;
        }
        let replaced =
            "the mount was replaced, or the secret removed, while its versions were changed";
        let body = serde_json::json!(Body { versions })
            .to_string()
            .into_bytes();
        let answer = self
            .client
            .write(endpoint, Capability::Update, body)
            .await?;
        if answer.is_not_found() {
            self.forget(mount);
            return Err(answer.unexpected(replaced));
        }
        if before.is_err() {
            return Ok(None);
        }
        // A v1 engine would have stored the request as a secret; its answer is the same.
        let Ok(Some(after)) = self.history(mount, path).await? else {
            self.forget(mount);
            return Err(answer.unexpected(replaced));
        };
        let mut states = after.versions;
        states.retain(|version, _| versions.contains(version));
        Ok(Some(states))
    }

    /// All versions of a secret in a mount that is known to be KV v2; `None` if there is no
    /// secret, the refusal if the token may not look.
    async fn history(
        &self,
        mount: &MountPath,
        path: &SecretPath,
    ) -> Result<Result<Option<History>, Refusal>, VaultError> {
        match self
            .client
            .read(&ApiPath::metadata(mount, path), None)
            .await
        {
            Ok(answer) if answer.is_not_found() => Ok(Ok(None)),
            Ok(answer) => answer.kv_v2_data().map(|history| Ok(Some(history))),
            Err(VaultError::Refused(refusal)) if refusal.status == 403 => Ok(Err(refusal)),
            Err(error) => Err(error),
        }
    }
}
