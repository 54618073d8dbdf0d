//! How the server stops: running calls are answered, and nothing else delays it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::timeout,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use crate::server::{Server, message};

/// Timeout from the signal to the end.
const LIMIT: Duration = Duration::from_secs(5);

/// A slow Vault that reports when it receives a request.
struct SlowVault {
    takes: Duration,
    asked: Arc<Notify>,
}

impl Respond for SlowVault {
    fn respond(&self, _request: &Request) -> ResponseTemplate {
        self.asked.notify_one();
        ResponseTemplate::new(200)
            .set_body_json(json!({ "data": {} }))
            .set_delay(self.takes)
    }
}

/// A server with a slow Vault, and a notification of the first request to that Vault.
async fn server_with_slow_vault(takes: Duration) -> (MockServer, Arc<Notify>, Server) {
    let asked = Arc::new(Notify::new());
    let slow = SlowVault {
        takes,
        asked: asked.clone(),
    };
    let vault = MockServer::start().await;
    Mock::given(any()).respond_with(slow).mount(&vault).await;
    let server = Server::start(&[("VAULT_ADDR", &vault.uri())]).await;
    (vault, asked, server)
}

impl Server {
    /// Begins a call in a session; returns its answer when it arrives.
    fn call(
        &self,
        session: &str,
    ) -> impl Future<Output = reqwest::Result<(StatusCode, String)>> + use<> {
        let call = json!({ "name": "list_mounts", "arguments": {} });
        let call = self
            .post(&message("tools/call", call))
            .header("mcp-session-id", session)
            .send();
        async move {
            let answer = call.await?;
            Ok((answer.status(), answer.text().await?))
        }
    }

    /// A subscription of the stateless era: a stream that stays open.
    async fn listen(&self) -> reqwest::Response {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let listen = json!({ "_meta": meta, "notifications": {} });
        let answer = self
            .post(&message("subscriptions/listen", listen))
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "subscriptions/listen")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        answer
    }

    /// The exit code of the server, which must end within the timeout.
    async fn end(&mut self) -> Option<i32> {
        let ended = timeout(LIMIT, self.process.wait()).await;
        ended.unwrap().unwrap().code()
    }
}

#[tokio::test]
async fn what_is_in_hand_is_answered_while_streams_end_and_nobody_new_is_let_in() {
    let (_vault, asked, mut server) = server_with_slow_vault(Duration::from_secs(2)).await;
    let session = server.session().await;
    let mut listening = server.listen().await;
    let call = tokio::spawn(server.call(&session));
    asked.notified().await;
    server.terminate().await;
    let signalled = Instant::now();

    while listening.chunk().await.unwrap().is_some() {}
    let refused = async { while TcpStream::connect(server.address).await.is_ok() {} };
    timeout(LIMIT, refused).await.unwrap();
    assert!(!call.is_finished(), "all this is while the call is in hand");

    let (status, answer) = call.await.unwrap().unwrap();
    assert_eq!(status, 200);
    assert!(answer.contains(r#""id":1"#), "{answer}");
    assert!(answer.contains(r#""result""#), "{answer}");
    assert_eq!(server.end().await, Some(0));
    assert!(signalled.elapsed() < LIMIT, "{:?}", signalled.elapsed());
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() {
    let (_vault, asked, mut server) = server_with_slow_vault(Duration::from_secs(60)).await;
    let session = server.session().await;
    let call = tokio::spawn(server.call(&session));
    asked.notified().await;
    server.terminate().await;
    assert_eq!(server.end().await, Some(0));
    // The client gets an answer, too.
    let answer = timeout(LIMIT, call).await.unwrap().unwrap();
    assert!(answer.is_err() || !answer.unwrap().1.contains("result"));
}

#[tokio::test]
async fn connections_that_do_nothing_do_not_hold_it_up() {
    let mut server = Server::start(&[]).await;
    server.session().await;
    let mut connections = Vec::new();
    for sent in ["", "GET /health HTTP/1.1\r\nhost: local"] {
        let mut connection = TcpStream::connect(server.address).await.unwrap();
        connection.write_all(sent.as_bytes()).await.unwrap();
        connections.push(connection);
    }
    // Both connections were accepted before this one was answered.
    let health = server.request(Method::GET, "/health").send().await;
    assert_eq!(health.unwrap().status(), 200);
    server.terminate().await;
    assert_eq!(server.end().await, Some(0));
    for mut connection in connections {
        assert!(matches!(connection.read(&mut [0]).await, Ok(0) | Err(_)));
    }
}
