//! Certificates of a root and an intermediate CA made by rcgen, as Vault would make them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::{Certificate, KeyKind, Request, RevocationList, private_keys_in};

type Ca = CertifiedIssuer<'static, KeyPair>;

pub(super) const NAME: &str = "a.example.com";

/// A root CA, an intermediate CA below it, and a server certificate below that.
pub(super) struct Pki {
    pub(super) root: Ca,
    pub(super) intermediate: Ca,
    pub(super) leaf: Certificate,
    pub(super) key: SecretString,
}

impl Pki {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with changed parameters of the leaf.
    pub(super) fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let root = Ca::self_signed(ca("Root"), key()).unwrap();
        let intermediate = Ca::signed_by(ca("Intermediate"), key(), &root).unwrap();
        let leaf_key = key();
        let mut params = server(&[NAME, "b.example.com", "10.0.0.1", "::1"]);
        change(&mut params);
        let leaf = params.signed_by(&leaf_key, &intermediate).unwrap();
        Self {
            leaf: Certificate::from_der(leaf.der()).unwrap(),
            key: pem(&leaf_key),
            root,
            intermediate,
        }
    }

    pub(super) fn verify(&self, name: &str, at: OffsetDateTime) -> Result<(), String> {
        let chain = [read(&self.intermediate), read(&self.root)];
        self.leaf.verify(&chain, &read(&self.root), name, at)
    }

    pub(super) fn revoked(&self, serial: &[u8]) -> RevocationList {
        let crl = CertificateRevocationListParams {
            this_update: now(),
            next_update: now() + Duration::DAY,
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial),
                revocation_time: now(),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        RevocationList::from_der(crl.signed_by(&self.intermediate).unwrap().der()).unwrap()
    }
}

pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap()
}

pub(super) fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn pem(key: &KeyPair) -> SecretString {
    super::pem::encode("PRIVATE KEY", key.serialized_der()).into()
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = now() - Duration::days(10);
    params.not_after = now() + Duration::days(100);
    params
}

pub(super) fn server(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.not_before = now() - Duration::seconds(30);
    params.not_after = now() + Duration::hours(72);
    params
}

pub(super) fn read(ca: &Ca) -> Certificate {
    Certificate::from_der(ca.der()).unwrap()
}

#[test]
fn a_certificate_says_what_it_is() {
    let leaf = Pki::with(|params| {
        params.serial_number = Some(SerialNumber::from_slice(&[0x00, 0xff, 0x01, 0xab]));
    })
    .leaf;
    assert_eq!(leaf.common_name(), Some(NAME));
    assert_eq!(leaf.dns_names(), [NAME, "b.example.com"]);
    let ips: [IpAddr; 2] = [
        Ipv4Addr::new(10, 0, 0, 1).into(),
        Ipv6Addr::LOCALHOST.into(),
    ];
    assert_eq!(leaf.ip_names(), ips);
    assert_eq!(leaf.serial(), "ff:01:ab");
    assert_eq!(leaf.not_after(), now() + Duration::hours(72));
    assert_eq!(leaf.lifetime(), Duration::hours(72) + Duration::seconds(30));
    assert_eq!(*leaf.key_kind(), KeyKind::Ec(256));
    assert!(!leaf.is_ca());
    assert_eq!(
        leaf.to_string(),
        "CN=a.example.com, DNS a.example.com b.example.com, IP 10.0.0.1 ::1, \
         until 2027-01-18 08:00:00 UTC, CA no"
    );
}

#[test]
fn a_ca_is_one_that_may_sign_certificates() {
    let may_not = |params: &mut CertificateParams| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
    };
    assert!(read(&Pki::new().root).is_ca());
    assert!(!Pki::with(may_not).leaf.is_ca());
}

#[test]
fn certificates_are_found_in_their_order_and_broken_ones_passed_over() {
    let pki = Pki::new();
    let (leaf, root) = (pki.leaf.to_pem(), read(&pki.root).to_pem());
    let broken = super::pem::encode("CERTIFICATE", b"no certificate");
    let answer =
        json!({ "content": [{ "text": json!({ "chain": [broken, leaf, root] }).to_string() }] });
    let found = Certificate::all_in(&answer.to_string());
    assert_eq!(found, [pki.leaf.clone(), read(&pki.root)]);
    assert_eq!(Certificate::first_in(&answer.to_string()), Some(pki.leaf));
}

#[test]
fn private_keys_are_found_and_certificates_are_not_taken_for_them() {
    let pki = Pki::new();
    let answer = json!({ "key": pki.key.expose_secret(), "certificate": pki.leaf.to_pem() });
    let found = private_keys_in(&answer.to_string());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].expose_secret(), pki.key.expose_secret());
}

/// A valid certificate with some bytes changed, which gets further in a parser than random bytes.
fn mangled(mut der: Vec<u8>, changes: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    for (index, byte) in changes {
        let at = index.index(der.len());
        der[at] = *byte;
    }
    der
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let pki = Pki::new();
        let root = read(&pki.root);
        for der in [noise.clone(), mangled(pki.leaf.der.to_vec(), &changes)] {
            if let Some(certificate) = Certificate::from_der(&der) {
                let _ = format!("{certificate:?} {} {}", certificate.serial(), certificate.key_kind());
                let _ = certificate.lifetime();
                let chain = [certificate.clone(), root.clone()];
                let _ = certificate.verify(&chain, &certificate, NAME, now());
                let _ = certificate.verify(&chain, &root, NAME, now());
                let _ = (certificate.signed_by(&root), root.signed_by(&certificate));
                let _ = certificate.holds(&pki.key);
            }
        }
        for der in [noise.clone(), mangled(pki.revoked(&[1]).der.clone(), &changes)] {
            if let Some(crl) = RevocationList::from_der(&der) {
                let _ = (crl.lists(&root), crl.signed_by(&root));
            }
        }
        for label in ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            let _ = pki.leaf.holds(&super::pem::encode(label, &noise).into());
        }
    }

    #[test]
    fn no_name_makes_verification_panic(name in "\\PC{0,40}") {
        let pki = Pki::new();
        let _ = pki.verify(&name, now());
        let _ = Request::ec(&name, &[&name]);
    }
}
