//! Acts on PKI mounts.

use serde_json::{Value, json};

use super::{Act, Effect};
use crate::engines::{Operation, Parameters, Pki};

/// What must be seen once an act on a PKI mount has succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PkiEffect {
    /// Vault has the mount, with this longest lifetime.
    Enabled,
    /// Vault has one more issuer, and it is what was asked for.
    IssuerMade,
    /// The answer has all issuers.
    IssuersListed,
    /// The answer has the issuer's certificate.
    IssuerShown,
    /// Vault has the role with all that was sent.
    RoleMade,
    /// The answer has all roles.
    RolesListed,
    /// The answer has the role's settings.
    RoleShown,
    /// Vault has the role no more.
    RoleGone,
    /// The answer has a certificate that is what was asked for.
    Certified,
    /// The mount's revocation list has the certificate.
    Revoked,
    /// The answer has the serial numbers of all certificates.
    CertificatesListed,
    /// The answer has the certificate.
    CertificateShown,
}

impl Act {
    /// An act on the PKI mount at this path in Vault.
    #[must_use]
    pub fn on_pki(operation: Operation, mount: &str, effect: PkiEffect) -> Self {
        Self {
            operation,
            parameters: Parameters::new(),
            effect: Effect::Pki(effect),
        }
        .and("mount", json!(mount))
    }

    /// Enabling PKI at this path, with a longest lifetime.
    #[must_use]
    pub fn enable_pki(mount: &str, max_ttl: &str) -> Self {
        Self::on_pki(Operation::Pki(Pki::Enable), mount, PkiEffect::Enabled)
            .and("max_ttl", json!(max_ttl))
    }

    /// Making a self-signed issuer.
    #[must_use]
    pub fn create_root(mount: &str, issuer: &str, common_name: &str, ttl: &str) -> Self {
        Self::on_pki(
            Operation::Pki(Pki::CreateRoot),
            mount,
            PkiEffect::IssuerMade,
        )
        .and("issuer", json!(issuer))
        .and("common_name", json!(common_name))
        .and("ttl", json!(ttl))
    }

    /// Making an issuer that the issuer `of` a mount signs: the mount's path and the issuer.
    #[must_use]
    pub fn create_intermediate(
        mount: &str,
        issuer: &str,
        common_name: &str,
        ttl: &str,
        of: (&str, &str),
    ) -> Self {
        Self {
            operation: Operation::Pki(Pki::CreateIntermediate),
            ..Self::create_root(mount, issuer, common_name, ttl)
        }
        .and("root_mount", json!(of.0))
        .and("root_issuer", json!(of.1))
    }

    /// Importing a certificate with its key.
    #[must_use]
    pub fn import_bundle(mount: &str, bundle: &str) -> Self {
        Self::on_pki(
            Operation::Pki(Pki::ImportBundle),
            mount,
            PkiEffect::IssuerMade,
        )
        .and("bundle", json!(bundle))
    }

    /// Showing an issuer.
    #[must_use]
    pub fn read_issuer(mount: &str, issuer: &str) -> Self {
        Self::on_pki(
            Operation::Pki(Pki::ReadIssuer),
            mount,
            PkiEffect::IssuerShown,
        )
        .and("issuer", json!(issuer))
    }

    /// Making a role.
    #[must_use]
    pub fn create_role(mount: &str, role: &str, settings: Parameters) -> Self {
        let mut act = Self::on_pki(Operation::Pki(Pki::CreateRole), mount, PkiEffect::RoleMade)
            .and("role", json!(role));
        act.parameters.extend(settings);
        act
    }

    /// Doing something (showing, deleting) to a role.
    #[must_use]
    pub fn on_role(operation: Operation, mount: &str, role: &str, effect: PkiEffect) -> Self {
        Self::on_pki(operation, mount, effect).and("role", json!(role))
    }

    /// Issuing a certificate.
    #[must_use]
    pub fn issue(mount: &str, role: &str, wanted: &Wanted) -> Self {
        Self::on_role(
            Operation::Pki(Pki::Issue),
            mount,
            role,
            PkiEffect::Certified,
        )
        .and("common_name", json!(wanted.common_name))
        .and("alt_names", json!(wanted.alt_names))
        .and("ip_sans", json!(wanted.ip_sans))
        .and("ttl", json!(wanted.ttl))
    }

    /// Signing a request for a certificate, as PEM.
    #[must_use]
    pub fn sign(mount: &str, role: &str, common_name: &str, csr: &str, ttl: &str) -> Self {
        Self::on_role(Operation::Pki(Pki::Sign), mount, role, PkiEffect::Certified)
            .and("common_name", json!(common_name))
            .and("csr", json!(csr))
            .and("ttl", json!(ttl))
    }

    /// Doing something (showing, revoking) to a certificate.
    #[must_use]
    pub fn on_certificate(
        operation: Operation,
        mount: &str,
        serial: &str,
        effect: PkiEffect,
    ) -> Self {
        Self::on_pki(operation, mount, effect).and("serial", json!(serial))
    }

    /// Whether a place of a snapshot is what it makes, changes or removes in PKI mounts.
    pub(super) fn is_about_in_pki(&self, place: &str) -> bool {
        let Some((mount, (kind, name))) = place
            .split_once(':')
            .and_then(|(mount, place)| Some((mount, place.split_once('/')?)))
        else {
            return false;
        };
        // Whoever signs an authority has its certificate as well.
        let own = mount == self.text("mount");
        if self.operation == Operation::Pki(Pki::CreateIntermediate) && !own {
            return mount == self.text("root_mount") && kind == "certs";
        }
        let Operation::Pki(operation) = self.operation else {
            return false;
        };
        own && match operation {
            Pki::CreateRole | Pki::DeleteRole => kind == "roles" && name == self.text("role"),
            // Names that Vault gives: what is new there is looked at besides.
            Pki::CreateRoot | Pki::CreateIntermediate | Pki::ImportBundle => {
                ["issuers", "keys", "certs"].contains(&kind)
            }
            Pki::Issue | Pki::Sign => kind == "certs",
            Pki::Revoke => kind == "revoked",
            Pki::Enable
            | Pki::ListIssuers
            | Pki::ReadIssuer
            | Pki::ListRoles
            | Pki::ReadRole
            | Pki::ListCerts
            | Pki::ReadCert => false,
        }
    }

    /// A parameter that is text; empty where there is none.
    #[must_use]
    pub fn text(&self, parameter: &str) -> &str {
        let value = self.parameters.get(parameter).and_then(Value::as_str);
        value.unwrap_or_default()
    }
}

/// The certificate that an agent asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its common name.
    pub common_name: String,
    /// Further DNS names.
    pub alt_names: Vec<String>,
    /// IP addresses.
    pub ip_sans: Vec<String>,
    /// For how long, as Vault reads it; empty for the role's own.
    pub ttl: String,
}

/// A role that allows nothing, for EC keys, which are quick to make.
#[must_use]
pub fn strict_role() -> Parameters {
    let settings = json!({
        "allowed_domains": [],
        "allow_subdomains": false,
        "allow_bare_domains": false,
        "allow_glob_domains": false,
        "allow_any_name": false,
        "allow_ip_sans": false,
        "key_type": "ec",
        "key_bits": 256,
        "ttl": "",
        "max_ttl": "",
    });
    settings.as_object().cloned().unwrap_or_default()
}
