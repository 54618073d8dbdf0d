//! Certificate revocation lists (CRLs): which certificates a PKI mount has revoked.

use std::collections::HashSet;
use std::fmt;

use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::{Certificate, pem, stripped, verify::public_key};

/// A CRL that could be parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct RevocationList {
    pub(super) der: Vec<u8>,
    issuer: Vec<u8>,
    serials: HashSet<Vec<u8>>,
}

impl RevocationList {
    /// The first PEM CRL (`X509 CRL`) in any text that can be parsed. It is found wherever [`Certificate::all_in`]
    /// would find a certificate.
    #[must_use]
    pub fn first_in(text: &str) -> Option<Self> {
        pem::blocks(text)
            .filter(|block| block.label == "X509 CRL")
            .find_map(|block| Self::from_der(&block.der))
    }

    /// Parses a CRL in DER, as Vault serves it at `<mount>/crl`, with nothing after it.
    #[must_use]
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = CertificateRevocationList::from_der(der).ok()?;
        let serials = parsed
            .iter_revoked_certificates()
            .map(|revoked| stripped(revoked.raw_serial()).to_vec())
            .collect();
        rest.is_empty().then(|| Self {
            der: der.to_vec(),
            issuer: parsed.issuer().as_raw().to_vec(),
            serials,
        })
    }

    /// Whether the CRL revokes a certificate: it lists the serial number, and both have the same issuer, since serial
    /// numbers are unique only for one issuer.
    #[must_use]
    pub fn lists(&self, certificate: &Certificate) -> bool {
        self.issuer == certificate.issuer && self.serials.contains(&certificate.serial)
    }

    /// Whether a CA issued the CRL: the CRL names the CA as its issuer and has its signature. The algorithms are those
    /// of [`Certificate::signed_by`].
    #[must_use]
    pub fn signed_by(&self, issuer: &Certificate) -> bool {
        let Ok((_, parsed)) = CertificateRevocationList::from_der(&self.der) else {
            return false;
        };
        self.issuer == issuer.subject
            && public_key(issuer).is_some_and(|key| parsed.verify_signature(&key).is_ok())
    }

    /// The number of certificates that it lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.serials.len()
    }

    /// Whether it lists no certificate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.serials.is_empty()
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationList({} certificates)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use rcgen::SerialNumber;
    use serde_json::json;

    use super::{
        super::{
            Certificate, pem,
            tests::{NAME, Pki, key, read, server},
        },
        RevocationList,
    };

    #[test]
    fn a_revocation_list_lists_what_its_issuer_revoked() {
        let serial = [0x00, 0xff, 0x02];
        let pki =
            Pki::with(|params| params.serial_number = Some(SerialNumber::from_slice(&serial)));
        let crl = pki.revoked(&serial);
        assert!(crl.lists(&pki.leaf));
        assert!(!crl.lists(&Pki::new().leaf));
        assert!(crl.signed_by(&read(&pki.intermediate)) && !crl.signed_by(&read(&pki.root)));
        assert!(!crl.signed_by(&read(&Pki::new().intermediate)));
    }

    #[test]
    fn a_revocation_list_does_not_speak_for_another_issuer() {
        let pki = Pki::new();
        let crl = pki.revoked(&[7]);
        let mut params = server(&[NAME]);
        params.serial_number = Some(SerialNumber::from(7_u64));
        let foreign = params.signed_by(&key(), &pki.root).unwrap();
        assert!(!crl.lists(&Certificate::from_der(foreign.der()).unwrap()));
    }

    #[test]
    fn a_revocation_list_is_found_in_json() {
        let crl = Pki::new().revoked(&[1]);
        let text = json!({ "crl": pem::encode("X509 CRL", &crl.der) }).to_string();
        assert_eq!(RevocationList::first_in(&text), Some(crl));
    }
}
