//! Which pages in a browser the server accepts.

use reqwest::{Method, header::HeaderMap};
use serde_json::json;
use wiremock::MockServer;

use crate::server::{Server, hello, message, refusal};

const APP: &str = "https://app.example";

async fn server_with_app() -> Server {
    Server::start(&[(
        "MCP_ALLOWED_ORIGINS",
        "https://app.example, http://localhost:3000",
    )])
    .await
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_foreign_page_gets_403_on_every_path_and_verb_in_every_revision() {
    let server = server_with_app().await;
    let methods = ["GET", "POST", "DELETE", "OPTIONS", "PUT", "HEAD", "PATCH"];
    for origin in [
        "https://evil.example",
        "null",
        "https://app.example.evil",
        "https://app.example:8443",
        "http://app.example",
        "https://user@app.example",
        "http://localhost:3000.evil.com",
        "http://localhost:3001",
    ] {
        for method in methods {
            for path in ["/mcp", "/mcp/", "/health", "/", "/no/such"] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let request = server
                    .request(method.clone(), path)
                    .header("origin", origin);
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 403, "{method} {path} {origin}");
                let headers = answer.headers();
                assert_eq!(text(headers, "vary"), "Origin");
                assert!(!headers.contains_key("access-control-allow-origin"));
            }
        }
        for revision in ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
            let answer = server
                .post(&hello(revision))
                .header("origin", origin)
                .header("mcp-protocol-version", revision)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 403, "{revision} {origin}");
            assert!(!answer.headers().contains_key("mcp-session-id"));
        }
    }
}

#[tokio::test]
async fn what_a_foreign_page_asks_for_does_not_reach_vault() {
    let vault = MockServer::start().await;
    let server = Server::start(&[("VAULT_ADDR", &vault.uri())]).await;
    let session = server.session().await;
    let call = message(
        "tools/call",
        json!({ "name": "list_mounts", "arguments": {} }),
    );
    let in_session = || server.post(&call).header("mcp-session-id", &session);
    let refused = in_session().header("origin", APP).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(vault.received_requests().await.unwrap().len(), 0);
    // The server executes the same request without an origin.
    let answer = in_session().send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap();
    assert_ne!(vault.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_listed_page_is_served_and_may_read_the_session() {
    let server = server_with_app().await;
    for origin in [APP, "http://localhost:3000"] {
        let request = server.post(&hello("2025-11-25")).header("origin", origin);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let headers = answer.headers();
        assert!(headers.contains_key("mcp-session-id"));
        assert_eq!(text(headers, "access-control-allow-origin"), origin);
        assert!(text(headers, "access-control-expose-headers").contains("Mcp-Session-Id"));
        assert!(!headers.contains_key("access-control-allow-credentials"));
        assert_eq!(text(headers, "vary"), "Origin");
    }
    // So that a page can also read the error.
    let answer = server.post(&json!([])).header("origin", APP);
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(text(answer.headers(), "access-control-allow-origin"), APP);
    // A client without origin is no page, and the answer depends on the origin all the same.
    let answer = server.request(Method::GET, "/health").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(text(answer.headers(), "vary"), "Origin");
    assert_eq!(text(answer.headers(), "access-control-allow-origin"), "");
}

#[tokio::test]
async fn a_preflight_is_granted_to_listed_pages_alone() {
    let server = server_with_app().await;
    let preflight = |origin: &str| {
        server
            .request(Method::OPTIONS, "/mcp")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "content-type,mcp-session-id",
            )
            .send()
    };
    let granted = preflight(APP).await.unwrap();
    assert_eq!(granted.status(), 204);
    let headers = granted.headers();
    assert_eq!(text(headers, "access-control-allow-origin"), APP);
    assert_eq!(text(headers, "vary"), "Origin");
    assert!(!headers.contains_key("access-control-allow-credentials"));
    assert!(headers.contains_key("access-control-max-age"));
    for method in ["GET", "POST", "DELETE"] {
        assert!(text(headers, "access-control-allow-methods").contains(method));
    }
    let allowed = text(headers, "access-control-allow-headers").to_lowercase();
    for header in [
        "content-type",
        "accept",
        "authorization",
        "mcp-session-id",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "last-event-id",
        "x-vault-token",
        "x-vault-namespace",
    ] {
        assert!(allowed.split(", ").any(|name| name == header), "{header}");
    }

    let refused = preflight("https://evil.example").await.unwrap();
    assert_eq!(refused.status(), 403);
    for header in ["origin", "methods", "headers", "max-age"] {
        let header = format!("access-control-allow-{header}");
        assert!(!refused.headers().contains_key(&header));
    }
    // A request with this verb that is not a preflight has no meaning in MCP.
    let plain = server
        .request(Method::OPTIONS, "/mcp")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status(), 405);
    let plain = server
        .request(Method::OPTIONS, "/mcp")
        .header("origin", APP);
    assert_eq!(plain.send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn pages_of_this_machine_are_served_in_development_alone() {
    let page = "http://localhost:6274";
    for (mode, status) in [("strict", 403), ("development", 200)] {
        let server = Server::start(&[("MCP_CORS_MODE", mode)]).await;
        let request = server.post(&hello("2025-11-25")).header("origin", page);
        assert_eq!(request.send().await.unwrap().status(), status, "{mode}");
        let foreign = server.post(&hello("2025-11-25")).header("origin", APP);
        assert_eq!(foreign.send().await.unwrap().status(), 403, "{mode}");
    }
}

#[tokio::test]
async fn a_foreign_host_is_refused_and_one_that_is_listed_is_not() {
    let server = Server::start(&[("MCP_ALLOWED_HOSTS", "mcp.example.com")]).await;
    for (host, status) in [
        ("evil.example", 403),
        ("localhost.evil.example:80", 403),
        ("MCP.example.com:8443", 200),
        ("localhost:1", 200),
    ] {
        let request = server.post(&hello("2025-11-25")).header("host", host);
        assert_eq!(request.send().await.unwrap().status(), status, "{host}");
    }
    let smuggled =
        b"GET http://evil.example/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = String::from_utf8(server.raw(smuggled).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn what_would_let_any_page_in_does_not_start() {
    for (variable, value, expected) in [
        ("MCP_CORS_MODE", "disabled", "any web page"),
        ("MCP_CORS_MODE", "none", "`strict`"),
        ("MCP_ALLOWED_ORIGINS", "*", "wildcards"),
        (
            "MCP_ALLOWED_ORIGINS",
            "https://app.example,null",
            "\"null\"",
        ),
        (
            "MCP_ALLOWED_ORIGINS",
            "https://app.example/mcp",
            "`https://app.example`",
        ),
        (
            "MCP_ALLOWED_HOSTS",
            "https://mcp.example.com",
            "\"https://mcp.example.com\"",
        ),
    ] {
        let (code, said) = refusal(&[], &[(variable, value)]).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(variable) && said.contains(expected), "{said}");
    }
}
