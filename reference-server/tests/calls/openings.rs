//! How clients open a connection: in every revision, on each transport, with and without sessions, in each mode.

use std::time::Duration;

use reqwest::Certificate;
use rmcp::{RoleServer, service::serve_directly_with_ct};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use vault_mcp_reference::{server::VaultServer, vault::client::install_crypto_provider};

use crate::{
    TOKEN,
    client::{Client, GENEROUS, address, callers, fixed, rates},
    harness::FakeVault,
    http::{Answer, HttpServer, Post, alone, hello, in_session},
    program::program,
};

const SESSION_REVISIONS: [&str; 2] = ["2025-06-18", "2025-11-25"];
const STATELESS_REVISION: &str = "2026-07-28";
/// Ends a test that hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A documented way to run the server.
struct Mode {
    name: &'static str,
    env: Vec<(&'static str, String)>,
    /// The headers of every request.
    headers: Vec<(&'static str, String)>,
    /// The certificate that clients trust.
    trusted: Option<Certificate>,
}

impl Mode {
    fn new(name: &'static str, env: &[(&'static str, &str)]) -> Self {
        let env = env.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            name,
            env: env.collect(),
            headers: Vec::new(),
            trusted: None,
        }
    }

    fn bringing(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn env(&self) -> Vec<(&str, &str)> {
        let env = self.env.iter();
        env.map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// Adds the headers of this mode to a request.
    fn dressed(&self, mut post: Post) -> Post {
        post.headers.extend(self.headers.clone());
        post
    }
}

/// The modes of both transports.
fn modes(folder: &TempDir) -> Vec<Mode> {
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    vec![
        Mode::new("plain", &[]),
        Mode::new("read-only", &[("ENABLE_VAULT_OPERATIONS", "false")]),
        Mode::new(
            "rate limits",
            &[
                ("MCP_RATE_LIMIT_SESSION", "10:20"),
                ("MCP_RATE_LIMIT_GLOBAL", "10:20"),
            ],
        ),
        Mode::new("namespace", &[("VAULT_NAMESPACE", "team")]),
        Mode::new(
            "token file",
            &[
                ("VAULT_TOKEN", ""),
                ("VAULT_TOKEN_FILE", token.to_str().unwrap()),
            ],
        ),
        Mode::new("token renewal", &[("VAULT_TOKEN_RENEW", "true")]),
    ]
}

/// The modes of HTTP only.
fn http_modes(folder: &TempDir) -> Vec<Mode> {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert"), folder.path().join("key"));
    std::fs::write(&certificate, own.cert.pem()).unwrap();
    std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
    let tls = Mode::new(
        "TLS",
        &[
            ("MCP_TLS_CERT_FILE", certificate.to_str().unwrap()),
            ("MCP_TLS_KEY_FILE", key.to_str().unwrap()),
        ],
    );
    let page = "https://app.example.com";
    vec![
        Mode::new("per-request token", &[("VAULT_TOKEN", "")]).bringing("x-vault-token", TOKEN),
        Mode::new("per-request namespace", &[]).bringing("x-vault-namespace", "team"),
        Mode::new("listed origins", &[("MCP_ALLOWED_ORIGINS", page)]).bringing("origin", page),
        Mode::new("pages of this machine", &[("MCP_CORS_MODE", "development")])
            .bringing("origin", "http://localhost:6274"),
        Mode {
            trusted: Some(Certificate::from_pem(own.cert.pem().as_bytes()).unwrap()),
            ..tls
        },
    ]
}

fn read_secret() -> Value {
    json!({ "name": "read_secret", "arguments": { "mount": "secret", "path": "app" } })
}

async fn vault_with_a_secret() -> (wiremock::MockServer, FakeVault) {
    let (vault, state) = FakeVault::start(2).await;
    state.store("app", 1, json!({ "key": "value" }));
    (vault, state)
}

fn assert_usable(list: &Value, call: &Value, context: &str) {
    let tools = list["tools"].as_array();
    assert!(tools.is_some_and(|tools| !tools.is_empty()), "{context}");
    let data = &call["structuredContent"]["data"];
    assert_eq!(data, &json!({ "key": "value" }), "{context}: {call}");
}

/// One client: opens a connection over HTTP and makes the usual requests.
async fn use_over_http(server: &HttpServer, mode: &Mode, revision: &str, context: &str) {
    let send = async |post: Post| server.post(&mode.dressed(post)).await;
    let answer = send(hello(revision)).await;
    assert_eq!(answer.status, 200, "{context}: {}", answer.shown());
    assert_eq!(
        answer.message()["result"]["protocolVersion"],
        revision,
        "{context}: {}",
        answer.shown()
    );
    let id = answer.headers.get("mcp-session-id");
    let id = id.map(|id| id.to_str().unwrap());
    let then = |method: &str, params: Value| {
        in_session("", revision, method, params).header("mcp-session-id", id)
    };
    let begun = send(then("notifications/initialized", json!({})).body("/id", None)).await;
    assert_eq!(begun.status, 202, "{context}: {}", begun.shown());
    let list = send(then("tools/list", json!({}))).await;
    let call = send(then("tools/call", read_secret())).await;
    assert_usable(list.result(), call.result(), context);
}

async fn use_standing_alone(server: &HttpServer, mode: &Mode, context: &str) {
    let send = async |method: &str, params: Value| -> Answer {
        server.post(&mode.dressed(alone(method, params))).await
    };
    let discovered = send("server/discover", json!({})).await;
    let spoken = discovered.result()["supportedVersions"].as_array();
    assert!(
        spoken.is_some_and(|all| all.contains(&json!(STATELESS_REVISION))),
        "{context}: {}",
        discovered.shown()
    );
    let list = send("tools/list", json!({})).await;
    let call = send("tools/call", read_secret()).await;
    assert_usable(list.result(), call.result(), context);
}

#[tokio::test]
async fn clients_of_every_revision_are_served_over_http_with_sessions_and_without_in_every_mode() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, _state) = vault_with_a_secret().await;
    for mode in modes(&folder).into_iter().chain(http_modes(&folder)) {
        for sessions in ["stateful", "stateless"] {
            let env = [mode.env(), vec![("MCP_SESSION_MODE", sessions)]].concat();
            let server = HttpServer::start_in(&vault.uri(), &env, mode.trusted.clone()).await;
            // Two clients of each revision, in turn.
            for client in 0..2 {
                for revision in SESSION_REVISIONS {
                    let context = format!("{}, {sessions}, {revision}, {client}", mode.name);
                    use_over_http(&server, &mode, revision, &context).await;
                }
                let context = format!("{}, {sessions}, {STATELESS_REVISION}", mode.name);
                use_standing_alone(&server, &mode, &context).await;
            }
        }
    }
}

#[tokio::test]
async fn without_sessions_clients_that_open_connections_at_once_are_all_served() {
    let (vault, _state) = vault_with_a_secret().await;
    let env = [("MCP_SESSION_MODE", "stateless")];
    let server = HttpServer::start_in(&vault.uri(), &env, None).await;
    let opened = (0..16).map(|client: usize| {
        let revision = SESSION_REVISIONS[client % SESSION_REVISIONS.len()];
        let name = format!("client {client}");
        let post = hello(revision).body("/params/clientInfo/name", Some(json!(name)));
        let server = &server;
        async move {
            let answer = server.post(&post).await;
            assert_eq!(answer.result()["protocolVersion"], revision);
            assert!(!answer.headers.contains_key("mcp-session-id"));
        }
    });
    futures::future::join_all(opened).await;
}

#[tokio::test]
async fn without_sessions_another_revision_is_offered_where_the_one_asked_for_is_not_spoken() {
    let (vault, _state) = FakeVault::start(2).await;
    let env = [("MCP_SESSION_MODE", "stateless")];
    let server = HttpServer::start_in(&vault.uri(), &env, None).await;
    for asked in ["2024-11-05", "2025-03-26", "2026-07-28", "1.0.0"] {
        let answer = server.post(&hello(asked)).await;
        assert_eq!(answer.result()["protocolVersion"], "2025-11-25", "{asked}");
    }
}

#[tokio::test]
async fn clients_of_every_revision_are_served_over_stdio_in_every_mode() {
    let folder = tempfile::tempdir().unwrap();
    let (vault, _state) = vault_with_a_secret().await;
    let vault_addr = vault.uri();
    for mode in modes(&folder) {
        for sessions in ["stateful", "stateless"] {
            for revision in SESSION_REVISIONS {
                let context = format!("{}, {sessions}, {revision}", mode.name);
                let own = [("MCP_SESSION_MODE", sessions)];
                let env = [&mode.env()[..], &own].concat();
                let used = use_over_stdio(&vault_addr, &env, revision, &context);
                timeout(PATIENCE, used).await.unwrap();
            }
        }
    }
}

async fn use_over_stdio(vault: &str, env: &[(&str, &str)], revision: &str, context: &str) {
    let plain = [("VAULT_ADDR", vault), ("VAULT_TOKEN", TOKEN)];
    let mut process = program(&["stdio"], &[&plain, env].concat())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut ask = async |post: Post| -> Value {
        let line = format!("{}\n", post.body);
        stdin.write_all(line.as_bytes()).await.unwrap();
        match post.body.get("id") {
            Some(_) => serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap(),
            None => Value::Null,
        }
    };
    let then = |method: &str, params: Value| in_session("", revision, method, params);
    let opened = ask(hello(revision)).await;
    assert_eq!(
        opened["result"]["protocolVersion"], revision,
        "{context}: {opened}"
    );
    ask(then("notifications/initialized", json!({})).body("/id", None)).await;
    let list = ask(then("tools/list", json!({}))).await;
    let call = ask(then("tools/call", read_secret())).await;
    assert_usable(&list["result"], &call["result"], context);
    // The connection keeps its first negotiation.
    let other = hello(revision).body("/params/clientInfo/name", Some(json!("another")));
    assert_eq!(ask(other).await["error"]["code"], -32600, "{context}");

    let discovered = ask(alone("server/discover", json!({}))).await;
    let spoken = discovered["result"]["supportedVersions"].as_array();
    assert!(
        spoken.is_some_and(|all| all.contains(&json!(STATELESS_REVISION))),
        "{context}: {discovered}"
    );
    let list = ask(alone("tools/list", json!({}))).await;
    let call = ask(alone("tools/call", read_secret())).await;
    assert_usable(&list["result"], &call["result"], context);
}

#[tokio::test]
async fn on_a_transport_that_does_not_say_what_it_is_no_call_is_carried_out() {
    install_crypto_provider();
    let (vault, state) = vault_with_a_secret().await;
    let callers = callers(
        address(&vault.uri()),
        fixed(TOKEN),
        rates(GENEROUS, GENEROUS),
    );
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let stop = CancellationToken::new();
    // rmcp's own stream transport: for the server it is neither stdio nor HTTP.
    let _running = serve_directly_with_ct::<RoleServer, _, _, _, _>(
        VaultServer::new(callers),
        tokio::io::split(theirs),
        None,
        stop.clone(),
    );
    let _ends_with_this = stop.drop_guard();
    let mut client = Client::on(ours).begun().await;
    let answer = client.request("tools/call", read_secret()).await;
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    assert_eq!(state.take_requests(), Vec::<String>::new());
}
