//! The oracle on PKI: what the suite makes in PKI mounts, and what it reads there.
//! <https://developer.hashicorp.com/vault/api-docs/secret/pki>

use serde_json::{Map, Value, json};

use super::oracle::{Oracle, OracleError, VaultRequest};

/// An issuer of a PKI mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its id, which Vault gave it.
    pub id: String,
    /// Its name; empty if it has none.
    pub name: String,
}

impl Oracle {
    /// Creates a PKI mount; without a maximum lifetime it has Vault's default, 768 hours.
    ///
    /// # Errors
    /// If Vault rejects a request. This applies to all functions below.
    pub async fn make_pki_mount(
        &self,
        path: &str,
        max_ttl: Option<&str>,
    ) -> Result<(), OracleError> {
        self.make_mount(path, "pki", json!({})).await?;
        let Some(max_ttl) = max_ttl else {
            return Ok(());
        };
        let tune = VaultRequest::new("POST", format!("sys/mounts/{path}/tune"));
        self.root(tune.with(json!({ "max_lease_ttl": max_ttl })))
            .await
            .map(drop)
    }

    /// Creates a self-signed issuer with an EC key; returns its certificate as PEM.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn make_root(
        &self,
        mount: &str,
        issuer: &str,
        ttl: &str,
    ) -> Result<String, OracleError> {
        let body = json!({
            "common_name": format!("{mount} root"),
            "issuer_name": issuer,
            "ttl": ttl,
            "key_type": "ec",
            "key_bits": 256,
        });
        let request = VaultRequest::new("POST", format!("{mount}/root/generate/internal"));
        let answer = self.root(request.with(body)).await?;
        Ok(text(&answer.body["data"]["certificate"]))
    }

    /// Creates a role.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn make_role(
        &self,
        mount: &str,
        role: &str,
        settings: &Map<String, Value>,
    ) -> Result<(), OracleError> {
        let request = VaultRequest::new("POST", format!("{mount}/roles/{role}"));
        self.root(request.with(json!(settings))).await.map(drop)
    }

    /// The settings of a role; `None` if the role does not exist.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn role(
        &self,
        mount: &str,
        role: &str,
    ) -> Result<Option<Map<String, Value>>, OracleError> {
        let request = VaultRequest::new("GET", format!("{mount}/roles/{role}"));
        let answer = self.root(request).await?;
        Ok(answer.body["data"].as_object().cloned())
    }

    /// Issues a certificate; returns Vault's data, including the key. Without a TTL (such as `72h`), it has the role's.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn issue(
        &self,
        mount: &str,
        role: &str,
        common_name: &str,
        ttl: Option<&str>,
    ) -> Result<Value, OracleError> {
        let request = VaultRequest::new("POST", format!("{mount}/issue/{role}"));
        let mut body = json!({ "common_name": common_name });
        if let Some(ttl) = ttl {
            body["ttl"] = json!(ttl);
        }
        let mut answer = self.root(request.with(body)).await?;
        Ok(answer.body["data"].take())
    }

    /// Whether a role allows a certificate with these fields. If so, the certificate is issued.
    ///
    /// # Errors
    /// If Vault neither issues nor rejects it.
    pub async fn issues(
        &self,
        mount: &str,
        role: &str,
        wanted: &Value,
    ) -> Result<bool, OracleError> {
        let request = VaultRequest::new("POST", format!("{mount}/issue/{role}"));
        match self.root(request.with(wanted.clone())).await {
            Ok(_) => Ok(true),
            Err(OracleError::Refused { status: 400, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The issuers of a mount.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn issuers(&self, mount: &str) -> Result<Vec<Issuer>, OracleError> {
        let answer = self
            .root(VaultRequest::new("LIST", format!("{mount}/issuers")))
            .await?;
        let known = answer.body["data"]["key_info"].as_object();
        Ok(known
            .into_iter()
            .flatten()
            .map(|(id, about)| Issuer {
                id: id.clone(),
                name: text(&about["issuer_name"]),
            })
            .collect())
    }

    /// The certificate of an issuer, by name or id, as PEM; empty if it does not exist.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn issuer_certificate(
        &self,
        mount: &str,
        issuer: &str,
    ) -> Result<String, OracleError> {
        let request = VaultRequest::new("GET", format!("{mount}/issuer/{issuer}"));
        let answer = self.root(request).await?;
        Ok(text(&answer.body["data"]["certificate"]))
    }

    /// A certificate by its serial number, as PEM; empty if it does not exist.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn certificate(&self, mount: &str, serial: &str) -> Result<String, OracleError> {
        let request = VaultRequest::new("GET", format!("{mount}/cert/{serial}"));
        let answer = self.root(request).await?;
        Ok(text(&answer.body["data"]["certificate"]))
    }

    /// The revocation list of the mount's default issuer, as PEM.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn revocation_list(&self, mount: &str) -> Result<String, OracleError> {
        self.certificate(mount, "crl").await
    }

    /// The maximum lifetime on a mount, in seconds.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn max_ttl(&self, mount: &str) -> Result<u64, OracleError> {
        let request = VaultRequest::new("GET", format!("sys/mounts/{mount}/tune"));
        let answer = self.root(request).await?;
        Ok(answer.body["max_lease_ttl"].as_u64().unwrap_or_default())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
