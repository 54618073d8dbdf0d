//! Issuers: the CAs of a mount. A root takes one request; an intermediate and an import take
//! several, and what they have made is removed again when one of them fails.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use serde_json::json;

use super::{
    Bundle, Certificate, Endpoint, Name, Pki, Told, Ttl, certificates::certificate, told,
    undo::Undo,
};
use crate::vault::{
    client::Answer,
    error::{Capability, VaultError},
    path::{ApiPath, MountPath},
};

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
    serial_number: Option<String>,
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

/// Who signs an intermediate certificate.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The mount of the issuer.
    pub mount: MountPath,
    /// The issuer; the mount's default one if none is named.
    pub issuer: Option<Name>,
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

/// Where making an issuer failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// In the mount of the new issuer.
    Mount,
    /// In the mount that was to sign.
    RootMount,
}

/// Why no issuer was made, and what became of what was made on the way.
#[derive(Debug)]
pub struct Unfinished {
    /// Why.
    pub error: VaultError,
    /// Where.
    pub stage: Stage,
    /// How many things had been made.
    pub made: usize,
    /// Those of them that could not be removed again, by their paths.
    pub left: Vec<String>,
    /// The serial number of a certificate that was signed, which no request unmakes.
    pub signed: Option<String>,
}

impl From<VaultError> for Unfinished {
    fn from(error: VaultError) -> Self {
        Self::early(error, Stage::Mount)
    }
}

impl Unfinished {
    fn early(error: VaultError, stage: Stage) -> Self {
        Self {
            error,
            stage,
            made: 0,
            left: Vec::new(),
            signed: None,
        }
    }

    async fn undone(error: VaultError, stage: Stage, undo: Undo) -> Self {
        let (made, left) = undo.run().await;
        Self {
            made,
            left,
            ..Self::early(error, stage)
        }
    }
}

/// What importing told; the lists are null where they are empty.
#[derive(Default, Deserialize)]
struct Imported {
    imported_issuers: Option<Vec<String>>,
    imported_keys: Option<Vec<String>>,
    /// Ids of the keys of issuers, empty for an issuer without.
    #[serde(default)]
    mapping: BTreeMap<String, String>,
}

impl Imported {
    fn remember(&self, mount: &MountPath, undo: &mut Undo) {
        let paths =
            |ids: &Option<Vec<String>>, endpoint: fn(&Name) -> Endpoint<'_>| -> Vec<ApiPath> {
                let ids = ids.iter().flatten().filter_map(|id| Name::parse(id).ok());
                ids.map(|id| ApiPath::pki(mount, &endpoint(&id))).collect()
            };
        // Keys first, so that they go last: Vault keeps a key that an issuer needs.
        paths(&self.imported_keys, |id| Endpoint::Key(id))
            .into_iter()
            .chain(paths(&self.imported_issuers, |id| Endpoint::Issuer(id)))
            .for_each(|path| undo.made(path));
    }

    fn is_new(&self, id: &str) -> bool {
        self.imported_issuers.iter().flatten().any(|it| it == id)
    }

    fn lacks_key(&self, id: &str) -> bool {
        self.mapping.get(id).is_none_or(String::is_empty)
    }
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

    /// Makes an intermediate with a private key that does not leave Vault, signed in another mount. The
    /// certificates that lead to the root are kept with it, so that what it issues comes with its chain.
    ///
    /// # Errors
    /// [`Unfinished`] says why it was not made, and what became of what was made on the way.
    pub async fn create_intermediate(
        &self,
        mount: &MountPath,
        new: &NewIssuer,
        signer: &Signer,
    ) -> Result<Told<NewIssuers>, Unfinished> {
        let generate = ApiPath::pki(mount, &Endpoint::GenerateIntermediate);
        self.verify(mount, &generate, Capability::Update).await?;
        let sign = Endpoint::SignIntermediate(signer.issuer.as_ref());
        let sign = ApiPath::pki(&signer.mount, &sign);
        self.verify(&signer.mount, &sign, Capability::Update)
            .await
            .map_err(|error| Unfinished::early(error, Stage::RootMount))?;
        self.check_name_is_free(mount, &new.name).await?;

        let mut undo = Undo::new(self.client.clone());
        let mut warnings = Vec::new();
        let mut signed = None;
        match self
            .make_intermediate(mount, new, signer, &mut undo, &mut warnings, &mut signed)
            .await
        {
            Ok(made) => {
                undo.keep();
                Ok(Told::new(made, warnings))
            }
            Err((error, stage)) => Err(Unfinished {
                signed,
                ..Unfinished::undone(error, stage, undo).await
            }),
        }
    }

    async fn make_intermediate(
        &self,
        mount: &MountPath,
        new: &NewIssuer,
        signer: &Signer,
        undo: &mut Undo,
        warnings: &mut Vec<String>,
        signed: &mut Option<String>,
    ) -> Result<NewIssuers, (VaultError, Stage)> {
        #[derive(Deserialize)]
        struct Generated {
            csr: String,
            key_id: String,
        }
        #[derive(Deserialize)]
        struct Signed {
            certificate: String,
            issuing_ca: String,
            #[serde(default)]
            ca_chain: Option<Vec<String>>,
        }
        let here = |error| (error, Stage::Mount);
        let there = |error| (error, Stage::RootMount);

        let body = json!({ "common_name": new.common_name });
        let answer = self
            .post(mount, Endpoint::GenerateIntermediate, &body)
            .await
            .map_err(here)?;
        let generated: Generated = data(&answer, warnings).map_err(here)?;
        let key = name(&generated.key_id).map_err(here)?;
        undo.made(ApiPath::pki(mount, &Endpoint::Key(&key)));

        let mut body = json!({ "common_name": new.common_name, "csr": generated.csr });
        if let Some(ttl) = &new.ttl {
            body["ttl"] = ttl.for_vault().into();
        }
        let sign = Endpoint::SignIntermediate(signer.issuer.as_ref());
        let answer = self.post(&signer.mount, sign, &body).await.map_err(there)?;
        let made: Signed = data(&answer, warnings).map_err(there)?;
        let certificate = certificate(&made.certificate).map_err(there)?;
        *signed = Some(certificate.serial_number.clone());
        let ca_chain = made
            .ca_chain
            .unwrap_or_else(|| vec![made.certificate, made.issuing_ca]);

        let body = json!({ "certificate": ca_chain.join("\n") });
        let answer = self
            .post(mount, Endpoint::SetSigned, &body)
            .await
            .map_err(here)?;
        let imported: Imported = data(&answer, warnings).map_err(here)?;
        imported.remember(mount, undo);
        let is_new = |(_, of_issuer): &(&String, &String)| **of_issuer == generated.key_id;
        let (id, _) =
            imported.mapping.iter().find(is_new).ok_or_else(|| {
                here(answer.unexpected("no issuer has the key that was made for it"))
            })?;
        self.name_issuer(mount, id, &new.name).await.map_err(here)?;

        let others = imported
            .imported_issuers
            .iter()
            .flatten()
            .filter(|it| *it != id);
        let others: Vec<String> = others.cloned().collect();
        let named = (id.clone(), new.name.as_str().to_owned());
        Ok(NewIssuers {
            issuers: std::iter::once(named)
                .chain(others.iter().map(|id| (id.clone(), String::new())))
                .collect(),
            certificate,
            ca_chain,
            existing: Vec::new(),
            without_key: others,
        })
    }

    /// Imports certificates of CAs, and private keys for them; `bundle` is what `text` says. With a name
    /// it is given to the first of them that has a private key, or else to the first.
    ///
    /// # Errors
    /// [`Unfinished`] says why it was not done, and what became of what was done on the way.
    pub async fn import_issuers(
        &self,
        mount: &MountPath,
        text: &str,
        bundle: &Bundle,
        name: Option<&Name>,
    ) -> Result<Told<NewIssuers>, Unfinished> {
        // A policy can allow certificates and forbid private keys: Vault has an endpoint for each, and the
        // one for certificates refuses keys. Each bundle goes where no more is needed than it needs.
        let endpoint = if bundle.has_private_key {
            Endpoint::ImportBundle
        } else {
            Endpoint::ImportCertificates
        };
        let path = ApiPath::pki(mount, &endpoint);
        self.verify(mount, &path, Capability::Update).await?;
        let before = self.list_issuers(mount).await?;
        if let Some(name) = name {
            check_name_is_free(&before, name)?;
        }

        let mut undo = Undo::new(self.client.clone());
        let posted = self
            .post(mount, endpoint, &json!({ "pem_bundle": text }))
            .await;
        let mut warnings = Vec::new();
        let imported: Imported = match posted.and_then(|answer| data(&answer, &mut warnings)) {
            Ok(imported) => imported,
            Err(error) => {
                // Vault keeps what came before the part that it does not like (seen on 1.21).
                self.remember_half(mount, bundle, &before, &mut undo).await;
                return Err(Unfinished::undone(error, Stage::Mount, undo).await);
            }
        };
        imported.remember(mount, &mut undo);
        let named = self.imported(mount, bundle, &imported, name).await;
        match named {
            Ok(made) => {
                undo.keep();
                Ok(Told::new(made, warnings))
            }
            Err(error) => Err(Unfinished::undone(error, Stage::Mount, undo).await),
        }
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
        // Those that can sign in front, in the order of the bundle.
        issuers.sort_by_key(|issuer| (imported.lacks_key(&issuer.id), place(issuer)));
        let nothing = VaultError::Unexpected {
            status: 200,
            reason: "none of the issuers that it names is in the mount",
        };
        let first = issuers.first_mut().ok_or(nothing)?;
        if let Some(name) = name
            && imported.is_new(&first.id)
        {
            self.name_issuer(mount, &first.id, name).await?;
            name.as_str().clone_into(&mut first.name);
        }
        let certificate = &bundle.certificates[place(first).unwrap_or(0)];
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

    /// Finds the issuers that Vault kept of a bundle which it refused.
    async fn remember_half(
        &self,
        mount: &MountPath,
        bundle: &Bundle,
        before: &[ListedIssuer],
        undo: &mut Undo,
    ) {
        let before: HashSet<&str> = before.iter().map(|issuer| issuer.id.as_str()).collect();
        let serials: HashSet<&str> = bundle
            .certificates
            .iter()
            .map(|it| it.serial_number.as_str())
            .collect();
        let is_ours = |issuer: &ListedIssuer| {
            let serial = issuer.serial_number.as_deref();
            !before.contains(issuer.id.as_str()) && serial.is_some_and(|it| serials.contains(it))
        };
        for issuer in self.list_issuers(mount).await.unwrap_or_default() {
            if is_ours(&issuer)
                && let Ok(id) = name(&issuer.id)
            {
                undo.made(ApiPath::pki(mount, &Endpoint::Issuer(&id)));
            }
        }
    }

    /// Gives an issuer that is new a name. Everything else about it is set to its default, which it has still.
    async fn name_issuer(&self, mount: &MountPath, id: &str, new: &Name) -> Result<(), VaultError> {
        let id = name(id)?;
        let body = json!({ "issuer_name": new.as_str() });
        self.post(mount, Endpoint::Issuer(&id), &body)
            .await
            .map(drop)
    }

    async fn check_name_is_free(&self, mount: &MountPath, name: &Name) -> Result<(), Unfinished> {
        check_name_is_free(&self.list_issuers(mount).await?, name)
    }
}

/// Vault would say so too late: the certificate would be signed by then.
fn check_name_is_free(issuers: &[ListedIssuer], name: &Name) -> Result<(), Unfinished> {
    let is_taken =
        |issuer: &ListedIssuer| [issuer.id.as_str(), &issuer.name].contains(&name.as_str());
    if issuers.iter().any(is_taken) {
        return Err(Unfinished::early(VaultError::NameTaken, Stage::Mount));
    }
    Ok(())
}

/// The data of an answer; its warnings are added to the others.
fn data<T: serde::de::DeserializeOwned>(
    answer: &Answer,
    warnings: &mut Vec<String>,
) -> Result<T, VaultError> {
    let Told {
        data,
        warnings: more,
    } = told(answer)?;
    warnings.extend(more);
    Ok(data)
}

/// An id that Vault gave.
fn name(id: &str) -> Result<Name, VaultError> {
    Name::parse(id).map_err(|_| VaultError::Unexpected {
        status: 200,
        reason: "it has an id that cannot be asked for",
    })
}
