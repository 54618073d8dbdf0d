//! The Vault that all tests share, and helpers to prepare it.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use vault_mcp_conformance::{
    progress::Progress,
    vault::{
        audit::AuditEntry,
        oracle::{Oracle, VaultRequest},
        provider::{self, Vault, VaultOptions},
    },
};

use crate::client::Client;

pub(crate) struct World {
    vault: Vault,
    oracle: Oracle,
}

impl World {
    pub(crate) async fn start() -> Self {
        vault_mcp_reference::vault::client::install_crypto_provider();
        let vault = provider::start(&VaultOptions::default(), &Progress::stderr())
            .await
            .unwrap();
        let oracle = Oracle::new(vault.endpoint(), vault.root_token(), vault.prefix()).unwrap();
        Self { vault, oracle }
    }

    pub(crate) async fn stop(self) {
        self.vault.stop().await.unwrap();
    }

    pub(crate) fn address(&self) -> &str {
        self.vault.address()
    }

    pub(crate) fn root_token(&self) -> &str {
        self.vault.root_token().expose_secret()
    }

    /// A client of a server with all rights.
    pub(crate) async fn root(&self) -> Client {
        Client::connect(self.address(), self.root_token()).await
    }

    /// A client of a server whose token has this policy: `path: capabilities`.
    pub(crate) async fn client(&self, name: &str, grants: &[(&str, &str)]) -> Client {
        Client::connect(
            self.address(),
            self.token(name, grants).await.expose_secret(),
        )
        .await
    }

    /// A token with this policy.
    pub(crate) async fn token(&self, name: &str, grants: &[(&str, &str)]) -> SecretString {
        let policy: String = grants
            .iter()
            .map(|(path, capabilities)| {
                let capabilities: Vec<_> = capabilities.split(' ').collect();
                format!(
                    "path \"{path}\" {{ capabilities = {} }}\n",
                    json!(capabilities)
                )
            })
            .collect();
        self.token_with(name, &policy).await
    }

    /// A token with the text of a policy file.
    pub(crate) async fn token_with(&self, name: &str, policy: &str) -> SecretString {
        self.oracle.write_policy(name, policy).await.unwrap();
        self.oracle.make_token(name).await.unwrap().secret
    }

    /// A token with these settings, by default with few rights, and its accessor.
    pub(crate) async fn make_token(&self, mut wanted: Value) -> (String, String) {
        if wanted["policies"].is_null() {
            wanted["policies"] = json!(["default"]);
        }
        let (status, body) = self.ask("POST", "auth/token/create", wanted).await;
        assert_eq!(status, 200, "{body}");
        let text = |name: &str| body["auth"][name].as_str().unwrap().to_owned();
        (text("client_token"), text("accessor"))
    }

    /// Vault's facts about a token; none once it is revoked.
    pub(crate) async fn facts(&self, accessor: &str) -> Option<Value> {
        let body = json!({ "accessor": accessor });
        let (status, body) = self.ask("POST", "auth/token/lookup-accessor", body).await;
        (status == 200).then(|| body["data"].clone())
    }

    pub(crate) async fn revoke(&self, accessor: &str) {
        self.write(
            "auth/token/revoke-accessor",
            json!({ "accessor": accessor }),
        )
        .await;
    }

    /// The matching entries of the audit log, for all requests that Vault has answered so far.
    pub(crate) async fn audited(&self, fits: impl Fn(&AuditEntry) -> bool) -> Vec<Arc<AuditEntry>> {
        let audit = self.vault.audit().unwrap();
        audit.settle().await.unwrap();
        audit.entries(fits)
    }

    /// A KV mount that accepts requests.
    pub(crate) async fn mount(&self, path: &str, kv_version: u8) {
        self.oracle.make_kv_mount(path, kv_version).await.unwrap();
    }

    /// A PKI mount without an issuer, for lifetimes of up to ten years.
    pub(crate) async fn pki(&self, path: &str) {
        let body = json!({ "type": "pki", "config": { "max_lease_ttl": "87600h" } });
        self.write(&format!("sys/mounts/{path}"), body).await;
    }

    /// A PKI mount with the issuer `root`.
    pub(crate) async fn pki_with_root(&self, path: &str) {
        self.pki(path).await;
        let body = json!({ "common_name": "Test Root", "issuer_name": "root", "ttl": "8760h" });
        self.write(&format!("{path}/root/generate/internal"), body)
            .await;
    }

    /// Replaces a mount by an empty one of another version.
    pub(crate) async fn remount(&self, path: &str, kv_version: u8) {
        self.ask("DELETE", &format!("sys/mounts/{path}"), Value::Null)
            .await;
        self.mount(path, kv_version).await;
    }

    /// A request with the root token: the status and the body.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = VaultRequest::new(method, path);
        if !body.is_null() {
            request = request.with(body);
        }
        let answer = self
            .oracle
            .ask(self.vault.root_token(), &request)
            .await
            .unwrap();
        (answer.status, answer.body)
    }

    /// The `data` at a path, read with the root token; null if there is none.
    pub(crate) async fn read(&self, path: &str) -> Value {
        self.ask("GET", path, Value::Null).await.1["data"].clone()
    }

    /// Writes with the root token.
    pub(crate) async fn write(&self, path: &str, body: Value) {
        let (status, body) = self.ask("POST", path, body).await;
        assert!(status < 300, "{path}: {status} {body}");
    }

    /// Versions 1 to `count` of the secret `app` in a KV v2 mount, each with one key, `k`.
    pub(crate) async fn versions(&self, mount: &str, count: u64) {
        for version in 1..=count {
            let data = json!({ "k": format!("canary-{version}") });
            self.write(&format!("{mount}/data/app"), json!({ "data": data }))
                .await;
        }
    }

    /// Everything below the root of a mount, by its name in Vault's listings.
    pub(crate) async fn names(&self, listing: &str) -> Vec<String> {
        let keys = self.ask("LIST", listing, Value::Null).await.1["data"]["keys"].clone();
        serde_json::from_value(keys).unwrap_or_default()
    }
}

/// The arguments of a tool for the secret `app`.
pub(crate) fn app(mount: &str, more: Value) -> Value {
    let mut arguments = json!({ "mount": mount, "path": "app" });
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    arguments
}
