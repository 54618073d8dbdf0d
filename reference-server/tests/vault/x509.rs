//! Certificates in the tests, parsed independently of the server.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value;
use x509_parser::{extensions::GeneralName, pem::Pem, prelude::X509Certificate};

/// The first block of a PEM text.
pub(crate) fn pem(value: &Value) -> Pem {
    let text = value.as_str().unwrap();
    Pem::iter_from_buffer(text.as_bytes())
        .next()
        .unwrap()
        .unwrap()
}

/// Whether `signer` has signed `certificate`, both PEM.
pub(crate) fn has_signed(signer: &Value, certificate: &Value) -> bool {
    let (signer, certificate) = (pem(signer), pem(certificate));
    let (signer, certificate) = (
        signer.parse_x509().unwrap(),
        certificate.parse_x509().unwrap(),
    );
    certificate
        .verify_signature(Some(signer.public_key()))
        .is_ok()
}

/// Subject, alternative names and lifetime in hours.
pub(crate) fn facts(value: &Value) -> (String, Vec<String>, i64) {
    let pem = pem(value);
    let certificate = pem.parse_x509().unwrap();
    let validity = certificate.validity();
    // Vault backdates the beginning by 30 s, counted from the end of key generation, which takes a while.
    let seconds = validity.not_after.timestamp() - validity.not_before.timestamp();
    assert!((0..=31).contains(&(seconds % 3600)), "{seconds}");
    (
        certificate.subject().to_string(),
        alt_names(&certificate),
        seconds / 3600,
    )
}

fn alt_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Some(names) = certificate.subject_alternative_name().unwrap() else {
        return Vec::new();
    };
    let names = names.value.general_names.iter().map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => format!("{bytes:?}"),
        other => format!("{other:?}"),
    });
    names.collect()
}

/// A CA created outside of Vault.
pub(crate) fn ca(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A request for a certificate with an EC key.
pub(crate) fn request(name: &str) -> String {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let request = params.serialize_request(&KeyPair::generate().unwrap());
    request.unwrap().pem().unwrap()
}

/// A request for `a.example.com` with an RSA key of 1024 bits.
pub(crate) const WEAK_REQUEST: &str = "-----BEGIN CERTIFICATE REQUEST-----
MIIBVzCBwQIBADAYMRYwFAYDVQQDDA1hLmV4YW1wbGUuY29tMIGfMA0GCSqGSIb3
DQEBAQUAA4GNADCBiQKBgQDEVzlTXz3UyLynsgz/lkzmR6x2rS0GjecN5kLfrgyI
TdGfpp8j1eVZ2rbuGHA6hk5dhe7YWDqEjMRrAz9L42bPm0WSKrnrZrz87TuzJtkV
7xUA4gXsKiOh28T8Q4DNi2mTVGT/oSOKLlGA6MmQslJVaHZRF/INIkvdez0GO/R0
2wIDAQABoAAwDQYJKoZIhvcNAQELBQADgYEAj8tJtBJ0ij1B12AUoxcOWhkgVL/3
2XN3Q58fMqa0bvr5m9W5VfREo3cFpkoPlFWwWjl1IzF1wFJWXjuVwtyULLU8Vw60
ugyiBAWD0CY+bcQ/Unb2+O3zRoSQO/BN/MBKQOkW4I0gAf/kIP97vyzN1P4Lfn9V
x7AjU6BGqiBsO6c=
-----END CERTIFICATE REQUEST-----
";
