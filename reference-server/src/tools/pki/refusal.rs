//! Maps Vault's error messages for PKI requests to the argument at fault and to the next step.
//!
//! For most invalid PKI requests Vault returns status 400 or 500 and a message. The server passes the message on
//! unchanged; this module only interprets it.

use crate::{
    tools::failure::{Failure, Kind},
    vault::error::VaultError,
};

/// The cause of one of Vault's messages.
pub(super) struct Cause {
    /// A part of the message.
    phrase: &'static str,
    argument: &'static str,
    is_absence: bool,
    next_step: &'static str,
}

impl Cause {
    pub(super) const fn new(
        phrase: &'static str,
        argument: &'static str,
        next_step: &'static str,
    ) -> Self {
        Self {
            phrase,
            argument,
            is_absence: false,
            next_step,
        }
    }

    /// The same, for a message which says that an object does not exist.
    pub(super) const fn absent(self) -> Self {
        Self {
            is_absence: true,
            ..self
        }
    }
}

const CORRECT: &str = "correct the argument and call again";
const NAMES: &str = "read_pki_role shows which names the role allows: ask for one of these, or replace the role with \
    create_pki_role so that its `allowed_domains`, with `allow_subdomains`, `allow_bare_domains` or \
    `allow_glob_domains`, cover the name; then call again";
const ROLES: &str = "list_pki_roles shows which roles there are; create_pki_role makes one";
const KEYS: &str =
    "read_pki_role shows which keys the role wants: make a new key and a request with it";
const REQUESTED: &str = "make a request without what the role does not allow, or replace the role with create_pki_role so \
    that it allows it; read_pki_role shows what it allows";
const ISSUER_NAME: &str = "give another name; list_pki_issuers shows which are in use";
const ISSUERS: &str = "list_pki_issuers shows which issuers there are; create_pki_issuer makes one";
const MOUNTS: &str = "list_mounts shows which mounts are of type `pki`; enable_pki makes one";
const SERIALS: &str = "list_pki_certificates shows the serial numbers of the mount";

/// Errors of any PKI request that are not specific to one tool.
const COMMON: &[Cause] = &[
    Cause::new(r#"field "ttl""#, "ttl", CORRECT),
    Cause::new(r#"field "max_ttl""#, "max_ttl", CORRECT),
    Cause::new(
        "no default issuer",
        "mount",
        "the mount has no issuer yet: make one with create_pki_issuer, then call again",
    ),
    Cause::new("unable to find PKI issuer", "issuer", ISSUERS).absent(),
    Cause::new("there is no issuer", "issuer", ISSUERS).absent(),
    Cause::new("secrets engine", "mount", MOUNTS),
    Cause::new("no mount at this path", "mount", MOUNTS).absent(),
    Cause::new("there is no role", "role", ROLES).absent(),
    Cause::new("there is no certificate", "serial_number", SERIALS).absent(),
];

/// Creating issuers.
pub(super) const ISSUER: &[Cause] = &[
    Cause::new("issuer name", "issuer", ISSUER_NAME),
    Cause::new("can not be used as issuer name", "issuer", ISSUER_NAME),
    Cause::new("idna: ", "common_name", CORRECT),
    Cause::new("pem_bundle", "bundle", CORRECT),
    Cause::new("PEM", "bundle", CORRECT),
    Cause::new("Error parsing", "bundle", CORRECT),
    Cause::new("for import was too short", "bundle", CORRECT),
];

/// Signing an intermediate in another mount.
pub(super) const SIGNER: &[Cause] = &[
    Cause::new(
        "no default issuer",
        "root_mount",
        "that mount has no issuer yet: make a root in it with create_pki_issuer, then call again",
    ),
    Cause::new(
        "unable to find PKI issuer",
        "root_issuer",
        "list_pki_issuers of that mount shows which issuers there are",
    )
    .absent(),
    Cause::new(
        "unable to fetch corresponding key",
        "root_issuer",
        "that mount lacks the private key of this issuer: name an issuer that can sign",
    ),
    Cause::new("secrets engine", "root_mount", MOUNTS),
    Cause::new("no mount at this path", "root_mount", MOUNTS).absent(),
    Cause::new(
        "TTL would result in notAfter",
        "ttl",
        "ask for a shorter `ttl`: an issuer cannot outlast its own",
    ),
];

/// Creating a mount.
pub(super) const MOUNT: &[Cause] = &[
    Cause::new(
        "already in use",
        "mount",
        "list_mounts shows what is there: use it if it is of type `pki`, or choose another path",
    ),
    Cause::new("cannot mount", "mount", "choose another path"),
    Cause::new("max TTL", "max_ttl", CORRECT),
    Cause::new("lease TTL", "max_ttl", CORRECT),
];

/// Creating roles.
pub(super) const ROLE: &[Cause] = &[
    Cause::new(
        r#""ttl" value must be less"#,
        "ttl",
        "`ttl` cannot be longer than `max_ttl`",
    ),
    Cause::new("key type", "key_type", CORRECT),
    Cause::new(
        "bit length",
        "key_bits",
        "RSA has 2048, 3072, 4096 or 8192 bits, EC 224, 256, 384 or 521",
    ),
    Cause::new(
        "bits are unsafe",
        "key_bits",
        "RSA has 2048, 3072, 4096 or 8192 bits",
    ),
];

/// Signing a request. Causes in the request come before causes in the arguments.
pub(super) const SIGN: &[Cause] = &[
    Cause::new(r#""csr" is empty"#, "csr", CORRECT),
    Cause::new("csr contains no data", "csr", CORRECT),
    Cause::new("certificate request could not be parsed", "csr", CORRECT),
    Cause::new("request signature is invalid", "csr", CORRECT),
    Cause::new("parse CSR's public key", "csr", KEYS),
    Cause::new("key type in CSR", "csr", KEYS),
    Cause::new("Refusing to sign CSR", "csr", KEYS),
    Cause::new("role requires", "csr", KEYS),
    Cause::new("bits are unsafe", "csr", KEYS),
    Cause::new("via CSR", "csr", REQUESTED),
];

/// Issuing and signing. Messages that quote a name come first, because a name can contain anything.
pub(super) const ISSUE: &[Cause] = &[
    Cause::new("common name ", "common_name", NAMES),
    Cause::new("subject alternate name ", "alt_names", NAMES),
    Cause::new("email address ", "alt_names", NAMES),
    Cause::new(
        "IP Subject Alternative Names",
        "ip_sans",
        "leave `ip_sans` out, or replace the role with create_pki_role so that it has `allow_ip_sans`",
    ),
    Cause::new("valid IP address", "ip_sans", CORRECT),
    Cause::new("idna: ", "common_name` or `alt_names", CORRECT),
    Cause::new("unknown role: ", "role", ROLES).absent(),
    Cause::new("the common_name field", "common_name", CORRECT),
    Cause::new(
        "TTL would result in notAfter",
        "ttl",
        "ask for a shorter `ttl`: a certificate cannot outlast its issuer, whose end is in vault's message",
    ),
    Cause::new(
        "role key type",
        "role",
        "the role leaves the type of the key open, so Vault cannot make one: use sign_pki_certificate, or another role",
    ),
];

/// Revoking.
pub(super) const REVOKE: &[Cause] = &[
    Cause::new("not found", "serial_number", SERIALS).absent(),
    Cause::new(
        "to its own CRL",
        "serial_number",
        "this is the certificate of an issuer, which cannot revoke itself: ask the operator",
    ),
];

/// The failure for an error, by the first cause that matches.
pub(super) fn explain<'a>(
    error: VaultError,
    causes: impl IntoIterator<Item = &'a Cause>,
) -> Failure {
    let mut failure = Failure::from(error);
    if failure.kind == Kind::PermissionDenied {
        return failure;
    }
    let cause = causes
        .into_iter()
        .chain(COMMON)
        .find(|cause| failure.message.contains(cause.phrase));
    if let Some(cause) = cause {
        failure.message = format!("argument `{}`: {}", cause.argument, failure.message);
        cause.next_step.clone_into(&mut failure.next_step);
        if cause.is_absence {
            failure.kind = Kind::NotFound;
        }
    }
    failure
}
