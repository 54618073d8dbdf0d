//! The versions of a secret: a description without values, and operations on old versions of KV v2.
//!
//! Vault returns 204 for undeleting, destroying or removing what does not exist, in both versions of the engine. So
//! the server verifies the mount and reads the metadata before and after, as far as the token may.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Kv, KvVersion, Metadata, Stored};
use crate::vault::{
    error::{Capability, Refusal, VaultError},
    path::{ApiPath, MountPath, SecretPath},
};

/// KV v2's metadata of all versions of a secret.
#[derive(Debug, Clone, Deserialize)]
pub struct History {
    /// The latest version; 0 if none was ever written.
    pub current_version: u64,
    /// When the secret was created, RFC 3339.
    pub created_time: String,
    /// When the latest version was written, RFC 3339.
    pub updated_time: String,
    /// The operator's notes on the secret.
    #[serde(default)]
    pub custom_metadata: Option<BTreeMap<String, String>>,
    /// The versions that Vault keeps.
    pub versions: VersionStates,
}

/// Versions of a secret by number.
pub type VersionStates = BTreeMap<u64, VersionState>;

/// KV v2's metadata of one version in a history.
#[derive(Debug, Clone, Deserialize)]
pub struct VersionState {
    /// When it was written, RFC 3339.
    pub created_time: String,
    /// When it was or will be deleted, RFC 3339; empty if neither.
    #[serde(default)]
    pub deletion_time: String,
    /// Whether the data is permanently gone.
    #[serde(default)]
    pub destroyed: bool,
}

/// A description of a secret without its values.
pub struct Outline {
    /// The version of the engine that answered.
    pub kv_version: KvVersion,
    /// The names of the keys of the latest version.
    pub keys: KeyNames,
    /// The versions, in KV v2; or why the token may not read them.
    pub history: Option<Result<History, Refusal>>,
}

/// The key names of a secret's latest version, or why there are none.
pub enum KeyNames {
    /// The names, and KV v2's metadata of the version.
    Known(Vec<String>, Option<Metadata>),
    /// The latest version is deleted or destroyed.
    Gone(Metadata),
    /// There is metadata, but no version.
    NeverWritten,
    /// The token may not read the data.
    Denied(Refusal),
}

/// The result of removing a secret with all its versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purged {
    /// The version of the engine.
    pub kv_version: KvVersion,
    /// Whether the server saw that the secret existed; false if the token may not read it.
    pub checked: bool,
}

impl Kv {
    /// Describes a secret without its values. Vault shows key names only with their values, so the server reads the
    /// data and drops the values here.
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

    /// Restores soft-deleted versions. Returns Vault's metadata of them afterwards, or `None` if the token may not
    /// read it. In that case the server could not check that they exist, either.
    ///
    /// # Errors
    /// [`VaultError::NoSuchVersions`], [`VaultError::Destroyed`], [`VaultError::NotFound`]: nothing was changed;
    /// [`VaultError::NoVersions`] in KV v1.
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

    /// Permanently destroys the data of versions. Returns the same as [`Self::undelete`].
    ///
    /// # Errors
    /// As for [`Self::undelete`], but a version that is already destroyed is no error.
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

    /// Removes a secret with all its versions and metadata; in KV v1 it deletes the secret.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if there is none, as far as the token can see.
    pub async fn purge(&self, mount: &MountPath, path: &SecretPath) -> Result<Purged, VaultError> {
        if self.verify(mount, Capability::Delete).await? == KvVersion::V1 {
            let deleted = self.delete(mount, path).await?;
            // If the mount has just become v2, older versions may be left.
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
        // A v1 engine would have stored the request as a secret, and returned the same answer.
        let Ok(Some(after)) = self.history(mount, path).await? else {
            self.forget(mount);
            return Err(answer.unexpected(replaced));
        };
        let mut states = after.versions;
        states.retain(|version, _| versions.contains(version));
        Ok(Some(states))
    }

    /// All versions of a secret in a mount that is known to be KV v2. `None` if there is no secret, the refusal if
    /// the token may not read it.
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
