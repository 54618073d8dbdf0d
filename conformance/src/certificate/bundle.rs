//! CAs that were made outside Vault, to be imported.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use secrecy::SecretString;

use super::pem;

/// A self-signed CA with its private key.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Its certificate, as PEM.
    pub certificate: String,
    /// Its private key, as PEM (PKCS #8).
    pub key: SecretString,
}

impl Bundle {
    /// A new CA with a P-256 key.
    ///
    /// # Errors
    ///
    /// If the name is not valid in a certificate.
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
    use secrecy::ExposeSecret as _;

    use super::Bundle;
    use crate::certificate::{Certificate, secret_lines};

    #[test]
    fn an_authority_has_signed_itself_and_holds_its_key() {
        let bundle = Bundle::new("Old Root").unwrap();
        let certificate = Certificate::first_in(&bundle.certificate).unwrap();
        assert!(certificate.is_ca() && certificate.signed_by(&certificate));
        assert_eq!(certificate.common_name(), Some("Old Root"));
        assert_eq!(certificate.holds(&bundle.key), Ok(true));
    }

    #[test]
    fn a_key_is_known_by_the_lines_that_no_certificate_shows() {
        let bundle = Bundle::new("Old Root").unwrap();
        let certificate = Certificate::first_in(&bundle.certificate).unwrap();
        let lines = |certificates: &[Certificate]| -> Vec<String> {
            let lines = secret_lines(&bundle.key, certificates);
            lines
                .iter()
                .map(|line| line.expose_secret().to_owned())
                .collect()
        };
        let all = lines(&[]);
        let pem: Vec<_> = bundle.key.expose_secret().lines().collect();
        assert_eq!(all, pem[1..pem.len() - 1]);
        // The last line of a P-256 key contains only its public half.
        assert_eq!(lines(&[certificate]), all[..2]);
    }
}
