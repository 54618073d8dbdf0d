//! Acts on PKI mounts.

use serde_json::{Value, json};

use super::{Act, Effect};
use crate::engines::{Operation, Parameters, Pki};

/// The expected effect of a successful act on a PKI mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PkiEffect {
    /// Vault has the mount, with this maximum lifetime.
    Enabled,
    /// Vault has one more issuer, as requested.
    IssuerMade,
    /// The answer has all issuers.
    IssuersListed,
    /// The answer has the issuer's certificate.
    IssuerShown,
    /// Vault has the role with all settings that were sent.
    RoleMade,
    /// The answer has all roles.
    RolesListed,
    /// The answer has the role's settings.
    RoleShown,
    /// Vault no longer has the role.
    RoleGone,
    /// The answer has a certificate as requested.
    Certified,
    /// The mount's revocation list contains the certificate.
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

    /// Enables PKI at this path, with a maximum lifetime.
    #[must_use]
    pub fn enable_pki(mount: &str, max_ttl: &str) -> Self {
        Self::on_pki(Operation::Pki(Pki::Enable), mount, PkiEffect::Enabled)
            .and("max_ttl", json!(max_ttl))
    }

    /// Creates a self-signed issuer.
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

    /// Creates an issuer that the issuer `of` signs: the path of a mount, and an issuer in it.
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

    /// Imports a certificate with its key.
    #[must_use]
    pub fn import_bundle(mount: &str, bundle: &str) -> Self {
        Self::on_pki(
            Operation::Pki(Pki::ImportBundle),
            mount,
            PkiEffect::IssuerMade,
        )
        .and("bundle", json!(bundle))
    }

    /// Reads an issuer.
    #[must_use]
    pub fn read_issuer(mount: &str, issuer: &str) -> Self {
        Self::on_pki(
            Operation::Pki(Pki::ReadIssuer),
            mount,
            PkiEffect::IssuerShown,
        )
        .and("issuer", json!(issuer))
    }

    /// Creates a role.
    #[must_use]
    pub fn create_role(mount: &str, role: &str, settings: Parameters) -> Self {
        let mut act = Self::on_pki(Operation::Pki(Pki::CreateRole), mount, PkiEffect::RoleMade)
            .and("role", json!(role));
        act.parameters.extend(settings);
        act
    }

    /// Reads or deletes a role.
    #[must_use]
    pub fn on_role(operation: Operation, mount: &str, role: &str, effect: PkiEffect) -> Self {
        Self::on_pki(operation, mount, effect).and("role", json!(role))
    }

    /// Issues a certificate.
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

    /// Signs a certificate request in PEM.
    #[must_use]
    pub fn sign(mount: &str, role: &str, common_name: &str, csr: &str, ttl: &str) -> Self {
        Self::on_role(Operation::Pki(Pki::Sign), mount, role, PkiEffect::Certified)
            .and("common_name", json!(common_name))
            .and("csr", json!(csr))
            .and("ttl", json!(ttl))
    }

    /// Reads or revokes a certificate.
    #[must_use]
    pub fn on_certificate(
        operation: Operation,
        mount: &str,
        serial: &str,
        effect: PkiEffect,
    ) -> Self {
        Self::on_pki(operation, mount, effect).and("serial", json!(serial))
    }

    /// Whether the act creates, changes or removes this place of a snapshot in PKI mounts.
    pub(super) fn is_about_in_pki(&self, place: &str) -> bool {
        let Some((mount, (kind, name))) = place
            .split_once(':')
            .and_then(|(mount, place)| Some((mount, place.split_once('/')?)))
        else {
            return false;
        };
        // The signer of a CA stores its certificate, too.
        let own = mount == self.text("mount");
        if self.operation == Operation::Pki(Pki::CreateIntermediate) && !own {
            return mount == self.text("root_mount") && kind == "certs";
        }
        let Operation::Pki(operation) = self.operation else {
            return false;
        };
        own && match operation {
            Pki::CreateRole | Pki::DeleteRole => kind == "roles" && name == self.text("role"),
            // Vault chooses these names, so new ones are checked separately.
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

    /// A parameter that is text; empty if it does not exist.
    #[must_use]
    pub fn text(&self, parameter: &str) -> &str {
        let value = self.parameters.get(parameter).and_then(Value::as_str);
        value.unwrap_or_default()
    }
}

/// The certificate that an agent requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its common name.
    pub common_name: String,
    /// Further DNS names.
    pub alt_names: Vec<String>,
    /// IP addresses.
    pub ip_sans: Vec<String>,
    /// Its lifetime, in Vault's format; empty for the role's default.
    pub ttl: String,
}

/// A role that allows no name, for EC keys, which are fast to generate.
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
