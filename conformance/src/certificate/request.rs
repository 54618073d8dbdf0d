//! Certificate signing requests (CSRs) for Vault to sign: valid ones, one with a weak key, and damaged ones.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData as _};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::{Certificate, KeyKind, pem};

const LABEL: &str = "CERTIFICATE REQUEST";

/// The key for RSA requests, since ring cannot generate one. It protects nothing. Made by `openssl genpkey -algorithm
/// RSA -pkeyopt rsa_keygen_bits:2048`.
const RSA_2048: &str = include_str!("request/rsa-2048.pem");

/// ring does not sign with such a short key. Made by `openssl req -new -newkey rsa:1024 -nodes -sha256 -subj
/// /CN=weak.example.com -addext subjectAltName=DNS:weak.example.com`; its key was discarded.
const RSA_1024: &str = include_str!("request/rsa-1024.csr.pem");

/// A PKCS#10 request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    der: Vec<u8>,
    key: Vec<u8>,
}

impl Request {
    /// A request with a new P-256 key. `names` are its alternative names, DNS or IP. A role of
    /// Vault signs it if its `key_type` is `ec` or `any`; the default is `rsa`.
    ///
    /// # Errors
    ///
    /// If a name is not valid in a certificate, because it is not ASCII.
    pub fn ec(common_name: &str, names: &[&str]) -> Result<Self, rcgen::Error> {
        Self::signed_with(&KeyPair::generate()?, common_name, names)
    }

    /// A request with an RSA key of 2048 bits, always the same one, for roles that require RSA (Vault's default).
    ///
    /// # Errors
    ///
    /// As [`Request::ec`].
    pub fn rsa(common_name: &str, names: &[&str]) -> Result<Self, rcgen::Error> {
        let block = pem::blocks(RSA_2048).next();
        let key = block.ok_or(rcgen::Error::CouldNotParseKeyPair)?.der;
        Self::signed_with(&KeyPair::try_from(key)?, common_name, names)
    }

    /// A request for `weak.example.com` with an RSA key of 1024 bits, which Vault rejects before it checks the name.
    ///
    /// # Errors
    ///
    /// Never: the request is part of the suite.
    pub fn weak() -> Result<Self, rcgen::Error> {
        let block = pem::blocks(RSA_1024).next();
        let der = block
            .ok_or(rcgen::Error::CouldNotParseCertificationRequest)?
            .der;
        let key = match X509CertificationRequest::from_der(&der) {
            Ok((_, parsed)) => parsed.certification_request_info.subject_pki.raw.to_vec(),
            Err(_) => return Err(rcgen::Error::CouldNotParseCertificationRequest),
        };
        Ok(Self { der, key })
    }

    /// The request as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.der)
    }

    /// The request as PEM with an invalid signature.
    #[must_use]
    pub fn damaged(&self) -> String {
        let mut der = self.der.clone();
        if let Some(last) = der.last_mut() {
            *last ^= 1;
        }
        pem::encode(LABEL, &der)
    }

    /// The type of its key.
    #[must_use]
    pub fn key_kind(&self) -> KeyKind {
        let key = SubjectPublicKeyInfo::from_der(&self.key);
        key.map_or_else(
            |_| KeyKind::Other("none that can be read".to_owned()),
            |(_, key)| KeyKind::of(&key),
        )
    }

    /// Whether a certificate is for the key of this request.
    #[must_use]
    pub fn is_answered_by(&self, certificate: &Certificate) -> bool {
        self.key == certificate.key
    }

    fn signed_with(key: &KeyPair, common_name: &str, names: &[&str]) -> Result<Self, rcgen::Error> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        Ok(Self {
            der: params.serialize_request(key)?.der().to_vec(),
            key: key.subject_public_key_info(),
        })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::prelude::FromDer as _;
    use x509_parser::x509::SubjectPublicKeyInfo;

    use super::{
        super::{
            Certificate, KeyKind, pem,
            tests::{NAME, Pki, server},
        },
        RSA_2048, Request,
    };

    #[test]
    fn a_request_is_answered_by_a_certificate_for_its_key() {
        let key = pem::blocks(RSA_2048).next().unwrap().der;
        let key = KeyPair::try_from(key).unwrap();
        let signed = server(&[NAME]).signed_by(&key, &Pki::new().root).unwrap();
        let signed = Certificate::from_der(signed.der()).unwrap();
        assert!(Request::rsa(NAME, &[NAME]).unwrap().is_answered_by(&signed));
        assert!(!Request::ec(NAME, &[NAME]).unwrap().is_answered_by(&signed));
    }

    #[test]
    fn each_kind_of_request_has_the_key_it_promises() {
        let kind = |request: Request| {
            let (_, key) = SubjectPublicKeyInfo::from_der(&request.key).unwrap();
            KeyKind::of(&key)
        };
        assert_eq!(kind(Request::ec(NAME, &[]).unwrap()), KeyKind::Ec(256));
        assert_eq!(kind(Request::rsa(NAME, &[]).unwrap()), KeyKind::Rsa(2048));
        assert_eq!(kind(Request::weak().unwrap()), KeyKind::Rsa(1024));
    }

    #[test]
    fn a_damaged_request_has_another_signature() {
        let signed = |pem: &str| {
            let der = pem::blocks(pem).next().unwrap().der;
            let (_, request) = X509CertificationRequest::from_der(&der).unwrap();
            request.verify_signature().is_ok()
        };
        for request in [Request::ec(NAME, &[NAME]), Request::rsa(NAME, &[NAME])] {
            let request = request.unwrap();
            assert!(signed(&request.to_pem()) && !signed(&request.damaged()));
        }
    }
}
