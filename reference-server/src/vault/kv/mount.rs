//! Which version of the KV engine a mount has: remembered, doubted, verified.

use super::{Kv, KvVersion};
use crate::vault::{
    client::Answer,
    error::{Capability, VaultError},
    path::{ApiPath, MountPath},
};

/// Mounts whose version is remembered.
const MAX_KNOWN_MOUNTS: usize = 1024;

impl Kv {
    /// Asks with the remembered version of the mount; if the answer casts doubt
    /// on it, verifies the mount, and asks once more if it is another by now.
    pub(super) async fn ask<T>(
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
        self.versions.read().get(mount).copied()
    }

    /// Asks Vault what is mounted; `capability` is what the caller is about to need.
    pub(super) async fn verify(
        &self,
        mount: &MountPath,
        capability: Capability,
    ) -> Result<KvVersion, VaultError> {
        let result = self.ask_for_version(mount, capability).await;
        match result {
            Ok(version) => {
                let mut versions = self.versions.write();
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
        let engine = self.mounts.find(mount).await.map_err(|error| match error {
            // Vault answers 403 if the token has no right at all on the mount,
            // or there is none. What is missing is a right on the mount.
            VaultError::Refused(mut refusal) if refusal.status == 403 => {
                refusal.capability = capability;
                refusal.path = format!("{mount}/*");
                VaultError::Refused(refusal)
            }
            error => error,
        })?;
        engine.kv_version().ok_or(VaultError::NotKv(engine.r#type))
    }

    pub(super) fn forget(&self, mount: &MountPath) {
        self.versions.write().remove(mount);
    }
}
