//! The streamable HTTP transport: the MCP endpoint and the health check, behind
//! checks that keep web pages out.
//!
//! The server listens on loopback, where every page in a local browser could
//! reach it: by a request from a foreign origin, or by a name that resolves to
//! 127.0.0.1 (DNS rebinding). `Origin` and `Host` give both away.

mod message;
mod revision;

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post_service},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    config::{HEALTH_PATH, HttpOptions},
    protocol::message::MAX_BYTES,
    server::VaultServer,
};

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
    let app = app(server, &options.endpoint, address, shutdown.clone());
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
    // Calls in hand go on when the server is told to stop; what would never end, ends.
    let server = server.until(shutdown);
    let config = StreamableHttpServerConfig::default()
        .with_max_request_body_bytes(MAX_BYTES)
        // `refuse_foreign` checks both for every path, and more strictly.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let mcp = StreamableHttpService::new(
        move || Ok(server.clone()),
        LocalSessionManager::default().into(),
        config,
    );
    // No GET: the server says nothing unasked, so there is nothing to listen to.
    let mcp = post_service(mcp.clone()).delete_service(mcp);
    let health = json!({
        "status": "ok",
        "service": env!("CARGO_PKG_NAME"),
        "transport": "streamable-http",
        "endpoint": endpoint,
    })
    .to_string();
    Router::new()
        .route(
            HEALTH_PATH,
            get(async move || ([(header::CONTENT_TYPE, "application/json")], health)),
        )
        .route(endpoint, mcp.clone())
        .route(&format!("{endpoint}/"), mcp)
        .layer(middleware::from_fn(message::refuse_malformed))
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
