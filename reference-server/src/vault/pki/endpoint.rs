//! Every endpoint of the PKI engine that is asked for: the only paths that can be made below a PKI mount.

use super::{Name, Serial};

/// An endpoint, relative to its mount.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint<'a> {
    /// The list of issuers. It is public: Vault asks for no token.
    Issuers,
    /// One issuer.
    Issuer(&'a Name),
    /// Makes a root with its key.
    GenerateRoot,
    /// Makes a key and a request for an intermediate certificate.
    GenerateIntermediate,
    /// Signs an intermediate certificate, by this issuer or by the default one.
    SignIntermediate(Option<&'a Name>),
    /// Takes the intermediate certificate that was signed.
    SetSigned,
    /// Takes certificates of CAs.
    ImportCertificates,
    /// Takes certificates of CAs and their private keys.
    ImportBundle,
    /// A private key of an issuer, which can be deleted and never read.
    Key(&'a Name),
    /// The list of roles.
    Roles,
    /// One role.
    Role(&'a Name),
    /// Makes a key and a certificate by a role.
    Issue(&'a Name),
    /// Signs a request by a role.
    Sign(&'a Name),
    /// The list of certificates.
    Certificates,
    /// One certificate. It is public: Vault asks for no token.
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

    /// Whether it ends in a slash, as listings do in policies and in the audit log.
    pub(crate) fn is_listing(&self) -> bool {
        matches!(self, Self::Issuers | Self::Roles | Self::Certificates)
    }
}
