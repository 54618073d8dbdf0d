//! The streamable HTTP transport: the MCP endpoint and the health check, behind
//! checks that keep web pages out.
//!
//! The server listens on loopback, where every page in a local browser could
//! reach it: by a request from a foreign origin, or by a name that resolves to
//! 127.0.0.1 (DNS rebinding). `Origin` and `Host` give both away. Whom a request
//! acts as is found out by [`credential`].

mod credential;

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{HEALTH_PATH, HttpOptions},
    server::VaultServer,
};

/// Largest request; the arguments of one call and some room.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Longest time in which the body of a request may arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time in which the head of a request may arrive, and in which a connection may idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long open requests may go on after the server was told to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);

/// Serves until `shutdown` is cancelled.
///
/// # Errors
/// An I/O error if the address cannot be listened on.
pub async fn serve(
    server: VaultServer,
    options: &HttpOptions,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listener = TcpListener::bind(options.address).await?;
    let address = listener.local_addr()?;
    tracing::info!("serving http://{address}{}", options.endpoint);
    let app = app(server, &options.endpoint, address, shutdown.child_token());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    let connections = TaskTracker::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                // The client is gone already, or there are too many.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = shutdown.cancelled() => break,
        };
        // Answers are small and somebody waits for each; a failure costs some time, nothing else.
        let _ = stream.set_nodelay(true);
        let connection =
            http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        let shutdown = shutdown.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            tokio::select! {
                // A broken connection is the client's business.
                _ = connection.as_mut() => {}
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    connections.close();
    // Whoever is still busy after that is cut off by the end of the process.
    let _ = tokio::time::timeout(SHUTDOWN_GRACE, connections.wait()).await;
    Ok(())
}

fn app(
    server: VaultServer,
    endpoint: &str,
    address: SocketAddr,
    shutdown: CancellationToken,
) -> Router {
    let config = StreamableHttpServerConfig::default()
        .with_max_request_body_bytes(MAX_BODY_BYTES)
        .with_cancellation_token(shutdown)
        // `refuse_foreign` checks both for every path, and more strictly.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let for_clients = server.clone();
    let mcp = StreamableHttpService::new(
        move || Ok(for_clients.for_another_client()),
        LocalSessionManager::default().into(),
        config,
    );
    let health = json!({
        "status": "ok",
        "service": env!("CARGO_PKG_NAME"),
        "transport": "streamable-http",
        "endpoint": endpoint,
    })
    .to_string();
    Router::new()
        .route_service(endpoint, mcp.clone())
        .route_service(&format!("{endpoint}/"), mcp)
        .route_layer(middleware::from_fn_with_state(server, credential::identify))
        .route(
            HEALTH_PATH,
            get(async move || ([(header::CONTENT_TYPE, "application/json")], health)),
        )
        .layer(middleware::from_fn(refuse_malformed))
        .layer(middleware::from_fn_with_state(address, refuse_foreign))
}

async fn refuse_foreign(
    State(address): State<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    match foreign(request.headers(), address.port()) {
        Some(reason) => (StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    }
}

/// Answers what is no JSON-RPC request with a JSON-RPC error; rmcp answers with a text.
/// The body is received here, so that its size and the time it takes are bounded.
async fn refuse_malformed(request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            return (
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request is larger than 4 MiB",
            )
                .into_response();
        }
        Err(_) => {
            return (
                StatusCode::REQUEST_TIMEOUT,
                "the request took too long to arrive",
            )
                .into_response();
        }
    };
    match malformed(&body) {
        Some(error) => {
            let json = [(header::CONTENT_TYPE, "application/json")];
            (StatusCode::BAD_REQUEST, json, error.to_string()).into_response()
        }
        None => next.run(Request::from_parts(head, Body::from(body))).await,
    }
}

/// The JSON-RPC error for a body that is no single JSON-RPC message.
fn malformed(body: &[u8]) -> Option<Value> {
    let error = |code: i32, message: &str, id: &Value| {
        Some(json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }))
    };
    let Ok(message) = serde_json::from_slice::<Value>(body) else {
        return error(-32700, "the body is not JSON", &Value::Null);
    };
    let id = match &message["id"] {
        id if id.is_string() || id.is_i64() || id.is_u64() => id,
        _ => &Value::Null,
    };
    if message["jsonrpc"] != "2.0" {
        return error(
            -32600,
            "the body is not one JSON-RPC 2.0 message; batches are not supported",
            id,
        );
    }
    if message.get("id").is_some() && id.is_null() {
        return error(-32600, "`id` must be a string or an integer", id);
    }
    if message
        .get("method")
        .is_some_and(|method| !method.is_string())
    {
        return error(-32600, "`method` must be a string", id);
    }
    if ["method", "result", "error"]
        .iter()
        .all(|member| message.get(member).is_none())
    {
        return error(-32600, "the message has no `method`", id);
    }
    None
}

/// Why a request is refused, if it is.
fn foreign(headers: &HeaderMap, port: u16) -> Option<&'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts
        .next()
        .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    if hosts.next().is_some()
        || !host.is_some_and(|host| !host.as_str().contains('@') && is_loopback(host.host()))
    {
        return Some("the Host header does not name this server");
    }
    headers
        .get_all(header::ORIGIN)
        .iter()
        .any(|origin| {
            !origin
                .to_str()
                .is_ok_and(|origin| is_own_origin(origin, port))
        })
        .then_some("requests from other origins are not allowed")
}

/// Compares texts, as a parser might find more than one way to read an origin.
fn is_own_origin(origin: &str, port: u16) -> bool {
    ["127.0.0.1", "[::1]", "localhost"]
        .iter()
        .any(|host| origin == format!("http://{host}:{port}"))
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "[::1]") || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn refused(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        foreign(&headers, 8080).is_some()
    }

    #[test]
    fn a_client_without_an_origin_and_the_servers_own_pages_are_served() {
        assert!(!refused("127.0.0.1:8080", None));
        assert!(!refused("localhost", None));
        assert!(!refused("[::1]:8080", Some("http://[::1]:8080")));
        assert!(!refused("localhost:8080", Some("http://localhost:8080")));
    }

    #[test]
    fn every_other_origin_is_refused() {
        for origin in [
            "null",
            "https://evil.example",
            "http://localhost",
            "http://localhost:3000",
            "https://localhost:8080",
            "http://localhost:8080.evil.example",
            "http://localhost:8080@evil.example",
            "http://evil.example@localhost:8080",
            "http://localhost:8080/",
            "http://localhost:8080, http://evil.example",
            "",
        ] {
            assert!(refused("localhost:8080", Some(origin)), "{origin}");
        }
    }

    #[test]
    fn what_is_no_json_rpc_message_gets_the_error_that_json_rpc_has_for_it() {
        let code = |body: &str| {
            malformed(body.as_bytes())
                .map(|error| (error["error"]["code"].clone(), error["id"].clone()))
        };
        for (body, expected, id) in [
            ("{bad", -32700, json!(null)),
            ("", -32700, json!(null)),
            (
                r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
                -32600,
                json!(null),
            ),
            (r#"{"id":1,"method":"ping"}"#, -32600, json!(1)),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                -32600,
                json!(null),
            ),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":3}"#,
                -32600,
                json!("a"),
            ),
            (r#"{"jsonrpc":"2.0","id":7}"#, -32600, json!(7)),
        ] {
            assert_eq!(code(body), Some((json!(expected), id)), "{body}");
        }
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), None);
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
            None
        );
    }

    #[test]
    fn a_foreign_host_is_refused() {
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "user@localhost",
            "127.0.0.1.evil",
            "",
        ] {
            assert!(refused(host, None), "{host}");
        }
        assert!(foreign(&HeaderMap::new(), 8080).is_some());
    }
}
