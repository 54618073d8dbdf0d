//! Issuers: the CAs of a mount. A root takes one request and is made here; what takes several is in
//! [`super::intermediate`] and [`super::import`].

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
    /// Whether roles use it that name no issuer; not told by every version of Vault.
    pub is_default: Option<bool>,
    /// Whether the mount has its private key; not told by every version of Vault.
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
    /// From its own certificate on towards the root, PEM.
    pub ca_chain: Vec<String>,
    /// Whether the mount has its private key.
    pub has_private_key: bool,
    /// Whether its certificate is revoked.
    pub revoked: bool,
}

/// What an issuer that is to be made shall be.
#[derive(Debug, Clone)]
pub struct NewIssuer {
    /// Its name.
    pub name: Name,
    /// The common name of its subject.
    pub common_name: String,
    /// How long it is to last; Vault has a default.
    pub ttl: Option<Ttl>,
}

/// What a call that makes issuers has made.
#[derive(Debug, Clone)]
pub struct NewIssuers {
    /// Ids and names; the name is empty if the issuer has none.
    pub issuers: Vec<(String, String)>,
    /// The certificate of the issuer that it is about.
    pub certificate: Certificate,
    /// From that certificate on towards the root, PEM.
    pub ca_chain: Vec<String>,
    /// Those of the issuers that were in the mount already: nothing was changed about them.
    pub existing: Vec<String>,
    /// Those of the issuers that cannot sign, as the mount does not have their private keys.
    pub without_key: Vec<String>,
}

impl Pki {
    /// All issuers of a mount, in Vault's order. Vault tells them without a token.
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

    /// Reads an issuer by its name or id. Vault would show the certificate without a token too, at
    /// `issuer/NAME/json`; what the policy says on the issuer is obeyed all the same.
    ///
    /// # Errors
    /// Vault's refusal, which for an issuer that is not there has status 500.
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

    /// Makes a root with a private key that does not leave Vault.
    ///
    /// # Errors
    /// Vault's refusal, as when the name is in use.
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

    /// Gives an issuer that is new a name. Vault sets all else about it to the defaults that a new issuer
    /// has, but for what it may be used for, which depends on its certificate.
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

/// Vault would say so too late: by then the certificate would be signed.
pub(super) fn check_name_is_free(issuers: &[ListedIssuer], name: &Name) -> Result<(), VaultError> {
    let is_taken =
        |issuer: &ListedIssuer| [issuer.id.as_str(), &issuer.name].contains(&name.as_str());
    if issuers.iter().any(is_taken) {
        return Err(VaultError::NameTaken);
    }
    Ok(())
}

/// An id that Vault gave.
pub(super) fn id_name(id: &str) -> Result<Name, VaultError> {
    Name::parse(id).map_err(|_| VaultError::Unexpected {
        status: 200,
        reason: "it has an id that cannot be asked for",
    })
}
