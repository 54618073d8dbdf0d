//! The endpoints of the PKI engine that the server uses: the only paths that it can build below a PKI mount.

use super::{Name, Serial};

/// An endpoint, relative to its mount.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint<'a> {
    /// The list of issuers. It is public: Vault requires no token.
    Issuers,
    /// One issuer.
    Issuer(&'a Name),
    /// Generates a root with its key.
    GenerateRoot,
    /// Generates a key and a request for an intermediate certificate.
    GenerateIntermediate,
    /// Signs an intermediate certificate with this issuer, or with the default one.
    SignIntermediate(Option<&'a Name>),
    /// Stores the signed intermediate certificate.
    SetSigned,
    /// Imports certificates of CAs.
    ImportCertificates,
    /// Imports certificates of CAs and their private keys.
    ImportBundle,
    /// The private key of an issuer. It can be deleted, but never read.
    Key(&'a Name),
    /// The list of roles.
    Roles,
    /// One role.
    Role(&'a Name),
    /// Generates a key and a certificate according to a role.
    Issue(&'a Name),
    /// Signs a request according to a role.
    Sign(&'a Name),
    /// The list of certificates.
    Certificates,
    /// One certificate. It is public: Vault requires no token.
    Certificate(&'a Serial),
    /// Revokes a certificate.
    Revoke,
}

impl<'a> Endpoint<'a> {
    pub(crate) fn segments(&self) -> impl Iterator<Item = &'a str> {
        let (before, named, after): (
            &'static [&'static str],
            Option<&'a str>,
            Option<&'static str>,
        ) = match *self {
            Self::Issuers => (&["issuers"], None, None),
            Self::Issuer(issuer) => (&["issuer"], Some(issuer.as_str()), None),
            Self::GenerateRoot => (&["root", "generate", "internal"], None, None),
            Self::GenerateIntermediate => (&["intermediate", "generate", "internal"], None, None),
            Self::SignIntermediate(None) => (&["root", "sign-intermediate"], None, None),
            Self::SignIntermediate(Some(issuer)) => (
                &["issuer"],
                Some(issuer.as_str()),
                Some("sign-intermediate"),
            ),
            Self::SetSigned => (&["intermediate", "set-signed"], None, None),
            Self::ImportCertificates => (&["issuers", "import", "cert"], None, None),
            Self::ImportBundle => (&["issuers", "import", "bundle"], None, None),
            Self::Key(key) => (&["key"], Some(key.as_str()), None),
            Self::Roles => (&["roles"], None, None),
            Self::Role(role) => (&["roles"], Some(role.as_str()), None),
            Self::Issue(role) => (&["issue"], Some(role.as_str()), None),
            Self::Sign(role) => (&["sign"], Some(role.as_str()), None),
            Self::Certificates => (&["certs"], None, None),
            Self::Certificate(serial) => (&["cert"], Some(serial.as_str()), None),
            Self::Revoke => (&["revoke"], None, None),
        };
        before.iter().copied().chain(named).chain(after)
    }

    /// Whether it has a trailing slash, as listings have in policies and in the audit log.
    pub(crate) fn is_listing(&self) -> bool {
        matches!(self, Self::Issuers | Self::Roles | Self::Certificates)
    }
}
