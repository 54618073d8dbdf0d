//! Issuers: the CAs of a mount. This module creates a root, which takes one request. [`super::intermediate`] and
//! [`super::import`] take several.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{Certificate, Endpoint, Name, Pki, Told, Ttl, certificates::certificate};
use crate::vault::{error::VaultError, path::MountPath};

/// An issuer, as the list of issuers shows it.
#[derive(Debug, Clone)]
pub struct ListedIssuer {
    /// The id that Vault gave it.
    pub id: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// Whether it issues for roles that name no issuer; some versions of Vault do not report it.
    pub is_default: Option<bool>,
    /// Whether the mount has its private key; some versions of Vault do not report it.
    pub has_private_key: Option<bool>,
    pub(super) serial_number: Option<String>,
}

/// An issuer.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The id that Vault gave it.
    pub id: String,
    /// Its name; empty if it has none.
    pub name: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// The chain from its own certificate towards the root, PEM.
    pub ca_chain: Vec<String>,
    /// Whether the mount has its private key.
    pub has_private_key: bool,
    /// Whether its certificate is revoked.
    pub revoked: bool,
}

/// An issuer to create.
#[derive(Debug, Clone)]
pub struct NewIssuer {
    /// Its name.
    pub name: Name,
    /// The common name of its subject.
    pub common_name: String,
    /// The lifetime; Vault has a default.
    pub ttl: Option<Ttl>,
}

/// The issuers that a call created or imported.
#[derive(Debug, Clone)]
pub struct NewIssuers {
    /// Ids and names; the name is empty for an issuer without name.
    pub issuers: Vec<(String, String)>,
    /// The certificate of the requested issuer.
    pub certificate: Certificate,
    /// The chain from that certificate towards the root, PEM.
    pub ca_chain: Vec<String>,
    /// The issuers that already existed; they are unchanged.
    pub existing: Vec<String>,
    /// The issuers that cannot sign, because the mount does not have their private keys.
    pub without_key: Vec<String>,
}

impl Pki {
    /// All issuers of a mount, in Vault's order. Vault requires no token for them.
    ///
    /// # Errors
    /// As for every request, see [`VaultError`].
    pub async fn list_issuers(&self, mount: &MountPath) -> Result<Vec<ListedIssuer>, VaultError> {
        #[derive(Deserialize)]
        struct Listing {
            keys: Vec<String>,
            #[serde(default)]
            key_info: BTreeMap<String, Info>,
        }
        #[derive(Default, Deserialize)]
        struct Info {
            #[serde(default)]
            issuer_name: String,
            is_default: Option<bool>,
            key_id: Option<String>,
            serial_number: Option<String>,
        }
        let Some(Told { data, .. }) = self.ask::<Listing>(mount, Endpoint::Issuers).await? else {
            return Ok(Vec::new());
        };
        let mut infos = data.key_info;
        let issuers = data.keys.into_iter().map(|id| {
            let info = infos.remove(&id).unwrap_or_default();
            ListedIssuer {
                id,
                name: info.issuer_name,
                is_default: info.is_default,
                has_private_key: info.key_id.map(|key| !key.is_empty()),
                serial_number: info.serial_number,
            }
        });
        Ok(issuers.collect())
    }

    /// Reads an issuer by its name or id. Vault would show the certificate at `issuer/NAME/json` without a token; the
    /// server still respects the policy for the issuer.
    ///
    /// # Errors
    /// Vault's refusal; for a missing issuer it has status 500.
    pub async fn read_issuer(
        &self,
        mount: &MountPath,
        issuer: &Name,
    ) -> Result<Issuer, VaultError> {
        #[derive(Deserialize)]
        struct Stored {
            issuer_id: String,
            #[serde(default)]
            issuer_name: String,
            certificate: String,
            #[serde(default)]
            ca_chain: Option<Vec<String>>,
            #[serde(default)]
            key_id: String,
            #[serde(default)]
            revoked: bool,
        }
        let Told { data, .. } = self
            .ask::<Stored>(mount, Endpoint::Issuer(issuer))
            .await?
            .ok_or(VaultError::NotFound("issuer of this name in the mount"))?;
        let certificate = certificate(&data.certificate)?;
        Ok(Issuer {
            id: data.issuer_id,
            name: data.issuer_name,
            ca_chain: data
                .ca_chain
                .unwrap_or_else(|| vec![certificate.pem.clone()]),
            certificate,
            has_private_key: !data.key_id.is_empty(),
            revoked: data.revoked,
        })
    }

    /// Creates a root with a private key that does not leave Vault.
    ///
    /// # Errors
    /// Vault's refusal, for example when the name is in use.
    pub async fn create_root(
        &self,
        mount: &MountPath,
        new: &NewIssuer,
    ) -> Result<Told<NewIssuers>, VaultError> {
        #[derive(Deserialize)]
        struct Made {
            certificate: String,
            issuer_id: String,
            #[serde(default)]
            issuer_name: String,
        }
        let mut body = json!({ "common_name": new.common_name, "issuer_name": new.name.as_str() });
        if let Some(ttl) = &new.ttl {
            body["ttl"] = ttl.for_vault().into();
        }
        let Told { data, warnings } = self
            .change::<Made>(mount, Endpoint::GenerateRoot, &body)
            .await?;
        let certificate = certificate(&data.certificate)?;
        let made = NewIssuers {
            issuers: vec![(data.issuer_id, data.issuer_name)],
            ca_chain: vec![certificate.pem.clone()],
            certificate,
            existing: Vec::new(),
            without_key: Vec::new(),
        };
        Ok(Told::new(made, warnings))
    }

    /// Names a new issuer. Vault resets its other settings to the defaults of a new issuer, except its usage, which
    /// depends on its certificate.
    pub(super) async fn name_issuer(
        &self,
        mount: &MountPath,
        id: &str,
        new: &Name,
        certificate: &Certificate,
    ) -> Result<(), VaultError> {
        let id = id_name(id)?;
        let mut usage = vec!["read-only", "issuing-certificates", "ocsp-signing"];
        if certificate.may_sign_lists {
            usage.push("crl-signing");
        }
        let body = json!({ "issuer_name": new.as_str(), "usage": usage });
        self.post(mount, Endpoint::Issuer(&id), &body)
            .await
            .map(drop)
    }
}

/// Vault would report it too late, after the certificate is signed.
pub(super) fn check_name_is_free(issuers: &[ListedIssuer], name: &Name) -> Result<(), VaultError> {
    let is_taken =
        |issuer: &ListedIssuer| [issuer.id.as_str(), &issuer.name].contains(&name.as_str());
    if issuers.iter().any(is_taken) {
        return Err(VaultError::NameTaken);
    }
    Ok(())
}

/// Parses an id of Vault.
pub(super) fn id_name(id: &str) -> Result<Name, VaultError> {
    Name::parse(id).map_err(|_| VaultError::Unexpected {
        status: 200,
        reason: "it has an id that cannot be asked for",
    })
}
