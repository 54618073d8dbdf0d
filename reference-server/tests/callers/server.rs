//! The binary serving over HTTP, and requests with credentials.

use std::{
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Headers of a request.
pub(crate) type Headers<'a> = &'a [(&'a str, &'a str)];

/// A running server.
pub(crate) struct Server {
    _process: Child,
    client: reqwest::Client,
    url: String,
    log: Arc<Mutex<String>>,
    calls: AtomicU64,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    /// The JSON-RPC message of the answer, the last one if there are several.
    pub(crate) fn message(&self) -> Value {
        let data = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data:"));
        let mut messages = data.filter_map(|data| serde_json::from_str(data).ok());
        let last = messages.next_back();
        last.unwrap_or_else(|| serde_json::from_str(&self.text).unwrap())
    }

    /// The result of a tool, or the JSON object of its error.
    pub(crate) fn outcome(&self) -> Result<Value, Value> {
        assert_eq!(self.status, 200, "{self:?}");
        let result = &self.message()["result"];
        match result["isError"] == true {
            true => {
                Err(serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap())
            }
            false => Ok(result["structuredContent"].clone()),
        }
    }

    /// `ok`, or the kind of the error.
    pub(crate) fn kind(&self) -> String {
        match self.outcome() {
            Ok(_) => "ok".to_owned(),
            Err(error) => error["kind"].as_str().unwrap().to_owned(),
        }
    }
}

impl Server {
    /// Starts a server on a free port with only these variables set.
    pub(crate) async fn start(env: &[(&str, &str)]) -> Self {
        vault_mcp_reference::vault::client::install_crypto_provider();
        let mut process = Command::new(env!("CARGO_BIN_EXE_vault-mcp-reference"))
            .args(["--log-level", "debug", "streamable-http", "-p", "0"])
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let url = loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some((_, url)) = line.split_once("serving ") {
                break url.to_owned();
            }
        };
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        Self {
            _process: process,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url,
            log,
            calls: AtomicU64::new(2),
        }
    }

    /// A unique id, because calls of one session may run concurrently.
    fn next_id(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::Relaxed)
    }

    /// The complete log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// A request with this method and these headers.
    pub(crate) async fn request(
        &self,
        method: &str,
        query: &str,
        body: &str,
        headers: Headers<'_>,
    ) -> Reply {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("{}{query}", self.url))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        Reply {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            text: answer.text().await.unwrap(),
        }
    }

    pub(crate) async fn post(&self, message: &Value, headers: Headers<'_>) -> Reply {
        self.request("POST", "", &message.to_string(), headers)
            .await
    }

    /// Opens a session; returns its id.
    pub(crate) async fn session(&self, headers: Headers<'_>) -> String {
        let reply = self.post(&hello(), headers).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let id = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let begun = self.in_session(&id, &message, headers).await;
        assert_eq!(begun.status, 202, "{begun:?}");
        id
    }

    /// Sends a message in a session.
    pub(crate) async fn in_session(
        &self,
        id: &str,
        message: &Value,
        headers: Headers<'_>,
    ) -> Reply {
        let of_session = [
            ("mcp-session-id", id),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        self.post(message, &[&of_session, headers].concat()).await
    }

    /// Calls a tool in a session.
    pub(crate) async fn call(
        &self,
        id: &str,
        tool: &str,
        arguments: Value,
        headers: Headers<'_>,
    ) -> Reply {
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": self.next_id(), "method": "tools/call", "params": params });
        self.in_session(id, &message, headers).await
    }

    /// Calls a tool in the stateless era.
    pub(crate) async fn call_stateless(
        &self,
        tool: &str,
        arguments: Value,
        headers: Headers<'_>,
    ) -> Reply {
        const VERSION: &str = "2026-07-28";
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": VERSION,
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let message = json!({ "jsonrpc": "2.0", "id": self.next_id(), "method": "tools/call", "params": params });
        let of_era = [
            ("mcp-protocol-version", VERSION),
            ("mcp-method", "tools/call"),
            ("mcp-name", tool),
        ];
        self.post(&message, &[&of_era, headers].concat()).await
    }
}

/// The request that opens a session.
pub(crate) fn hello() -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "0" },
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}
