//! Parses PEM texts: certificates, chains of certificates, and certificate requests.
//!
//! This module verifies nothing, because Vault creates and checks certificates. But Vault does not report all that
//! callers need, and keeps half of a bundle that it rejects.

use std::net::IpAddr;

use thiserror::Error;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use x509_parser::{
    certification_request::X509CertificationRequest,
    extensions::GeneralName,
    pem::{Pem, parse_x509_pem},
    prelude::{FromDer, X509Certificate},
};

const BEGIN: &str = "-----BEGIN ";
/// Blocks of a bundle that Vault ignores, such as those that OpenSSL puts before EC keys.
const PASSED_OVER: [&str; 4] = ["CRL", "X509 CRL", "EC PARAMETERS", "EC PARAMS"];

/// Why a PEM text is unusable. The error does not quote the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PemError {
    /// There is no PEM block.
    #[error("has no PEM block, which begins with a line such as `-----BEGIN {0}-----`")]
    NoBlock(&'static str),
    /// A block has no end, or is not base64.
    #[error("has a PEM block that is cut off or damaged")]
    Damaged,
    /// A block of another kind.
    #[error("has a PEM block that is no {0}")]
    Other(&'static str),
    /// A private key, which the caller should not have sent.
    #[error(
        "has a private key, which is not needed here and should not leave its owner: treat it as compromised"
    )]
    PrivateKey,
    /// A certificate that is not a CA; Vault would keep those before it.
    #[error("has a certificate that is not one of a CA")]
    NotOfACa,
}

/// A certificate and its parsed fields.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate, PEM.
    pub pem: String,
    /// In pairs of hex digits, as in Vault.
    pub serial_number: String,
    /// RFC 3339.
    pub not_before: String,
    /// RFC 3339.
    pub not_after: String,
    /// The seconds between the beginning and the end of its validity.
    pub lifetime: u64,
    /// The common name of its subject.
    pub common_name: Option<String>,
    /// Its subject alternative names: hosts, mail and IP addresses.
    pub alt_names: Vec<String>,
    /// Whether its key may sign revocation lists.
    pub may_sign_lists: bool,
    is_ca: bool,
    subject: Vec<u8>,
    issuer: Vec<u8>,
}

impl Certificate {
    /// Parses a certificate.
    ///
    /// # Errors
    /// [`PemError`] if the text does not begin with a certificate.
    pub fn parse(pem: &str) -> Result<Self, PemError> {
        let (block, _) = next_block(pem)?.ok_or(PemError::NoBlock("CERTIFICATE"))?;
        Self::of_block(&block)
    }

    fn of_block(block: &Block<'_>) -> Result<Self, PemError> {
        let (_, parsed) = X509Certificate::from_der(&block.pem.contents)
            .map_err(|_| PemError::Other("certificate"))?;
        let validity = parsed.validity();
        let (not_before, not_after) = (validity.not_before, validity.not_after);
        let lifetime = not_after.timestamp() - not_before.timestamp();
        let common_name = parsed.subject().iter_common_name().next();
        let alt_names = parsed.subject_alternative_name().ok().flatten();
        let key_usage = parsed.key_usage().ok().flatten();
        let serial_number = parsed.raw_serial_as_string();
        Ok(Self {
            pem: block.text.to_owned(),
            // The number is positive. DER puts a zero byte before a high first bit, Vault does not.
            serial_number: serial_number
                .strip_prefix("00:")
                .unwrap_or(&serial_number)
                .to_owned(),
            not_before: rfc3339(not_before.to_datetime()),
            not_after: rfc3339(not_after.to_datetime()),
            lifetime: u64::try_from(lifetime).unwrap_or(0),
            common_name: common_name.and_then(|name| name.as_str().ok().map(str::to_owned)),
            alt_names: alt_names
                .map(|names| {
                    names
                        .value
                        .general_names
                        .iter()
                        .filter_map(alt_name)
                        .collect()
                })
                .unwrap_or_default(),
            may_sign_lists: key_usage.is_some_and(|usage| usage.value.crl_sign()),
            is_ca: parsed.is_ca(),
            subject: parsed.subject().as_raw().to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
        })
    }

    /// The chain from this certificate to its root, as far as `others` contain it.
    pub fn chain<'a>(&'a self, others: &'a [Self]) -> Vec<&'a Self> {
        let mut chain = vec![self];
        while chain.len() <= others.len()
            && let Some(last) = chain.last()
            && last.issuer != last.subject
            && let Some(next) = others.iter().find(|it| it.subject == last.issuer)
        {
            chain.push(next);
        }
        chain
    }
}

/// Certificates of CAs, with or without their private keys. Because of these it has no `Debug`.
pub struct Bundle {
    /// The whole bundle, PEM.
    pub text: String,
    /// One or more certificates.
    pub certificates: Vec<Certificate>,
    /// The private keys, PEM.
    pub private_keys: Vec<String>,
}

impl Bundle {
    /// Parses a bundle.
    ///
    /// # Errors
    /// [`PemError`] if it is damaged, has no certificate, or contains another kind of block.
    pub fn parse(text: &str) -> Result<Self, PemError> {
        let mut bundle = Self {
            text: text.to_owned(),
            certificates: Vec::new(),
            private_keys: Vec::new(),
        };
        let mut rest = text;
        while let Some((block, after)) = next_block(rest)? {
            rest = after;
            if block.is_private_key() {
                bundle.private_keys.push(block.text.to_owned());
            } else if !PASSED_OVER.contains(&block.pem.label.as_str()) {
                let certificate = Certificate::of_block(&block)
                    .map_err(|_| PemError::Other("certificate and no private key"))?;
                if !certificate.is_ca {
                    return Err(PemError::NotOfACa);
                }
                bundle.certificates.push(certificate);
            }
        }
        if bundle.certificates.is_empty() {
            return Err(PemError::NoBlock("CERTIFICATE"));
        }
        Ok(bundle)
    }
}

/// Checks that a text is a certificate request.
///
/// # Errors
/// [`PemError`] if it is anything else.
pub fn check_request(text: &str) -> Result<(), PemError> {
    let mut rest = text;
    let mut requests = 0;
    while let Some((block, after)) = next_block(rest)? {
        if block.is_private_key() {
            return Err(PemError::PrivateKey);
        }
        let parsed = X509CertificationRequest::from_der(&block.pem.contents);
        requests += usize::from(parsed.is_ok());
        if requests != 1 {
            return Err(PemError::Other("certificate request, or more than one"));
        }
        rest = after;
    }
    if requests == 0 {
        return Err(PemError::NoBlock("CERTIFICATE REQUEST"));
    }
    Ok(())
}

/// One block of a PEM text.
struct Block<'a> {
    pem: Pem,
    /// From its first to its last line.
    text: &'a str,
}

impl Block<'_> {
    fn is_private_key(&self) -> bool {
        self.pem.label.ends_with("PRIVATE KEY")
    }
}

/// The first block of a text, and the remaining text.
fn next_block(text: &str) -> Result<Option<(Block<'_>, &str)>, PemError> {
    if !text.lines().any(|line| line.starts_with(BEGIN)) {
        return Ok(None);
    }
    let (rest, pem) = parse_x509_pem(text.as_bytes()).map_err(|_| PemError::Damaged)?;
    let (read, rest) = text
        .split_at_checked(text.len() - rest.len())
        .ok_or(PemError::Damaged)?;
    let start = read.rfind(BEGIN).ok_or(PemError::Damaged)?;
    let text = read[start..].trim_end();
    Ok(Some((Block { pem, text }, rest)))
}

fn alt_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) => Some((*text).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let address = <[u8; 4]>::try_from(*bytes)
                .map(IpAddr::from)
                .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn rfc3339(time: OffsetDateTime) -> String {
    // It fails only for years beyond 9999, which a certificate cannot contain.
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    fn params(name: &str, is_ca: bool) -> CertificateParams {
        let mut params =
            CertificateParams::new(vec!["a.test".to_owned(), "10.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }

    fn ca(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        CertifiedIssuer::self_signed(params(name, true), KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_certificate_tells_its_names_and_its_time() {
        let mut params = params("app", false);
        params.serial_number = Some(vec![0x9f, 0x01].into());
        params.not_before = time::OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        params.not_after = params.not_before + time::Duration::hours(72);
        let pem = params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .pem();
        let certificate = Certificate::parse(&format!("a comment\n{pem}\n")).unwrap();
        assert_eq!(certificate.pem, pem.trim_end().replace('\r', ""));
        assert_eq!(certificate.serial_number, "9f:01");
        assert_eq!(certificate.not_before, "2027-01-15T08:00:00Z");
        assert_eq!(certificate.not_after, "2027-01-18T08:00:00Z");
        assert_eq!(certificate.lifetime, 72 * 3600);
        assert_eq!(certificate.common_name.as_deref(), Some("app"));
        assert_eq!(certificate.alt_names, ["a.test", "10.0.0.1"]);
    }

    #[test]
    fn a_chain_leads_to_the_root_in_whatever_order_it_is_given() {
        let root = ca("root");
        let middle =
            CertifiedIssuer::signed_by(params("middle", true), KeyPair::generate().unwrap(), &root)
                .unwrap();
        let bundle = [
            ca("another").pem(),
            root.pem(),
            root.key().serialize_pem(),
            middle.pem(),
        ]
        .concat();
        let bundle = Bundle::parse(&bundle).unwrap();
        assert_eq!(bundle.private_keys, [root.key().serialize_pem().trim_end()]);
        let names: Vec<_> = bundle.certificates[2]
            .chain(&bundle.certificates)
            .into_iter()
            .map(|it| it.common_name.as_deref().unwrap())
            .collect();
        assert_eq!(names, ["middle", "root"]);
    }

    #[test]
    fn a_bundle_that_is_not_whole_is_refused() {
        let ca = ca("root");
        let key = ca.key().serialize_pem();
        let leaf = params("leaf", false).self_signed(ca.key()).unwrap().pem();
        let half = |text: &str| text[..text.len() / 2].to_owned();
        for (text, expected) in [
            (String::new(), PemError::NoBlock("CERTIFICATE")),
            ("garbage".to_owned(), PemError::NoBlock("CERTIFICATE")),
            (key.clone(), PemError::NoBlock("CERTIFICATE")),
            (half(&ca.pem()), PemError::Damaged),
            (ca.pem() + &half(&key), PemError::Damaged),
            (ca.pem() + &leaf, PemError::NotOfACa),
            (
                ca.pem()
                    .replace("CERTIFICATE", "PUBLIC KEY")
                    .replace("MII", "AAA"),
                PemError::Other("certificate and no private key"),
            ),
        ] {
            assert_eq!(Bundle::parse(&text).err(), Some(expected), "{text}");
        }
        let parameters =
            "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        let whole = Bundle::parse(&format!("{}{parameters}", ca.pem())).unwrap();
        assert_eq!((whole.certificates.len(), whole.private_keys.len()), (1, 0));
    }

    #[test]
    fn a_request_is_told_from_all_else() {
        let key = KeyPair::generate().unwrap();
        let request = params("app", false)
            .serialize_request(&key)
            .unwrap()
            .pem()
            .unwrap();
        assert_eq!(check_request(&request), Ok(()));
        let other = PemError::Other("certificate request, or more than one");
        for (text, expected) in [
            (
                "garbage".to_owned(),
                PemError::NoBlock("CERTIFICATE REQUEST"),
            ),
            (request[..200].to_owned(), PemError::Damaged),
            (ca("root").pem(), other),
            (request.repeat(2), other),
            (request + &key.serialize_pem(), PemError::PrivateKey),
        ] {
            assert_eq!(check_request(&text), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", body in "[A-Za-z0-9+/=\n é]{0,200}") {
            let block = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
            for text in [&text, &body, &block, &format!("{block}{text}")] {
                let _ = (Certificate::parse(text).is_ok(), Bundle::parse(text).is_ok(), check_request(text));
            }
        }
    }
}
