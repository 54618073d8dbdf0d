//! The version of the KV engine of a mount: cached, and verified after a doubtful answer.

use super::{Kv, KvVersion};
use crate::vault::{
    client::Answer,
    error::{Capability, VaultError},
    path::{ApiPath, MountPath},
};

/// Maximum number of cached mounts.
const MAX_KNOWN_MOUNTS: usize = 1024;

impl Kv {
    /// Sends a request for the cached version of the mount. If the answer is doubtful, verifies the mount, and
    /// repeats the request if its version has changed.
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
                // Denied, maybe because the policy now grants other paths.
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

    pub(super) fn remembered(&self, mount: &MountPath) -> Option<KvVersion> {
        self.versions.read().get(mount).copied()
    }

    /// Asks Vault for the mount; `capability` is what the caller needs next.
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
            // Vault returns 403 both for a mount without any right of the token and for a missing mount. What the
            // token lacks is a right on the mount.
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
