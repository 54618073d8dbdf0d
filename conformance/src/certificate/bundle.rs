//! Authorities that were made elsewhere, for importing.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use secrecy::SecretString;

use super::pem;

/// A self-signed authority with its private key.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Its certificate, as PEM.
    pub certificate: String,
    /// Its private key, as PEM (PKCS #8).
    pub key: SecretString,
}

impl Bundle {
    /// A new authority with a P-256 key.
    ///
    /// # Errors
    ///
    /// A name that cannot be in a certificate.
    pub fn new(common_name: &str) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self {
            certificate: pem::encode("CERTIFICATE", params.self_signed(&key)?.der()),
            key: pem::encode("PRIVATE KEY", &key.serialize_der()).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Bundle;
    use crate::certificate::Certificate;

    #[test]
    fn an_authority_has_signed_itself_and_holds_its_key() {
        let bundle = Bundle::new("Old Root").unwrap();
        let certificate = Certificate::first_in(&bundle.certificate).unwrap();
        assert!(certificate.is_ca() && certificate.signed_by(&certificate));
        assert_eq!(certificate.common_name(), Some("Old Root"));
        assert_eq!(certificate.holds(&bundle.key), Ok(true));
    }
}
