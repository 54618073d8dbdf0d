//! The PKI engine: CAs, roles and certificates.

use serde_json::{Value, json};

use super::engine::{About, Answers, Engine, Parameters, ROLE, WorkloadMounts, about, text};
use crate::vault::oracle::{Oracle, OracleError, Snapshot, VaultRequest};

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pki {
    /// Enable the PKI engine.
    Enable,
    /// Create a self-signed issuer.
    CreateRoot,
    /// Create an issuer that an issuer of another mount signs.
    CreateIntermediate,
    /// Import an issuer from an existing certificate and its key.
    ImportBundle,
    /// List the issuers.
    ListIssuers,
    /// Show an issuer.
    ReadIssuer,
    /// Create a role, or replace it as a whole.
    CreateRole,
    /// List the roles.
    ListRoles,
    /// Show a role.
    ReadRole,
    /// Remove a role.
    DeleteRole,
    /// Issue a certificate with a new key.
    Issue,
    /// Sign a certificate for a key that the caller has.
    Sign,
    /// Revoke a certificate.
    Revoke,
    /// List the certificates by serial number.
    ListCerts,
    /// Show a certificate.
    ReadCert,
}

impl Pki {
    /// All operations.
    pub const ALL: [Self; 15] = [
        Self::Enable,
        Self::CreateRoot,
        Self::CreateIntermediate,
        Self::ImportBundle,
        Self::ListIssuers,
        Self::ReadIssuer,
        Self::CreateRole,
        Self::ListRoles,
        Self::ReadRole,
        Self::DeleteRole,
        Self::Issue,
        Self::Sign,
        Self::Revoke,
        Self::ListCerts,
        Self::ReadCert,
    ];
}

impl Engine for Pki {
    fn about(self) -> About {
        const ONE_ROLE: &[&str] = &["mount", "role"];
        const SETTINGS: &[&str] = &[
            "mount",
            "role",
            "allowed_domains",
            "allow_subdomains",
            "allow_bare_domains",
            "allow_glob_domains",
            "allow_any_name",
            "allow_ip_sans",
            "key_type",
            "key_bits",
            "ttl",
            "max_ttl",
        ];
        match self {
            Self::Enable => about(Answers::Change, "pki.enable", &["mount", "max_ttl"], &[]),
            Self::CreateRoot => about(
                Answers::Change,
                "pki.create_root",
                &["mount", "issuer", "common_name", "ttl"],
                &["certificate"],
            ),
            Self::CreateIntermediate => about(
                Answers::Change,
                "pki.create_intermediate",
                &[
                    "mount",
                    "issuer",
                    "common_name",
                    "ttl",
                    "root_mount",
                    "root_issuer",
                ],
                &["certificate"],
            ),
            Self::ImportBundle => about(
                Answers::Change,
                "pki.import_bundle",
                &["mount", "bundle"],
                &[],
            ),
            Self::ListIssuers => about(Answers::Names, "pki.list_issuers", &["mount"], &["name"]),
            Self::ReadIssuer => about(
                Answers::Facts,
                "pki.read_issuer",
                &["mount", "issuer"],
                &["certificate", "name"],
            ),
            Self::CreateRole => about(Answers::Change, "pki.create_role", SETTINGS, &[]),
            Self::ListRoles => about(Answers::Names, "pki.list_roles", &["mount"], &[]),
            // All settings of a role, besides its place.
            Self::ReadRole => about(
                Answers::Facts,
                "pki.read_role",
                ONE_ROLE,
                SETTINGS.split_at(ONE_ROLE.len()).1,
            ),
            Self::DeleteRole => about(Answers::Change, "pki.delete_role", ONE_ROLE, &[]),
            Self::Issue => about(
                Answers::Change,
                "pki.issue",
                &[
                    "mount",
                    "role",
                    "common_name",
                    "alt_names",
                    "ip_sans",
                    "ttl",
                ],
                &["certificate", "serial", "private_key"],
            ),
            Self::Sign => about(
                Answers::Change,
                "pki.sign",
                &["mount", "role", "common_name", "csr", "ttl"],
                &["certificate", "serial"],
            ),
            Self::Revoke => about(Answers::Change, "pki.revoke", &["mount", "serial"], &[]),
            Self::ListCerts => about(Answers::Names, "pki.list_certs", &["mount"], &[]),
            Self::ReadCert => about(
                Answers::Facts,
                "pki.read_cert",
                &["mount", "serial"],
                &["certificate"],
            ),
        }
    }

    fn requests(self, parameters: &Parameters, _: u8) -> Vec<VaultRequest> {
        let text = |name: &str| text(parameters, name);
        let mount = text("mount");
        let post = |path: String, body: Value| VaultRequest::new("POST", path).with(body);
        let role = || format!("{mount}/roles/{}", text("role"));
        let certificate = || {
            let rest = parameters
                .iter()
                .filter(|(name, value)| !["mount", "role"].contains(&name.as_str()) && *value != "")
                .map(|(name, value)| (name.clone(), with_commas(value)));
            Value::Object(rest.collect())
        };
        vec![match self {
            Self::Enable => {
                let config = json!({ "max_lease_ttl": text("max_ttl") });
                let body = json!({ "type": "pki", "config": config });
                post(format!("sys/mounts/{mount}"), body)
            }
            Self::CreateRoot => {
                let mut body = certificate();
                body["issuer_name"] = json!(text("issuer"));
                post(format!("{mount}/root/generate/internal"), body)
            }
            Self::CreateIntermediate => {
                let root = text("root_mount");
                return vec![
                    post(
                        format!("{mount}/intermediate/generate/internal"),
                        json!({ "common_name": text("common_name") }),
                    ),
                    post(format!("{root}/root/sign-intermediate"), json!({})),
                    post(format!("{mount}/intermediate/set-signed"), json!({})),
                ];
            }
            Self::ImportBundle => {
                let body = json!({ "pem_bundle": text("bundle") });
                post(format!("{mount}/issuers/import/bundle"), body)
            }
            Self::ListIssuers => VaultRequest::new("LIST", format!("{mount}/issuers")),
            Self::ReadIssuer => {
                VaultRequest::new("GET", format!("{mount}/issuer/{}", text("issuer")))
            }
            Self::CreateRole => post(role(), certificate()),
            Self::ListRoles => VaultRequest::new("LIST", format!("{mount}/roles")),
            Self::ReadRole => VaultRequest::new("GET", role()),
            Self::DeleteRole => VaultRequest::new("DELETE", role()),
            Self::Issue => post(format!("{mount}/issue/{}", text("role")), certificate()),
            Self::Sign => post(format!("{mount}/sign/{}", text("role")), certificate()),
            Self::Revoke => {
                let body = json!({ "serial_number": text("serial") });
                post(format!("{mount}/revoke"), body)
            }
            Self::ListCerts => VaultRequest::new("LIST", format!("{mount}/certs")),
            Self::ReadCert => VaultRequest::new("GET", format!("{mount}/cert/{}", text("serial"))),
        }]
    }

    fn workload(self, on: &WorkloadMounts) -> Option<Value> {
        match self {
            Self::Issue => Some(json!({
                "mount": on.pki.as_ref()?,
                "role": ROLE,
                "common_name": "app.example.internal",
                "alt_names": [],
                "ip_sans": [],
                "ttl": "1h",
            })),
            Self::Enable
            | Self::CreateRoot
            | Self::CreateIntermediate
            | Self::ImportBundle
            | Self::ListIssuers
            | Self::ReadIssuer
            | Self::CreateRole
            | Self::ListRoles
            | Self::ReadRole
            | Self::DeleteRole
            | Self::Sign
            | Self::Revoke
            | Self::ListCerts
            | Self::ReadCert => None,
        }
    }

    async fn snapshot(
        oracle: &Oracle,
        mount: &str,
        about: &Value,
        snapshot: &mut Snapshot,
    ) -> Result<(), OracleError> {
        if about["type"] != "pki" {
            return Ok(());
        }
        for issuer in oracle.issuers(mount).await? {
            snapshot.insert(format!("{mount}:issuers/{}", issuer.id), json!(issuer.name));
        }
        for role in oracle.list(mount, 1, "roles/").await? {
            let settings = oracle.role(mount, &role).await?;
            snapshot.insert(format!("{mount}:roles/{role}"), json!(settings));
        }
        for (kind, folder) in [
            ("keys", "keys/"),
            ("certs", "certs/"),
            ("revoked", "certs/revoked/"),
        ] {
            for name in oracle.list(mount, 1, folder).await? {
                snapshot.insert(format!("{mount}:{kind}/{name}"), Value::Null);
            }
        }
        Ok(())
    }
}

/// Completes a request with what it needs from the answer to the one before. Creating an intermediate CA passes on
/// first the request for its certificate and then the certificate.
#[must_use]
pub fn continued(mut request: VaultRequest, before: &Value) -> VaultRequest {
    for (endpoint, field) in [
        ("/root/sign-intermediate", "csr"),
        ("/intermediate/set-signed", "certificate"),
    ] {
        if request.path.ends_with(endpoint) {
            request.body = Some(json!({ field: before["data"][field] }));
        }
    }
    request
}

/// Vault takes lists of names as comma-separated text.
fn with_commas(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            json!(items.join(","))
        }
        other => other.clone(),
    }
}
#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::continued;
    use crate::{act::Act, vault::oracle::VaultRequest};

    #[test]
    fn an_intermediate_authority_hands_its_request_and_its_certificate_on() {
        let act = Act::create_intermediate("int", "i", "CA", "72h", ("top", "root-ca"));
        let requests = act.operation.requests(&act.parameters, 2);
        let [generate, sign, set] = requests.as_slice() else {
            panic!("{requests:?}");
        };
        let body = |request: &VaultRequest, data| {
            let before = json!({ "data": data });
            continued(request.clone(), &before).body
        };
        assert_eq!(body(generate, json!({ "csr": "x" })), generate.body);
        assert_eq!(
            body(sign, json!({ "csr": "x" })),
            Some(json!({ "csr": "x" }))
        );
        let certificate = json!({ "certificate": "y" });
        assert_eq!(body(set, certificate.clone()), Some(certificate));
    }
}
