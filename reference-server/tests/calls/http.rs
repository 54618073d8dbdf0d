//! An HTTP client for the binary that controls each request and header.

use std::{collections::BTreeMap, process::Stdio};

use reqwest::{Certificate, Method, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use vault_mcp_reference::vault::client::install_crypto_provider;

use crate::client::GENEROUS;

/// The binary, serving HTTP on its own port.
pub(crate) struct HttpServer {
    process: Child,
    url: String,
    http: reqwest::Client,
}

/// An answer, received as JSON or as an event stream.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) messages: Vec<Value>,
    pub(crate) body: String,
}

/// A request that can be changed before it is sent.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) headers: BTreeMap<&'static str, String>,
    pub(crate) body: Value,
}

impl HttpServer {
    /// Starts the binary for the Vault at this address.
    pub(crate) async fn start(vault_addr: &str) -> Self {
        Self::start_in(vault_addr, &[], None).await
    }

    /// The same with further variables; the client trusts only this certificate, if there is one.
    pub(crate) async fn start_in(
        vault_addr: &str,
        env: &[(&str, &str)],
        trusted: Option<Certificate>,
    ) -> Self {
        install_crypto_provider();
        let mut process = Command::new(env!("CARGO_BIN_EXE_vault-mcp-reference"))
            .args(["streamable-http", "--transport-port", "0"])
            .env_clear()
            .env("VAULT_ADDR", vault_addr)
            .env("VAULT_TOKEN", crate::TOKEN)
            .env("MCP_RATE_LIMIT_SESSION", GENEROUS)
            .env("MCP_RATE_LIMIT_GLOBAL", GENEROUS)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let url = loop {
            let line = log.next_line().await.unwrap().unwrap();
            if let Some((_, url)) = line.split_once("serving ") {
                break url.to_owned();
            }
        };
        // The pipe must be read, or the server's writes to its log fail.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        let client = reqwest::Client::builder().no_proxy();
        let client = match trusted {
            Some(certificate) => client.tls_certs_only([certificate]),
            None => client,
        };
        Self {
            process,
            url,
            http: client.build().unwrap(),
        }
    }

    /// Sends a request; returns as soon as the head of the answer arrives.
    pub(crate) async fn send(&self, method: Method, post: &Post) -> reqwest::Response {
        let mut request = self
            .http
            .request(method, &self.url)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(post.body.to_string());
        for (name, value) in &post.headers {
            request = request.header(*name, value);
        }
        request.send().await.unwrap()
    }

    /// Sends a request; returns the whole answer.
    pub(crate) async fn post(&self, post: &Post) -> Answer {
        Answer::read(self.send(Method::POST, post).await).await
    }

    /// Signals the server to stop.
    #[cfg(unix)]
    pub(crate) async fn terminate(&self) {
        let id = self.process.id().unwrap().to_string();
        let mut kill = Command::new("kill");
        assert!(kill.args(["-TERM", &id]).status().await.unwrap().success());
    }

    /// Opens a session of this revision; returns its id and the answer to `initialize`.
    pub(crate) async fn initialize(&self, revision: &str) -> (String, Answer) {
        let answer = self.post(&hello(revision)).await;
        let id = answer.headers["mcp-session-id"].to_str().unwrap();
        (id.to_owned(), answer)
    }
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.text().await.unwrap();
        let events = body.lines().filter_map(|line| line.strip_prefix("data:"));
        let messages = match serde_json::from_str(&body) {
            Ok(message) => vec![message],
            Err(_) => events
                .filter_map(|data| serde_json::from_str(data).ok())
                .collect(),
        };
        Self {
            status,
            headers,
            messages,
            body,
        }
    }

    /// The answer, for the message of a failed test.
    pub(crate) fn shown(&self) -> String {
        let body: String = self.body.chars().take(400).collect();
        format!("{} {body}", self.status)
    }

    /// The last message, which answers the request.
    pub(crate) fn message(&self) -> &Value {
        self.messages
            .last()
            .unwrap_or_else(|| panic!("no message: {}", self.shown()))
    }

    pub(crate) fn result(&self) -> &Value {
        &self.message()["result"]
    }

    /// The status and the code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, i64) {
        let code = self.message()["error"]["code"].as_i64();
        (
            self.status,
            code.unwrap_or_else(|| panic!("no error: {}", self.shown())),
        )
    }
}

/// The `_meta` of a request of 2026-07-28.
pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// The `initialize` of a session.
pub(crate) fn hello(revision: &str) -> Post {
    let params = json!({
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "0" },
    });
    Post {
        headers: BTreeMap::new(),
        body: json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }),
    }
}

/// A request in a session.
pub(crate) fn in_session(id: &str, revision: &str, method: &str, params: Value) -> Post {
    Post {
        headers: BTreeMap::from([
            ("mcp-session-id", id.to_owned()),
            ("mcp-protocol-version", revision.to_owned()),
        ]),
        body: json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params }),
    }
}

/// A complete request of 2026-07-28.
pub(crate) fn alone(method: &str, mut params: Value) -> Post {
    let mut headers = BTreeMap::from([
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", method.to_owned()),
    ]);
    if let Some(name) = params["name"].as_str() {
        headers.insert("mcp-name", name.to_owned());
    }
    params["_meta"] = meta();
    Post {
        headers,
        body: json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }),
    }
}

impl Post {
    /// The same with another header, or without it.
    pub(crate) fn header(mut self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.headers.insert(name, value.to_owned()),
            None => self.headers.remove(name),
        };
        self
    }

    /// The same with another value in the body, or without it.
    pub(crate) fn body(mut self, pointer: &str, value: Option<Value>) -> Self {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let parent = self.body.pointer_mut(parent).unwrap();
        let member = member.replace("~1", "/");
        match value {
            Some(value) => parent[member] = value,
            None => drop(parent.as_object_mut().unwrap().remove(&member)),
        }
        self
    }
}
