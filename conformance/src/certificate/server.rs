//! Certificates for servers on this machine, signed by an authority that was made for them.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use secrecy::SecretString;

use super::pem;

/// The names by which a server on this machine is called.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A certificate with its key, and the authority that signed it.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// The authority's certificate, as PEM.
    pub authority: String,
    /// The server's certificate, as PEM.
    pub certificate: String,
    /// The server's private key, as PEM (PKCS #8).
    pub key: SecretString,
}

impl ServerCertificate {
    /// A new certificate with a P-256 key, of a new authority.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new() -> Result<Self, rcgen::Error> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let own = pem::encode("CERTIFICATE", authority.self_signed(&authority_key)?.der());
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(NAMES.map(str::to_owned))?;
        let signed = params.signed_by(&key, &issuer)?;
        Ok(Self {
            authority: own,
            certificate: pem::encode("CERTIFICATE", signed.der()),
            key: pem::encode("PRIVATE KEY", &key.serialize_der()).into(),
        })
    }
}
