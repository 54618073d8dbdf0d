//! Sessions: their owner and their maximum number.

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Server, hello, message};

/// The server's maximum number of sessions.
const MAX_SESSIONS: usize = 1000;

#[tokio::test]
async fn a_session_of_another_instance_is_not_found_by_any_verb() {
    let (one, other) = tokio::join!(Server::start(&[]), Server::start(&[]));
    let session = one.session().await;
    let call = message("tools/list", json!({}));
    for id in [
        session.as_str(),
        "00000000-0000-4000-8000-000000000000",
        "1",
        "../x",
    ] {
        for method in [Method::POST, Method::DELETE] {
            let request = match method {
                Method::POST => other.post(&call),
                _ => other.request(method.clone(), "/mcp"),
            };
            let answer = request
                .header("accept", "application/json, text/event-stream")
                .header("mcp-session-id", id)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 404, "{method} {id}");
            assert!(!answer.headers().contains_key("mcp-session-id"));
        }
        let again = other
            .post(&hello("2025-11-25"))
            .header("mcp-session-id", id);
        assert_eq!(again.send().await.unwrap().status(), 404, "{id}");
    }
    assert_eq!(one.ping(&session).await.status(), 200);
}

#[tokio::test]
async fn a_session_that_was_ended_is_gone() {
    let server = Server::start(&[]).await;
    let (session, other) = (server.session().await, server.session().await);
    let end = || {
        let request = server.request(Method::DELETE, "/mcp");
        request.header("mcp-session-id", &session).send()
    };
    assert_eq!(end().await.unwrap().status(), 202);
    assert_eq!(server.ping(&session).await.status(), 404);
    assert_eq!(end().await.unwrap().status(), 404);
    assert_eq!(server.ping(&other).await.status(), 200);
}

#[tokio::test]
async fn there_are_not_more_sessions_than_there_can_be() {
    let server = Server::start(&[]).await;
    let first = server.session().await;
    for _ in 1..MAX_SESSIONS {
        server.session().await;
    }
    let refused = server.post(&hello("2025-11-25")).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    let wait: u32 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(wait > 0);
    assert!(!refused.headers().contains_key("mcp-session-id"));

    // Existing sessions still work, and so do requests that need none.
    assert_eq!(server.ping(&first).await.status(), 200);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "0" },
    });
    let list: Value = message("tools/list", json!({ "_meta": meta }));
    let stateless = server
        .post(&list)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/list");
    assert_eq!(stateless.send().await.unwrap().status(), 200);

    let end = server.request(Method::DELETE, "/mcp");
    let end = end.header("mcp-session-id", &first).send().await.unwrap();
    assert_eq!(end.status(), 202);
    server.session().await;
}
