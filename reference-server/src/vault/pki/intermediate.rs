//! Creating an intermediate: a key and a request in its mount, a signature in another mount, and a name.

use serde::Deserialize;
use serde_json::json;

use super::{
    Endpoint, Name, NewIssuer, NewIssuers, PartialFailure, Pki, Stage, Told, Ttl,
    certificates::certificate,
    import::Imported,
    issuers::{check_name_is_free, id_name},
    rollback::Rollback,
};
use crate::vault::{
    error::{Capability, VaultError},
    path::{ApiPath, MountPath},
};

/// The issuer that signs an intermediate certificate.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The mount of the issuer.
    pub mount: MountPath,
    /// The issuer; the default one of the mount if none is named.
    pub issuer: Option<Name>,
}

impl Pki {
    /// Creates an intermediate with a private key that does not leave Vault, signed in another mount. Also stores the
    /// certificates up to the root, so that issued certificates come with their chain.
    ///
    /// # Errors
    /// [`PartialFailure`] has the cause, and what the rollback did.
    pub async fn create_intermediate(
        &self,
        mount: &MountPath,
        new: &NewIssuer,
        signer: &Signer,
    ) -> Result<Told<NewIssuers>, PartialFailure> {
        let generate = ApiPath::pki(mount, &Endpoint::GenerateIntermediate);
        self.verify(mount, &generate, Capability::Update).await?;
        let sign = Endpoint::SignIntermediate(signer.issuer.as_ref());
        let sign = ApiPath::pki(&signer.mount, &sign);
        self.verify(&signer.mount, &sign, Capability::Update)
            .await
            .map_err(|error| PartialFailure::before_anything(error, Stage::RootMount))?;
        check_name_is_free(&self.list_issuers(mount).await?, &new.name)?;

        let mut rollback = Rollback::new(self.client.clone());
        match self
            .make_intermediate(mount, new, signer, &mut rollback)
            .await
        {
            Ok(made) => Ok(rollback.finish(made)),
            Err((error, stage)) => Err(rollback.undo(error, stage).await),
        }
    }

    async fn make_intermediate(
        &self,
        mount: &MountPath,
        new: &NewIssuer,
        signer: &Signer,
        rollback: &mut Rollback,
    ) -> Result<NewIssuers, (VaultError, Stage)> {
        let (csr, key_id) = self
            .request_intermediate(mount, new, rollback)
            .await
            .map_err(|error| (error, Stage::Mount))?;
        let chain = self
            .sign_intermediate(signer, new, &csr, rollback)
            .await
            .map_err(|error| (error, Stage::RootMount))?;
        self.take_intermediate(mount, &key_id, chain, &new.name, rollback)
            .await
            .map_err(|error| (error, Stage::Mount))
    }

    /// Generates a key and a request; returns the request and the id of the key.
    async fn request_intermediate(
        &self,
        mount: &MountPath,
        new: &NewIssuer,
        rollback: &mut Rollback,
    ) -> Result<(String, String), VaultError> {
        #[derive(Deserialize)]
        struct Generated {
            csr: String,
            key_id: String,
        }
        let body = json!({ "common_name": new.common_name });
        let answer = self
            .post(mount, Endpoint::GenerateIntermediate, &body)
            .await?;
        let generated: Generated = rollback.data(&answer)?;
        let key = id_name(&generated.key_id)?;
        rollback.made(ApiPath::pki(mount, &Endpoint::Key(&key)));
        Ok((generated.csr, generated.key_id))
    }

    /// Signs the request; returns the certificates from the new one towards the root.
    async fn sign_intermediate(
        &self,
        signer: &Signer,
        new: &NewIssuer,
        csr: &str,
        rollback: &mut Rollback,
    ) -> Result<Vec<String>, VaultError> {
        #[derive(Deserialize)]
        struct Signed {
            certificate: String,
            issuing_ca: String,
            #[serde(default)]
            ca_chain: Option<Vec<String>>,
        }
        let mut body = json!({ "common_name": new.common_name, "csr": csr });
        if let Some(ttl) = new.ttl.as_ref().map(Ttl::for_vault) {
            body["ttl"] = ttl.into();
        }
        let endpoint = Endpoint::SignIntermediate(signer.issuer.as_ref());
        let answer = self.post(&signer.mount, endpoint, &body).await?;
        let signed: Signed = rollback.data(&answer)?;
        rollback.signed = Some(certificate(&signed.certificate)?.serial_number);
        Ok(signed
            .ca_chain
            .filter(|chain| !chain.is_empty())
            .unwrap_or_else(|| vec![signed.certificate, signed.issuing_ca]))
    }

    /// Stores the certificate and those towards the root in the mount, and names the new issuer.
    async fn take_intermediate(
        &self,
        mount: &MountPath,
        key_id: &str,
        ca_chain: Vec<String>,
        new: &Name,
        rollback: &mut Rollback,
    ) -> Result<NewIssuers, VaultError> {
        let chain = ca_chain.join("\n");
        let certificate = certificate(&chain)?;
        let body = json!({ "certificate": chain });
        let answer = self.post(mount, Endpoint::SetSigned, &body).await?;
        let imported: Imported = rollback.data(&answer)?;
        imported.remember(mount, rollback);
        let id = imported
            .issuer_of(key_id)
            .ok_or_else(|| answer.unexpected("no issuer has the key that was made for it"))?;
        self.name_issuer(mount, id, new, &certificate).await?;
        let others: Vec<String> = imported
            .new_issuers()
            .filter(|it| *it != id)
            .map(str::to_owned)
            .collect();
        let named = (id.to_owned(), new.as_str().to_owned());
        let unnamed = others.iter().map(|id| (id.clone(), String::new()));
        Ok(NewIssuers {
            issuers: std::iter::once(named).chain(unnamed).collect(),
            certificate,
            ca_chain,
            existing: Vec::new(),
            without_key: others,
        })
    }
}
