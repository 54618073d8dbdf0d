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
    let data_path = match kv_version {
        2 => format!("{mount}/data/{path}"),
        _ => format!("{mount}/{path}"),
    };
    let write = |data: Value| {
        let body = match kv_version {
            2 => json!({ "data": data }),
            _ => data,
        };
        VaultRequest::new("POST", data_path.clone()).with(body)
    };
    match operation {
        Operation::MountsList => VaultRequest::new("GET", "sys/mounts"),
        Operation::MountsCreate => VaultRequest::new("POST", format!("sys/mounts/{mount}"))
            .with(json!({ "type": "kv", "options": { "version": "2" } })),
        Operation::MountsDelete => VaultRequest::new("DELETE", format!("sys/mounts/{mount}")),
        Operation::PkiEnable => {
            VaultRequest::new("POST", format!("sys/mounts/{mount}")).with(json!({ "type": "pki" }))
        }
        Operation::KvList if kv_version == 2 => {
            VaultRequest::new("LIST", format!("{mount}/metadata/{path}"))
        }
        Operation::KvList => VaultRequest::new("LIST", format!("{mount}/{path}")),
        Operation::KvRead => VaultRequest::new("GET", data_path),
        // The version is a query, on which no policy decides.
        Operation::KvReadVersion => VaultRequest::new("GET", data_path),
        Operation::KvWrite => write(parameters.get("data").cloned().unwrap_or(json!({}))),
        Operation::KvWriteKey => write(json!({ text("key"): text("value") })),
        Operation::KvDelete => VaultRequest::new("DELETE", data_path),
    }
}
