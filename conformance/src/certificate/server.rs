//! Certificates for servers on this machine, valid and invalid, signed by a CA that is made for them.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use secrecy::SecretString;

use super::pem;

/// The names of a server on this machine; the last one is used from within a container.
const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "host.docker.internal"];
/// The name of another machine, which does not exist (RFC 2606).
const ELSEWHERE: &str = "vault.example.invalid";

/// What is wrong with a certificate that has a valid signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The certificate is for another server.
    OtherName,
    /// The certificate has expired.
    Expired,
}

/// A CA that signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// A new CA with a P-256 key. All have the same name.
    ///
    /// # Errors
    /// If no key can be generated.
    pub fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = named("conformance authority", Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = pem::encode("CERTIFICATE", params.self_signed(&key)?.der());
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// Its own certificate, as PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Signs a certificate with a new P-256 key for a server on this machine.
    ///
    /// # Errors
    /// If no key can be generated.
    pub fn sign(&self, flaw: Option<Flaw>) -> Result<ServerCertificate, rcgen::Error> {
        let names = match flaw {
            Some(Flaw::OtherName) => vec![ELSEWHERE.to_owned()],
            Some(Flaw::Expired) | None => NAMES.map(str::to_owned).to_vec(),
        };
        let mut params = named("conformance server", names)?;
        // Strict clients require both.
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if flaw == Some(Flaw::Expired) {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.issuer)?;
        Ok(ServerCertificate {
            authority: self.certificate.clone(),
            certificate: pem::encode("CERTIFICATE", signed.der()),
            key: pem::encode("PRIVATE KEY", &key.serialize_der()).into(),
        })
    }
}

fn named(name: &str, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// A certificate with its key, and the CA that signed it.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// The CA's certificate, as PEM.
    pub authority: String,
    /// The server's certificate, as PEM.
    pub certificate: String,
    /// The server's private key, as PEM (PKCS #8).
    pub key: SecretString,
}

impl ServerCertificate {
    /// A new certificate of a new CA.
    ///
    /// # Errors
    /// If no key can be generated.
    pub fn new() -> Result<Self, rcgen::Error> {
        Authority::new()?.sign(None)
    }
}
