//! Importing existing CAs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::{
    Bundle, Endpoint, ListedIssuer, Name, NewIssuers, PartialFailure, Pki, Stage, Told,
    issuers::{check_name_is_free, id_name},
    rollback::Rollback,
};
use crate::vault::{
    error::{Capability, VaultError},
    path::{ApiPath, MountPath},
};

/// Vault's answer to an import; empty lists are null.
#[derive(Default, Deserialize)]
pub(super) struct Imported {
    imported_issuers: Option<Vec<String>>,
    imported_keys: Option<Vec<String>>,
    /// The ids of the issuers' keys; empty for an issuer without key.
    #[serde(default)]
    mapping: BTreeMap<String, String>,
}

impl Imported {
    pub(super) fn remember(&self, mount: &MountPath, rollback: &mut Rollback) {
        // Keys first, so that they are removed last: Vault does not delete a key that an issuer needs.
        for id in self.imported_keys.iter().flatten() {
            if let Ok(id) = id_name(id) {
                rollback.made(ApiPath::pki(mount, &Endpoint::Key(&id)));
            }
        }
        for id in self.new_issuers() {
            if let Ok(id) = id_name(id) {
                rollback.made(ApiPath::pki(mount, &Endpoint::Issuer(&id)));
            }
        }
    }

    pub(super) fn new_issuers(&self) -> impl Iterator<Item = &str> {
        self.imported_issuers.iter().flatten().map(String::as_str)
    }

    pub(super) fn issuer_of(&self, key_id: &str) -> Option<&str> {
        let mut issuers = self.mapping.iter();
        let found = issuers.find(|(_, key)| *key == key_id);
        found.map(|(issuer, _)| issuer.as_str())
    }

    fn is_new(&self, id: &str) -> bool {
        self.new_issuers().any(|it| it == id)
    }

    fn lacks_key(&self, id: &str) -> bool {
        self.mapping.get(id).is_none_or(String::is_empty)
    }
}

impl Pki {
    /// Imports certificates of CAs, and their private keys. `name` goes to the first one with a private key, or to
    /// the first one if none has a key.
    ///
    /// # Errors
    /// [`PartialFailure`] has the cause, and what the rollback did.
    pub async fn import_issuers(
        &self,
        mount: &MountPath,
        bundle: &Bundle,
        name: Option<&Name>,
    ) -> Result<Told<NewIssuers>, PartialFailure> {
        // Vault has one endpoint for certificates, which rejects keys, and one for both. A policy can allow only the
        // first, so the server uses the one that needs less.
        let endpoint = if bundle.private_keys.is_empty() {
            Endpoint::ImportCertificates
        } else {
            Endpoint::ImportBundle
        };
        let path = ApiPath::pki(mount, &endpoint);
        self.verify(mount, &path, Capability::Update).await?;
        let before = self.list_issuers(mount).await?;
        if let Some(name) = name {
            check_name_is_free(&before, name)?;
        }
        let mut rollback = Rollback::new(self.client.clone());
        match self
            .import(mount, endpoint, bundle, &before, name, &mut rollback)
            .await
        {
            Ok(made) => Ok(rollback.finish(made)),
            Err(error) => Err(rollback.undo(error, Stage::Mount).await),
        }
    }

    async fn import(
        &self,
        mount: &MountPath,
        endpoint: Endpoint<'_>,
        bundle: &Bundle,
        before: &[ListedIssuer],
        name: Option<&Name>,
        rollback: &mut Rollback,
    ) -> Result<NewIssuers, VaultError> {
        // Vault keeps the keys before one that it rejects, and does not report them (seen on 1.21). So several keys
        // are first imported one by one.
        if bundle.private_keys.len() > 1 {
            for key in &bundle.private_keys {
                let answer = self
                    .post(mount, endpoint, &json!({ "pem_bundle": key }))
                    .await?;
                rollback
                    .data::<Imported>(&answer)?
                    .remember(mount, rollback);
            }
        }
        let body = json!({ "pem_bundle": bundle.text });
        let answer = match self.post(mount, endpoint, &body).await {
            Ok(answer) => answer,
            Err(error) => {
                if error.refused_with(400).is_some() {
                    self.find_half(mount, bundle, before, rollback).await;
                }
                return Err(error);
            }
        };
        let imported: Imported = rollback.data(&answer)?;
        imported.remember(mount, rollback);
        self.imported(mount, bundle, &imported, name).await
    }

    async fn imported(
        &self,
        mount: &MountPath,
        bundle: &Bundle,
        imported: &Imported,
        name: Option<&Name>,
    ) -> Result<NewIssuers, VaultError> {
        let place = |issuer: &ListedIssuer| {
            let serial = issuer.serial_number.as_deref();
            let mut certificates = bundle.certificates.iter();
            certificates.position(|it| serial == Some(it.serial_number.as_str()))
        };
        let mut issuers = self.list_issuers(mount).await?;
        issuers.retain(|issuer| imported.mapping.contains_key(&issuer.id));
        // Issuers that can sign come first, in the order of the bundle.
        issuers.sort_by_key(|issuer| (imported.lacks_key(&issuer.id), place(issuer)));
        let nothing = VaultError::Unexpected {
            status: 200,
            reason: "none of the issuers that it names is in the mount",
        };
        let first = issuers.first_mut().ok_or(nothing)?;
        let certificate = &bundle.certificates[place(first).unwrap_or(0)];
        if let Some(name) = name
            && imported.is_new(&first.id)
        {
            self.name_issuer(mount, &first.id, name, certificate)
                .await?;
            name.as_str().clone_into(&mut first.name);
        }
        let chain = certificate.chain(&bundle.certificates);
        let ids = |wanted: &dyn Fn(&str) -> bool| -> Vec<String> {
            let ids = issuers.iter().map(|issuer| issuer.id.clone());
            ids.filter(|id| wanted(id)).collect()
        };
        Ok(NewIssuers {
            existing: ids(&|id| !imported.is_new(id)),
            without_key: ids(&|id| imported.lacks_key(id)),
            ca_chain: chain.into_iter().map(|it| it.pem.clone()).collect(),
            certificate: certificate.clone(),
            issuers: issuers.into_iter().map(|it| (it.id, it.name)).collect(),
        })
    }

    /// Finds what Vault kept of a bundle that it rejected: the certificates before the invalid one (seen on 1.21).
    async fn find_half(
        &self,
        mount: &MountPath,
        bundle: &Bundle,
        before: &[ListedIssuer],
        rollback: &mut Rollback,
    ) {
        for issuer in self.list_issuers(mount).await.unwrap_or_default() {
            let is_of_bundle = bundle
                .certificates
                .iter()
                .any(|it| issuer.serial_number.as_ref() == Some(&it.serial_number));
            let was_there = before.iter().any(|it| it.id == issuer.id);
            let Ok(id) = id_name(&issuer.id) else {
                continue;
            };
            let path = ApiPath::pki(mount, &Endpoint::Issuer(&id));
            match issuer.has_private_key {
                _ if was_there || !is_of_bundle => {}
                Some(false) => rollback.made(path),
                // Another client may have just imported it, with its key.
                _ => rollback.left(&path),
            }
        }
    }
}
