//! The request that an operation comes down to, for asking Vault directly what it thinks
//! of it: <https://developer.hashicorp.com/vault/api-docs>.

use serde_json::{Value, json};

use super::oracle::VaultRequest;
use crate::target::operation::{Operation, Parameters};

/// The one request that decides whether Vault allows an operation; `kv_version` is that of
/// the mount in question.
#[must_use]
pub fn request(operation: Operation, parameters: &Parameters, kv_version: u8) -> VaultRequest {
    let text = |name: &str| {
        parameters
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (mount, path) = (text("mount"), text("path"));
    let below = |endpoint: &str| match kv_version {
        2 => format!("{mount}/{endpoint}/{path}"),
        _ => format!("{mount}/{path}"),
    };
    let write = |data: Value| {
        let body = match kv_version {
            2 => json!({ "data": data }),
            _ => data,
        };
        VaultRequest::new("POST", below("data")).with(body)
    };
    let versions = || {
        let version = parameters.get("version").cloned().unwrap_or(json!(1));
        json!({ "versions": [version] })
    };
    match operation {
        Operation::MountsList => VaultRequest::new("GET", "sys/mounts"),
        Operation::MountsCreate => {
            let version = parameters.get("version").unwrap_or(&json!(2)).to_string();
            VaultRequest::new("POST", format!("sys/mounts/{mount}"))
                .with(json!({ "type": "kv", "options": { "version": version } }))
        }
        Operation::MountsDelete => VaultRequest::new("DELETE", format!("sys/mounts/{mount}")),
        Operation::PkiEnable => {
            VaultRequest::new("POST", format!("sys/mounts/{mount}")).with(json!({ "type": "pki" }))
        }
        // Of many requests the first: the rest has the same right.
        Operation::KvList | Operation::KvListAll => VaultRequest::new("LIST", below("metadata")),
        // The version is a query, on which no policy decides.
        Operation::KvRead | Operation::KvReadVersion => VaultRequest::new("GET", below("data")),
        Operation::KvMetadata => VaultRequest::new("GET", below("metadata")),
        Operation::KvWrite => write(parameters.get("data").cloned().unwrap_or(json!({}))),
        Operation::KvWriteKey => write(json!({ text("key"): text("value") })),
        // What is left of the secret is written.
        Operation::KvDeleteKey => write(json!({})),
        Operation::KvDelete => VaultRequest::new("DELETE", below("data")),
        Operation::KvUndelete => VaultRequest::new("PUT", below("undelete")).with(versions()),
        Operation::KvDestroy => VaultRequest::new("PUT", below("destroy")).with(versions()),
        Operation::KvPurge => VaultRequest::new("DELETE", below("metadata")),
    }
}
