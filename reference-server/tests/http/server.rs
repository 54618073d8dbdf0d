//! The program under test, and requests to it.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};

use crate::program::program;

/// Timeout for everything that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
pub(crate) struct Server {
    pub(crate) process: Child,
    /// The scheme, address and port.
    pub(crate) base: String,
    pub(crate) address: SocketAddr,
    pub(crate) client: Client,
}

fn command(arguments: &[&str], env: &[(&str, &str)]) -> Command {
    let http = ["streamable-http", "--transport-port", "0"];
    let mut command = program(
        &[&http, arguments].concat(),
        &[&[("VAULT_TOKEN", "hvs.canary")], env].concat(),
    );
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// The error message and exit code of a server that does not start.
pub(crate) async fn refusal(arguments: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = timeout(PATIENCE, command(arguments, env).output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("hvs.canary"), "{said}");
    (output.status.code(), said)
}

impl Server {
    /// Starts a server with these variables on a free port of loopback.
    pub(crate) async fn start(env: &[(&str, &str)]) -> Self {
        Self::start_with(&[], env).await
    }

    /// Starts a server with these arguments and variables on a free port.
    pub(crate) async fn start_with(arguments: &[&str], env: &[(&str, &str)]) -> Self {
        vault_mcp_reference::vault::client::install_crypto_provider();
        let mut process = command(arguments, env).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        while let Some(line) = log.next_line().await.unwrap() {
            if let Some((_, url)) = line.split_once("serving ") {
                let base = url.strip_suffix("/mcp").unwrap().to_owned();
                let address = base.split_once("://").unwrap().1.parse().unwrap();
                // The pipe must be read, or the server's writes to its log fail.
                tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
                let client = Client::builder().no_proxy().build().unwrap();
                return Self {
                    process,
                    base,
                    address,
                    client,
                };
            }
            seen.push(line);
        }
        panic!("the server did not say where it listens: {seen:?}");
    }

    /// A request to a path of the server.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.base))
            .timeout(PATIENCE)
    }

    /// A POST of this body to the endpoint, with all headers that MCP requires.
    pub(crate) fn post(&self, body: &Value) -> RequestBuilder {
        self.request(Method::POST, "/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.to_string())
    }

    /// Opens a session; returns its id.
    pub(crate) async fn session(&self) -> String {
        let answer = self.post(&hello("2025-11-25")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let id = answer.headers()["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned();
        answer.bytes().await.unwrap();
        id
    }

    /// The answer to a ping in a session.
    pub(crate) async fn ping(&self, session: &str) -> Response {
        self.post(&message("ping", json!({})))
            .header("mcp-session-id", session)
            .send()
            .await
            .unwrap()
    }

    /// Sends raw bytes; returns everything until the connection is closed.
    pub(crate) async fn raw(&self, sent: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may close the connection before all is sent.
        let _ = stream.write_all(sent).await;
        let mut answer = Vec::new();
        let reading = async { while let Ok(1..) = stream.read_buf(&mut answer).await {} };
        timeout(PATIENCE, reading).await.unwrap();
        answer
    }

    /// Signals the server to stop.
    pub(crate) async fn terminate(&self) {
        let id = self.process.id().unwrap().to_string();
        let kill = Command::new("kill").args(["-TERM", &id]).status();
        assert!(kill.await.unwrap().success());
    }
}

/// A request with this method.
pub(crate) fn message(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The request that opens a session.
pub(crate) fn hello(revision: &str) -> Value {
    let params = json!({
        "protocolVersion": revision,
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "0" },
    });
    message("initialize", params)
}
