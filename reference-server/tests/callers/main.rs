//! Credentials and rate limits of requests over HTTP: the binary, and a fake Vault that records each request with its
//! token.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod credentials;
mod limits;
mod read_only;
mod server;

use std::sync::{Arc, Mutex};

use serde_json::json;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use server::Server;

/// The server's own token.
const OWN: &str = "hvs.own-canary";

/// A Vault with one KV v2 mount, which is the same for all tokens.
#[derive(Clone, Default)]
struct Noting {
    /// `token namespace path` of each request, with `-` for a missing one.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Noting {
    async fn start() -> (MockServer, Self) {
        let vault = Self::default();
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(vault.clone())
            .mount(&server)
            .await;
        (server, vault)
    }

    /// The requests since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Respond for Noting {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let header = |name: &str| {
            let value = request.headers.get(name);
            value
                .map_or("-", |value| value.to_str().unwrap())
                .to_owned()
        };
        let path = request.url.path().trim_start_matches("/v1/").to_owned();
        let (token, namespace) = (header("x-vault-token"), header("x-vault-namespace"));
        self.asked
            .lock()
            .unwrap()
            .push(format!("{token} {namespace} {path}"));
        let metadata = json!({ "version": 1, "created_time": "2026-01-01T00:00:00Z" });
        match path.as_str() {
            "sys/internal/ui/mounts/secret" => ResponseTemplate::new(200).set_body_json(json!({
                "data": { "path": "secret/", "type": "kv", "options": { "version": "2" } },
            })),
            "secret/data/app" => ResponseTemplate::new(200).set_body_json(json!({
                "data": { "data": { "k": "v" }, "metadata": metadata }, "mount_type": "kv",
            })),
            "sys/mounts" => ResponseTemplate::new(200).set_body_json(json!({ "data": {} })),
            _ => ResponseTemplate::new(403)
                .set_body_json(json!({ "errors": [format!("{token} may not")] })),
        }
    }
}

/// A server in front of a recording Vault.
async fn start(env: &[(&str, &str)]) -> (MockServer, Noting, Server) {
    let (mock, vault) = Noting::start().await;
    let uri = mock.uri();
    let base = [
        ("VAULT_ADDR", uri.as_str()),
        ("MCP_RATE_LIMIT_SESSION", "10000:10000"),
        ("MCP_RATE_LIMIT_GLOBAL", "10000:10000"),
    ];
    let server = Server::start(&[&base[..], env].concat()).await;
    (mock, vault, server)
}
