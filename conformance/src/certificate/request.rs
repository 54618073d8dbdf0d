//! Certificate signing requests (CSRs) for Vault to sign: honest ones, one with a weak key,
//! and damaged ones.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PublicKeyData as _};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::{Certificate, KeyKind, pem};

const LABEL: &str = "CERTIFICATE REQUEST";

/// A key for requests that have to be RSA, since ring cannot make one. It protects nothing.
/// Made by `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048`.
const RSA_2048: &str = include_str!("request/rsa-2048.pem");

/// ring refuses to sign with a key as short as this. Made by
/// `openssl req -new -newkey rsa:1024 -nodes -sha256 -subj /CN=weak.example.com -addext subjectAltName=DNS:weak.example.com`;
/// its key was thrown away.
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
    /// A name that cannot be in a certificate, because it is not ASCII.
    pub fn ec(common_name: &str, names: &[&str]) -> Result<Self, rcgen::Error> {
        Self::signed_with(&KeyPair::generate()?, common_name, names)
    }

    /// A request with an RSA key of 2048 bits, always the same one, for roles that sign no
    /// other (Vault's default).
    ///
    /// # Errors
    ///
    /// As [`Request::ec`].
    pub fn rsa(common_name: &str, names: &[&str]) -> Result<Self, rcgen::Error> {
        let block = pem::blocks(RSA_2048).next();
        let key = block.ok_or(rcgen::Error::CouldNotParseKeyPair)?.der;
        Self::signed_with(&KeyPair::try_from(key)?, common_name, names)
    }

    /// A request for `weak.example.com` with an RSA key of 1024 bits, which Vault refuses
    /// before it looks at the name.
    #[must_use]
    pub fn weak() -> Option<Self> {
        let block = pem::blocks(RSA_1024).next()?;
        let (_, parsed) = X509CertificationRequest::from_der(&block.der).ok()?;
        let key = parsed.certification_request_info.subject_pki.raw.to_vec();
        Some(Self {
            der: block.der,
            key,
        })
    }

    /// The request as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.der)
    }

    /// The request as PEM with another signature than the one that its key made.
    #[must_use]
    pub fn damaged(&self) -> String {
        let mut der = self.der.clone();
        if let Some(last) = der.last_mut() {
            *last ^= 1;
        }
        pem::encode(LABEL, &der)
    }

    /// What its key is.
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
