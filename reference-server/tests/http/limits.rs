//! Limits on what one client can make the server accept or wait for.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::server::{PATIENCE, Server, hello, message};

/// The server's maximum number of connections.
const MAX_CONNECTIONS: usize = 480;

async fn is_well(server: &Server) {
    let answer = server.post(&hello("2025-11-25")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_request_of_the_wrong_kind_is_refused() {
    let server = Server::start(&[]).await;
    let session = server.session().await;
    let ping = message("ping", json!({}));
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "",
    ] {
        let request = server
            .request(Method::POST, "/mcp")
            .header("content-type", kind)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", &session)
            .body(ping.to_string());
        assert_eq!(request.send().await.unwrap().status(), 415, "{kind}");
    }
    for method in [Method::PUT, Method::PATCH, Method::HEAD] {
        let answer = server.request(method.clone(), "/mcp").send().await.unwrap();
        assert_eq!(answer.status(), 405, "{method}");
    }
    for path in ["/", "/mcp/other", "/sse"] {
        let answer = server.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    is_well(&server).await;
}

#[tokio::test]
async fn a_flood_of_headers_or_of_body_is_refused() {
    let server = Server::start(&[]).await;
    let many = "x-flood: x\r\n".repeat(5000);
    let long = format!("x-flood: {}\r\n", "x".repeat(1 << 20));
    let body = "x".repeat(8 << 20);
    let huge = format!("content-length: 104857600\r\n\r\n{body}");
    let huge_chunks = format!("transfer-encoding: chunked\r\n\r\n800000\r\n{body}\r\n0\r\n");
    for (headers, expected) in [
        (many, "431"),
        (long, "431"),
        (huge, "413"),
        (huge_chunks, "413"),
        (
            "content-length: 1\r\ncontent-length: 2\r\n".to_owned(),
            "400",
        ),
    ] {
        let sent = format!("POST /mcp HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        let answer = String::from_utf8(server.raw(sent.as_bytes()).await).unwrap();
        // The connection may be reset before the answer is read.
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(status.is_empty() || status == expected, "{answer}");
        is_well(&server).await;
    }
}

#[tokio::test]
async fn what_arrives_too_slowly_is_given_up() {
    let server = Server::start(&[]).await;
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let slow_body = format!("{head}content-length: 100\r\n\r\n{{");
    let (slow_head, slow_body) = tokio::join!(
        trickle(&server, head, "x-slow: x\r\n"),
        trickle(&server, &slow_body, " "),
    );
    assert_eq!(slow_head, "");
    assert!(slow_body.starts_with("HTTP/1.1 408 "), "{slow_body}");
    is_well(&server).await;
}

/// Sends a beginning, then repeatedly more; returns the answer.
async fn trickle(server: &Server, beginning: &str, more: &str) -> String {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    writer.write_all(beginning.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut beat = tokio::time::interval(Duration::from_secs(1));
    let whole = async {
        loop {
            tokio::select! {
                read = reader.read_buf(&mut answer) => match read {
                    Ok(1..) => {}
                    _ => break,
                },
                _ = beat.tick() => {
                    let _ = writer.write_all(more.as_bytes()).await;
                }
            }
        }
    };
    timeout(PATIENCE, whole).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_make_room_when_they_go() {
    let server = Server::start(&[]).await;
    let mut held = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        held.push(TcpStream::connect(server.address).await.unwrap());
    }
    let request = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert_eq!(server.raw(request).await, b"", "there is no place for it");

    held.clear();
    let room = async {
        while server.request(Method::GET, "/health").send().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, room).await.unwrap();
    is_well(&server).await;
}
