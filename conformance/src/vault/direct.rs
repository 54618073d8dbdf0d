//! The request that an operation comes down to, for asking Vault directly what it thinks
//! of it: <https://developer.hashicorp.com/vault/api-docs>.

use serde_json::{Value, json};

use super::oracle::VaultRequest;
use crate::target::operation::{Operation, Parameters};

/// The requests that an operation comes down to, and whose rights it therefore needs;
/// `kv_version` is that of the mount in question.
///
/// What one request takes from the answer to another is left out: see [`continued`].
#[must_use]
pub fn requests(
    operation: Operation,
    parameters: &Parameters,
    kv_version: u8,
) -> Vec<VaultRequest> {
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
    let read = || VaultRequest::new("GET", below("data"));
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
    let post = |path: String, body: Value| VaultRequest::new("POST", path).with(body);
    let role = || format!("{mount}/roles/{}", text("role"));
    let certificate = || {
        let rest = parameters
            .iter()
            .filter(|(name, value)| !["mount", "role"].contains(&name.as_str()) && *value != "")
            .map(|(name, value)| (name.clone(), with_commas(value)));
        Value::Object(rest.collect())
    };
    vec![match operation {
        Operation::MountsList => VaultRequest::new("GET", "sys/mounts"),
        Operation::MountsCreate => {
            let version = parameters.get("version").unwrap_or(&json!(2)).to_string();
            let body = json!({ "type": "kv", "options": { "version": version } });
            post(format!("sys/mounts/{mount}"), body)
        }
        Operation::MountsDelete => VaultRequest::new("DELETE", format!("sys/mounts/{mount}")),
        // Of many requests the first: the rest has the same right.
        Operation::KvList | Operation::KvListAll => VaultRequest::new("LIST", below("metadata")),
        // The version is a query, on which no policy decides.
        Operation::KvRead | Operation::KvReadVersion => read(),
        Operation::KvMetadata => VaultRequest::new("GET", below("metadata")),
        Operation::KvWrite => write(parameters.get("data").cloned().unwrap_or(json!({}))),
        // The rest of the secret is kept.
        Operation::KvWriteKey => return vec![read(), write(json!({ text("key"): text("value") }))],
        Operation::KvDeleteKey => return vec![read(), write(json!({}))],
        Operation::KvDelete => VaultRequest::new("DELETE", below("data")),
        Operation::KvUndelete => VaultRequest::new("PUT", below("undelete")).with(versions()),
        Operation::KvDestroy => VaultRequest::new("PUT", below("destroy")).with(versions()),
        Operation::KvPurge => VaultRequest::new("DELETE", below("metadata")),
        Operation::PkiEnable => {
            let config = json!({ "max_lease_ttl": text("max_ttl") });
            let body = json!({ "type": "pki", "config": config });
            post(format!("sys/mounts/{mount}"), body)
        }
        Operation::PkiCreateRoot => {
            let mut body = certificate();
            body["issuer_name"] = json!(text("issuer"));
            post(format!("{mount}/root/generate/internal"), body)
        }
        Operation::PkiCreateIntermediate => {
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
        Operation::PkiImportBundle => {
            let body = json!({ "pem_bundle": text("bundle") });
            post(format!("{mount}/issuers/import/bundle"), body)
        }
        Operation::PkiListIssuers => VaultRequest::new("LIST", format!("{mount}/issuers")),
        Operation::PkiReadIssuer => {
            VaultRequest::new("GET", format!("{mount}/issuer/{}", text("issuer")))
        }
        Operation::PkiCreateRole => post(role(), certificate()),
        Operation::PkiListRoles => VaultRequest::new("LIST", format!("{mount}/roles")),
        Operation::PkiReadRole => VaultRequest::new("GET", role()),
        Operation::PkiDeleteRole => VaultRequest::new("DELETE", role()),
        Operation::PkiIssue => post(format!("{mount}/issue/{}", text("role")), certificate()),
        Operation::PkiSign => post(format!("{mount}/sign/{}", text("role")), certificate()),
        Operation::PkiRevoke => {
            let body = json!({ "serial_number": text("serial") });
            post(format!("{mount}/revoke"), body)
        }
        Operation::PkiListCerts => VaultRequest::new("LIST", format!("{mount}/certs")),
        Operation::PkiReadCert => {
            VaultRequest::new("GET", format!("{mount}/cert/{}", text("serial")))
        }
    }]
}

/// A request with what it takes from the answer to the one before it: making an intermediate
/// authority hands on first the request for its certificate and then the certificate.
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

/// Vault takes lists of names as text, with commas in between.
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

    use super::{continued, requests};
    use crate::{act::Act, vault::oracle::VaultRequest};

    #[test]
    fn an_intermediate_authority_hands_its_request_and_its_certificate_on() {
        let act = Act::create_intermediate("int", "i", "CA", "72h", ("top", "root-ca"));
        let requests = requests(act.operation, &act.parameters, 2);
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
