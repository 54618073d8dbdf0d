//! The PKI secrets engine: [`issuers`], created by [`intermediate`] or imported by [`import`], [`roles`] and
//! [`certificates`]. [`x509`] parses certificates.
//!
//! An engine of another type may accept a PKI request: a KV v1 mount stores whatever is posted to `roles/web`. So the
//! server verifies a mount before every change, and before the first read. It caches verified PKI mounts, and
//! verifies them again after a 403, a 404 or an answer of another engine.

mod certificates;
mod endpoint;
mod import;
mod intermediate;
mod issuers;
mod name;
mod roles;
mod rollback;
mod ttl;
mod x509;

use std::collections::HashSet;

use parking_lot::RwLock;
use serde::{Serialize, de::DeserializeOwned};

pub use self::{
    certificates::{Issued, Kept, Request, Revocation},
    endpoint::Endpoint,
    intermediate::Signer,
    issuers::{Issuer, ListedIssuer, NewIssuer, NewIssuers},
    name::{Name, NameError, Serial, SerialError},
    roles::{NewRole, Role, Written},
    rollback::{PartialFailure, Stage},
    ttl::{Ttl, TtlError},
    x509::{Bundle, Certificate, PemError, check_request},
};
use super::{
    client::{Answer, VaultClient},
    error::{Capability, VaultError},
    mounts::Mounts,
    path::{ApiPath, MountPath},
};

/// Maximum number of cached mounts.
const MAX_KNOWN_MOUNTS: usize = 1024;

/// Vault's answer, and its warnings.
#[derive(Debug, Clone)]
pub struct Told<T> {
    /// The answer.
    pub data: T,
    /// Vault's warnings, without duplicates.
    pub warnings: Vec<String>,
}

impl<T> Told<T> {
    fn new(data: T, mut warnings: Vec<String>) -> Self {
        let mut seen = HashSet::new();
        warnings.retain(|warning| seen.insert(warning.clone()));
        Self { data, warnings }
    }
}

/// The PKI engines of one Vault.
pub struct Pki {
    client: VaultClient,
    mounts: Mounts,
    known: RwLock<HashSet<MountPath>>,
}

impl Pki {
    /// The PKI engines that the client's token reaches.
    pub fn new(client: VaultClient) -> Self {
        Self {
            mounts: Mounts::new(client.clone()),
            client,
            known: RwLock::default(),
        }
    }

    /// Reads or lists; `None` if Vault has nothing there.
    async fn ask<T: DeserializeOwned>(
        &self,
        mount: &MountPath,
        endpoint: Endpoint<'_>,
    ) -> Result<Option<Told<T>>, VaultError> {
        let path = ApiPath::pki(mount, &endpoint);
        let capability = if endpoint.is_listing() {
            Capability::List
        } else {
            Capability::Read
        };
        let remembered = self.is_known(mount);
        if !remembered {
            match self.verify(mount, &path, capability).await {
                // The token has no right on this mount, but some endpoints are public.
                Err(error) if error.refused_with(403).is_some() && !mount.is_reserved() => {}
                verified => verified?,
            }
        }
        let answer = match capability {
            Capability::List => self.client.list(&path).await,
            _ => self.client.read(&path, None).await,
        };
        let (doubtful, result) = match answer {
            Ok(answer) if answer.is_without_mount() => (false, Err(VaultError::NoSuchMount)),
            Ok(answer) if answer.is_not_found() => (true, Ok(None)),
            Ok(answer) => {
                let told = told(&answer);
                (told.is_err(), told.map(Some))
            }
            Err(error) => (error.refused_with(403).is_some(), Err(error)),
        };
        if remembered && doubtful {
            match self.verify(mount, &path, capability).await {
                Err(error) if error.refused_with(403).is_some() => {}
                verified => verified?,
            }
        }
        result
    }

    /// Verifies the mount and posts to it.
    async fn change<T: DeserializeOwned>(
        &self,
        mount: &MountPath,
        endpoint: Endpoint<'_>,
        body: &impl Serialize,
    ) -> Result<Told<T>, VaultError> {
        self.verify(mount, &ApiPath::pki(mount, &endpoint), Capability::Update)
            .await?;
        told(&self.post(mount, endpoint, body).await?)
    }

    /// Posts to a mount that was just verified. Vault requires `update` for every POST to a PKI engine, also for new
    /// objects.
    async fn post(
        &self,
        mount: &MountPath,
        endpoint: Endpoint<'_>,
        body: &impl Serialize,
    ) -> Result<Answer, VaultError> {
        let path = ApiPath::pki(mount, &endpoint);
        let body = serde_json::json!(body).to_string().into_bytes();
        let answer = self.client.write(&path, Capability::Update, body).await?;
        if answer.is_not_found() {
            return Err(
                answer.unexpected("the engine has no such endpoint, or was replaced just now")
            );
        }
        Ok(answer)
    }

    /// Checks that this is a PKI mount; `path` and `capability` are what the caller needs next.
    async fn verify(
        &self,
        mount: &MountPath,
        path: &ApiPath,
        capability: Capability,
    ) -> Result<(), VaultError> {
        let found = self.mounts.find(mount).await;
        let is_pki = found.as_ref().is_ok_and(|engine| engine.r#type == "pki");
        self.remember(mount, is_pki);
        match found {
            Ok(_) if is_pki => Ok(()),
            Ok(engine) => Err(VaultError::NotPki(engine.r#type)),
            // Vault returns 403 both for a mount without any right of the token and for a missing mount.
            Err(VaultError::Refused(mut refusal)) if refusal.status == 403 => {
                refusal.capability = capability;
                refusal.path = path.plain().to_owned();
                Err(VaultError::Refused(refusal))
            }
            Err(error) => Err(error),
        }
    }

    fn is_known(&self, mount: &MountPath) -> bool {
        self.known.read().contains(mount)
    }

    fn remember(&self, mount: &MountPath, is_pki: bool) {
        let mut known = self.known.write();
        if !is_pki {
            known.remove(mount);
            return;
        }
        if known.len() >= MAX_KNOWN_MOUNTS {
            known.clear();
        }
        known.insert(mount.clone());
    }
}

fn told<T: DeserializeOwned>(answer: &Answer) -> Result<Told<T>, VaultError> {
    answer
        .pki_data()
        .map(|(data, warnings)| Told::new(data, warnings))
}
