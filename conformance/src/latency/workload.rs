//! What the latency of an operation is measured on: mounts made for that alone, and the same
//! operation as a tool call and as a request to Vault.

use serde_json::{Value, json};

use crate::{
    target::operation::{Operation, Parameters},
    vault::oracle::{Oracle, OracleError, SecretData, VaultRequest},
};

const SECRET: &str = "app/database";
const WRITTEN: &str = "app/written";
const ROLE: &str = "issuer";

/// A KV version 2 mount with a few secrets; where certificates are asked for, also a PKI mount
/// with a CA and a role, all on the curve P-256.
#[derive(Clone, Debug)]
pub struct Workload {
    kv: String,
    pki: Option<String>,
}

/// An operation, with what it takes to carry it out in either way.
#[derive(Clone, Debug)]
pub struct Task {
    /// The operation.
    pub operation: Operation,
    /// The parameters for a tool call.
    pub parameters: Parameters,
    /// The one request to Vault that does the same.
    pub direct: VaultRequest,
}

impl Workload {
    /// Makes the mounts; their names begin with the oracle's prefix and `name`.
    ///
    /// # Errors
    /// When Vault refuses.
    pub async fn make(
        oracle: &Oracle,
        name: &str,
        operations: &[Operation],
    ) -> Result<Self, OracleError> {
        let kv = format!("{}{name}-kv", oracle.prefix());
        oracle.make_kv_mount(&kv, 2).await?;
        let data = SecretData::from_iter([
            ("username".to_owned(), json!("app")),
            ("password".to_owned(), json!("not-a-secret")),
        ]);
        for path in [SECRET, WRITTEN, "app/cache", "app/queue", "other/database"] {
            oracle.write_secret(&kv, 2, path, &data).await?;
        }
        let mut workload = Self { kv, pki: None };
        if operations.iter().copied().any(issues) {
            let pki = format!("{}{name}-pki", oracle.prefix());
            make_pki_mount(oracle, &pki).await?;
            workload.pki = Some(pki);
        }
        Ok(workload)
    }

    /// A policy that allows all of it, and to see which mounts there are.
    #[must_use]
    pub fn policy(&self) -> String {
        let mut policy = r#"path "sys/mounts" { capabilities = ["read"] }"#.to_owned();
        for mount in [Some(&self.kv), self.pki.as_ref()].into_iter().flatten() {
            let capabilities = r#"["create", "read", "update", "list"]"#;
            policy += &format!("\npath \"{mount}/*\" {{ capabilities = {capabilities} }}");
        }
        policy
    }

    /// How to carry out an operation here; none for one that it is not made for.
    #[must_use]
    pub fn task(&self, operation: Operation) -> Option<Task> {
        let (kv, value) = (&self.kv, "written by a measurement");
        let secret = |path: &str| parameters(json!({ "mount": kv, "path": path }));
        let write = || {
            VaultRequest::new("POST", format!("{kv}/data/{WRITTEN}"))
                .with(json!({ "data": { "token": value } }))
        };
        let read = VaultRequest::new("GET", format!("{kv}/data/{SECRET}"));
        let (parameters, direct) = match operation {
            Operation::MountsList => (Parameters::new(), VaultRequest::new("GET", "sys/mounts")),
            Operation::KvList => (
                secret("app"),
                VaultRequest::new("LIST", format!("{kv}/metadata/app")),
            ),
            Operation::KvRead => (secret(SECRET), read),
            Operation::KvReadVersion => {
                let mut parameters = secret(SECRET);
                parameters.insert("version".to_owned(), json!(1));
                let query = Some("version=1".to_owned());
                (parameters, VaultRequest { query, ..read })
            }
            Operation::KvWrite => {
                let mut parameters = secret(WRITTEN);
                parameters.insert("data".to_owned(), json!({ "token": value }));
                (parameters, write())
            }
            Operation::KvWriteKey => {
                let mut parameters = secret(WRITTEN);
                parameters.insert("key".to_owned(), json!("token"));
                parameters.insert("value".to_owned(), json!(value));
                (parameters, write())
            }
            operation if issues(operation) => self.issue()?,
            _ => return None,
        };
        Some(Task {
            operation,
            parameters,
            direct,
        })
    }

    fn issue(&self) -> Option<(Parameters, VaultRequest)> {
        let (pki, name, ttl) = (self.pki.as_ref()?, "app.example.internal", "1h");
        let parameters = parameters(json!({
            "mount": pki,
            "role": ROLE,
            "common_name": name,
            "alt_names": [],
            "ip_sans": [],
            "ttl": ttl,
        }));
        let direct = VaultRequest::new("POST", format!("{pki}/issue/{ROLE}"))
            .with(json!({ "common_name": name, "ttl": ttl }));
        Some((parameters, direct))
    }
}

fn issues(operation: Operation) -> bool {
    operation.name() == "pki.issue"
}

fn parameters(of: Value) -> Parameters {
    match of {
        Value::Object(parameters) => parameters,
        _ => Parameters::new(),
    }
}

async fn make_pki_mount(oracle: &Oracle, mount: &str) -> Result<(), OracleError> {
    oracle.make_mount(mount, "pki", json!({})).await?;
    let root = json!({
        "common_name": "measurement root", "key_type": "ec", "key_bits": 256, "ttl": "24h",
    });
    let role = json!({
        "allow_any_name": true, "key_type": "ec", "key_bits": 256, "max_ttl": "12h",
    });
    for (path, body) in [
        ("root/generate/internal".to_owned(), root),
        (format!("roles/{ROLE}"), role),
    ] {
        let request = VaultRequest::new("POST", format!("{mount}/{path}")).with(body);
        oracle.root(request).await?;
    }
    Ok(())
}
