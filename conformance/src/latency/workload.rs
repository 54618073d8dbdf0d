//! The calls whose latency is measured: one operation as a tool call and as a request to Vault, on mounts made only for
//! this.

use serde_json::json;

use crate::{
    engines::{Kv, Operation, Parameters, Pki, ROLE, SECRET, WRITTEN, WorkloadMounts},
    vault::oracle::{Oracle, OracleError, SecretData, VaultRequest},
};

/// A KV version 2 mount with a few secrets; for certificates also a PKI mount with a CA and a role, all on the curve
/// P-256.
#[derive(Clone, Debug)]
pub struct Workload(WorkloadMounts);

/// An operation, with what is needed to perform it in either way.
#[derive(Clone, Debug)]
pub struct Task {
    /// The operation.
    pub operation: Operation,
    /// The parameters for a tool call.
    pub parameters: Parameters,
    /// The one request to Vault with the same effect.
    pub direct: VaultRequest,
}

impl Workload {
    /// Makes the mounts; their names begin with the oracle's prefix and `name`.
    ///
    /// # Errors
    /// If Vault rejects a request.
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
        let mut mounts = WorkloadMounts { kv, pki: None };
        if operations.contains(&Operation::Pki(Pki::Issue)) {
            let pki = format!("{}{name}-pki", oracle.prefix());
            make_pki_mount(oracle, &pki).await?;
            mounts.pki = Some(pki);
        }
        Ok(Self(mounts))
    }

    /// A policy that allows all operations, and to list the mounts.
    #[must_use]
    pub fn policy(&self) -> String {
        let mut policy = r#"path "sys/mounts" { capabilities = ["read"] }"#.to_owned();
        for mount in [Some(&self.0.kv), self.0.pki.as_ref()]
            .into_iter()
            .flatten()
        {
            let capabilities = r#"["create", "read", "update", "list"]"#;
            policy += &format!("\npath \"{mount}/*\" {{ capabilities = {capabilities} }}");
        }
        policy
    }

    /// How to perform an operation here; `None` if the workload does not support it.
    #[must_use]
    pub fn task(&self, operation: Operation) -> Option<Task> {
        let parameters = operation.workload(&self.0)?;
        let parameters = parameters.as_object()?.clone();
        // A target could merge without the request that reads first.
        let mut direct = operation.requests(&parameters, 2).pop()?;
        if operation == Operation::Kv(Kv::ReadVersion) {
            direct.query = Some("version=1".to_owned());
        }
        Some(Task {
            operation,
            parameters,
            direct,
        })
    }
}

async fn make_pki_mount(oracle: &Oracle, mount: &str) -> Result<(), OracleError> {
    oracle.make_pki_mount(mount, None).await?;
    oracle.make_root(mount, "measurement-root", "24h").await?;
    let settings = json!({
        "allow_any_name": true, "key_type": "ec", "key_bits": 256, "max_ttl": "12h",
    });
    let settings = settings.as_object().cloned().unwrap_or_default();
    oracle.make_role(mount, ROLE, &settings).await
}
