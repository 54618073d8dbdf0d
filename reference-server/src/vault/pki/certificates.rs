//! Certificates: issuing, signing, revoking, listing and reading.

use serde::Deserialize;
use serde_json::json;

use super::{Certificate, Endpoint, Name, Pki, Serial, Told, Ttl};
use crate::vault::{error::VaultError, path::MountPath};

/// The content of a certificate; the role decides on what is left out.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The common name of the subject.
    pub common_name: Option<String>,
    /// More names, none with a comma.
    pub alt_names: Vec<String>,
    /// IP addresses.
    pub ip_sans: Vec<std::net::IpAddr>,
    /// The lifetime.
    pub ttl: Option<Ttl>,
}

impl Request {
    fn body(&self) -> serde_json::Value {
        let addresses: Vec<_> = self.ip_sans.iter().map(ToString::to_string).collect();
        let mut body = json!({});
        for (field, value) in [
            ("common_name", self.common_name.clone()),
            (
                "alt_names",
                (!self.alt_names.is_empty()).then(|| self.alt_names.join(",")),
            ),
            (
                "ip_sans",
                (!addresses.is_empty()).then(|| addresses.join(",")),
            ),
            ("ttl", self.ttl.as_ref().map(Ttl::for_vault)),
        ] {
            if let Some(value) = value {
                body[field] = value.into();
            }
        }
        body
    }
}

/// A new certificate. It may contain a private key, so it has no `Debug`.
pub struct Issued {
    /// The certificate.
    pub certificate: Certificate,
    /// The certificate of its issuer, PEM.
    pub issuing_ca: String,
    /// The chain from its issuer towards the root, PEM.
    pub ca_chain: Vec<String>,
    /// The private key, PEM, if Vault generated it. Vault does not store it.
    pub private_key: Option<String>,
    /// The type of the private key.
    pub private_key_type: Option<String>,
}

/// A certificate on record in Vault.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The certificate.
    pub certificate: Certificate,
    /// When it was revoked.
    pub revocation: Option<Revocation>,
}

/// When a certificate was revoked.
#[derive(Debug, Clone)]
pub struct Revocation {
    /// Seconds since 1970.
    pub time: u64,
    /// RFC 3339; some versions of Vault do not report it.
    pub rfc3339: Option<String>,
}

impl Pki {
    /// Generates a private key and a certificate for it.
    ///
    /// # Errors
    /// Vault's refusal, for example when the role does not allow the request.
    pub async fn issue(
        &self,
        mount: &MountPath,
        role: &Name,
        request: &Request,
    ) -> Result<Told<Issued>, VaultError> {
        self.made(mount, Endpoint::Issue(role), &request.body())
            .await
    }

    /// Makes a certificate for a key outside of Vault; `csr` is the certificate request, PEM.
    ///
    /// # Errors
    /// As for [`Self::issue`].
    pub async fn sign(
        &self,
        mount: &MountPath,
        role: &Name,
        csr: &str,
        request: &Request,
    ) -> Result<Told<Issued>, VaultError> {
        let mut body = request.body();
        body["csr"] = csr.into();
        self.made(mount, Endpoint::Sign(role), &body).await
    }

    async fn made(
        &self,
        mount: &MountPath,
        endpoint: Endpoint<'_>,
        body: &serde_json::Value,
    ) -> Result<Told<Issued>, VaultError> {
        #[derive(Deserialize)]
        struct Made {
            certificate: String,
            issuing_ca: String,
            #[serde(default)]
            ca_chain: Option<Vec<String>>,
            private_key: Option<String>,
            private_key_type: Option<String>,
        }
        let Told { data, warnings } = self.change::<Made>(mount, endpoint, body).await?;
        let issued = Issued {
            certificate: certificate(&data.certificate)?,
            ca_chain: data
                .ca_chain
                .unwrap_or_else(|| vec![data.issuing_ca.clone()]),
            issuing_ca: data.issuing_ca,
            private_key: data.private_key,
            private_key_type: data.private_key_type,
        };
        Ok(Told::new(issued, warnings))
    }

    /// Revokes a certificate. An already revoked certificate keeps its time of revocation.
    ///
    /// # Errors
    /// Vault's refusal, for example when the mount has no such certificate.
    pub async fn revoke(
        &self,
        mount: &MountPath,
        serial: &Serial,
    ) -> Result<Told<Revocation>, VaultError> {
        let body = json!({ "serial_number": serial.as_str() });
        let Told { data, warnings } = self
            .change::<RevocationTime>(mount, Endpoint::Revoke, &body)
            .await?;
        Ok(Told::new(data.into(), warnings))
    }

    /// The serial numbers of all certificates on record.
    ///
    /// # Errors
    /// As for every request, see [`VaultError`].
    pub async fn list_certificates(&self, mount: &MountPath) -> Result<Vec<String>, VaultError> {
        #[derive(Deserialize)]
        struct Listing {
            keys: Vec<String>,
        }
        let listing = self.ask::<Listing>(mount, Endpoint::Certificates).await?;
        Ok(listing.map(|told| told.data.keys).unwrap_or_default())
    }

    /// Reads a certificate on record.
    ///
    /// # Errors
    /// [`VaultError::NotFound`] if there is none with this number.
    pub async fn read_certificate(
        &self,
        mount: &MountPath,
        serial: &Serial,
    ) -> Result<Kept, VaultError> {
        #[derive(Deserialize)]
        struct Stored {
            certificate: String,
            #[serde(flatten)]
            revocation: RevocationTime,
        }
        let Told { data, .. } = self
            .ask::<Stored>(mount, Endpoint::Certificate(serial))
            .await?
            .ok_or(VaultError::NotFound(
                "certificate with this serial number in the mount",
            ))?;
        Ok(Kept {
            certificate: certificate(&data.certificate)?,
            // 0 means that it is not revoked.
            revocation: (data.revocation.revocation_time > 0).then(|| data.revocation.into()),
        })
    }
}

#[derive(Deserialize)]
struct RevocationTime {
    revocation_time: u64,
    revocation_time_rfc3339: Option<String>,
}

impl From<RevocationTime> for Revocation {
    fn from(told: RevocationTime) -> Self {
        Self {
            time: told.revocation_time,
            rfc3339: told.revocation_time_rfc3339.filter(|text| !text.is_empty()),
        }
    }
}

/// Parses a certificate in an answer of Vault.
pub(super) fn certificate(pem: &str) -> Result<Certificate, VaultError> {
    Certificate::parse(pem).map_err(|_| VaultError::Unexpected {
        status: 200,
        reason: "its certificate cannot be read",
    })
}
