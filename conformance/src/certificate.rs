//! The oracle for certificates: finds them in any text that a target returns, and decodes and verifies them. It also
//! checks whether a private key belongs to a certificate. The module is pure: it sends nothing to Vault, reads and
//! writes no files, and panics on no input.

mod bundle;
mod duration;
mod pem;
mod request;
mod revocation;
mod server;
mod verify;

use std::fmt;
use std::net::IpAddr;

use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

pub use bundle::Bundle;
pub use duration::duration;
pub use request::Request;
pub use revocation::RevocationList;
pub use server::{Authority, Flaw, ServerCertificate};

const LABEL: &str = "CERTIFICATE";

/// An X.509 certificate that could be parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: CertificateDer<'static>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    common_name: Option<String>,
    dns_names: Vec<String>,
    ip_names: Vec<IpAddr>,
    serial: Vec<u8>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    is_ca: bool,
    key_kind: KeyKind,
    key: Vec<u8>,
}

/// The type of a public key in Vault's terms: its `key_type` with its `key_bits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the bits of its modulus.
    Rsa(usize),
    /// An elliptic curve of NIST, with its bits: 224, 256, 384 or 521.
    Ec(usize),
    /// Ed25519.
    Ed25519,
    /// Any other type, by the OID of its algorithm.
    Other(String),
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Ec(bits) => write!(f, "EC P-{bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(oid) => write!(f, "algorithm {oid}"),
        }
    }
}

impl KeyKind {
    fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let curve = key.algorithm.parameters.as_ref().and_then(|parameters| {
            let oid = parameters.as_oid().ok()?.to_id_string();
            match oid.as_str() {
                "1.3.132.0.33" => Some(224),
                "1.2.840.10045.3.1.7" => Some(256),
                "1.3.132.0.34" => Some(384),
                "1.3.132.0.35" => Some(521),
                _ => None,
            }
        });
        let algorithm = key.algorithm.algorithm.to_id_string();
        match (algorithm.as_str(), key.parsed(), curve) {
            ("1.3.101.112", _, _) => Self::Ed25519,
            (_, Ok(PublicKey::RSA(rsa)), _) => Self::Rsa(bits(rsa.modulus)),
            (_, Ok(PublicKey::EC(_)), Some(curve)) => Self::Ec(curve),
            _ => Self::Other(algorithm),
        }
    }
}

impl Certificate {
    /// The first certificate in a text that can be parsed; see [`Certificate::all_in`].
    #[must_use]
    pub fn first_in(text: &str) -> Option<Self> {
        found_in(text).next()
    }

    /// The PEM certificates in any text, in order. Invalid ones are skipped. They may be indented, on one line, or
    /// within JSON with their line breaks escaped, once or several times.
    #[must_use]
    pub fn all_in(text: &str) -> Vec<Self> {
        found_in(text).collect()
    }

    /// Parses a certificate in DER, with nothing after it.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let common_name = parsed.subject().iter_common_name().next();
        let names = parsed.subject_alternative_name().ok().flatten();
        let names = names.map_or(&[][..], |names| &names.value.general_names);
        let usage = parsed.key_usage().ok().flatten();
        Some(Self {
            der: der.to_vec().into(),
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            common_name: common_name.and_then(|name| Some(name.as_str().ok()?.to_owned())),
            dns_names: names.iter().filter_map(dns_name).collect(),
            ip_names: names.iter().filter_map(ip_name).collect(),
            serial: stripped(parsed.raw_serial()).to_vec(),
            not_before: parsed.validity().not_before.to_datetime(),
            not_after: parsed.validity().not_after.to_datetime(),
            is_ca: parsed.is_ca() && usage.is_some_and(|usage| usage.value.key_cert_sign()),
            key_kind: KeyKind::of(parsed.public_key()),
            key: parsed.public_key().raw.to_vec(),
        })
    }

    /// The first common name of the subject.
    #[must_use]
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// The DNS names among the subject's alternative names (SANs), in their order.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// The IP addresses among the subject's alternative names (SANs), in their order.
    #[must_use]
    pub fn ip_names(&self) -> &[IpAddr] {
        &self.ip_names
    }

    /// The serial number as Vault writes it: `75:65:8f:...`, lower-case pairs of hex digits
    /// without the zero byte that DER may put in front.
    #[must_use]
    pub fn serial(&self) -> String {
        let pairs: Vec<String> = self.serial.iter().map(|b| format!("{b:02x}")).collect();
        pairs.join(":")
    }

    /// The beginning of the validity. Vault dates it 30 seconds back.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// The end of the validity.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// From [`Certificate::not_before`] to [`Certificate::not_after`]. With Vault this is the TTL plus 30 seconds,
    /// unless the role sets `not_before_duration`.
    #[must_use]
    pub fn lifetime(&self) -> time::Duration {
        self.not_after - self.not_before
    }

    /// Whether it may sign certificates: its basic constraints say CA, its key usage certSign.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// The type of its public key.
    #[must_use]
    pub fn key_kind(&self) -> &KeyKind {
        &self.key_kind
    }

    /// Whether another certificate has the same public key.
    #[must_use]
    pub fn same_key(&self, other: &Self) -> bool {
        self.key == other.key
    }

    /// The certificate as PEM, in lines of 64 characters.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.der)
    }

    /// The SHA-256 of its DER, in lower-case hex.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        data_encoding::HEXLOWER.encode(&Sha256::digest(&self.der))
    }
}

/// `CN=a.example.com, DNS a.example.com, IP 10.0.0.1, until 2026-11-22 17:12:57 UTC, CA no`
impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.common_name {
            Some(name) => write!(f, "CN={name}")?,
            None => f.write_str("no CN")?,
        }
        if !self.dns_names.is_empty() || !self.ip_names.is_empty() {
            write!(f, ", {}", self.names())?;
        }
        let ca = if self.is_ca { "yes" } else { "no" };
        write!(f, ", until {}, CA {ca}", moment(self.not_after))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({self})")
    }
}

impl Certificate {
    /// `DNS a b, IP c`: the names for which it is valid.
    fn names(&self) -> String {
        let ips: Vec<String> = self.ip_names.iter().map(IpAddr::to_string).collect();
        [("DNS", self.dns_names.as_slice()), ("IP", ips.as_slice())]
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(kind, names)| format!("{kind} {}", names.join(" ")))
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// The private keys in any text, of any type (`RSA PRIVATE KEY`, `EC PRIVATE KEY`, `PRIVATE KEY`, ...), each as a PEM
/// block in lines of 64 characters. They are found wherever [`Certificate::all_in`] would find a certificate.
#[must_use]
pub fn private_keys_in(text: &str) -> Vec<SecretString> {
    pem::blocks(text)
        .filter(pem::Block::is_private_key)
        .map(|block| pem::encode(block.label, &block.der).into())
        .collect()
}

/// The lines of a private key's PEM by which it can be recognised. Each line is separate, since texts join lines in
/// different ways. Lines of the public half are excluded, because the certificates contain it.
#[must_use]
pub fn secret_lines(key: &SecretString, certificates: &[Certificate]) -> Vec<SecretString> {
    let is_shown = |bytes: &[u8]| {
        let mut ders = certificates.iter().map(|certificate| &certificate.der);
        ders.any(|der| der.windows(bytes.len()).any(|part| part == bytes))
    };
    let lines = key.expose_secret().lines();
    lines
        .filter(|line| line.len() > 20)
        .filter(|line| {
            // Each line of PEM is Base64 on its own; the `BEGIN` and `END` lines are not.
            let bytes = data_encoding::BASE64.decode(line.as_bytes());
            bytes.is_ok_and(|bytes| !is_shown(&bytes))
        })
        .map(SecretString::from)
        .collect()
}

fn found_in(text: &str) -> impl Iterator<Item = Certificate> {
    pem::blocks(text)
        .filter(|block| block.label == LABEL)
        .filter_map(|block| Certificate::from_der(&block.der))
}

fn dns_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    }
}

fn ip_name(name: &GeneralName<'_>) -> Option<IpAddr> {
    let GeneralName::IPAddress(octets) = name else {
        return None;
    };
    let v4 = <[u8; 4]>::try_from(*octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(*octets).map(IpAddr::from))
        .ok()
}

/// An unsigned number without leading zero bytes.
fn stripped(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bits(number: &[u8]) -> usize {
    let number = stripped(number);
    number
        .first()
        .map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn moment(at: OffsetDateTime) -> String {
    let (date, (hour, minute, second)) = (at.date(), at.time().as_hms());
    format!("{date} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests;
