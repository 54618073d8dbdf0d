//! The streamable HTTP transport: the MCP endpoint and the health check, protected against web pages, floods and
//! eavesdroppers.
//!
//! The server acts for any client that reaches it. On loopback that includes every page in a local browser: by a
//! request from a foreign origin ([`origin`], [`cors`]), or by a name that resolves to 127.0.0.1 ([`host`]). On a
//! network it includes eavesdroppers ([`tls`]). `credential` determines which credential a request acts with.

mod connection;
mod cors;
mod credential;
pub mod host;
mod message;
pub mod origin;
mod revision;
mod sessions;
pub mod tls;

use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    http::header,
    middleware,
    routing::{get, post_service},
};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{origin::AllowedOrigins, revision::Revisions};
use crate::{
    config::{HEALTH_PATH, HttpOptions},
    protocol::message::MAX_BYTES,
    server::{TransportKind, VaultServer},
};

/// Time for running calls after shutdown begins.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(3);
/// Time after that to report to the clients that their calls are cancelled.
const GOODBYE: Duration = Duration::from_millis(500);

/// Serves until `shutdown` is cancelled. Running calls then have 3 s to finish.
///
/// # Errors
/// An I/O error if the server cannot listen on the address.
pub async fn serve(
    server: VaultServer,
    options: &HttpOptions,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let listener = TcpListener::bind(options.address).await?;
    let address = listener.local_addr()?;
    let scheme = match options.tls {
        Some(_) => "https",
        None => "http",
    };
    tracing::info!("serving {scheme}://{address}{}", options.endpoint);
    let calls = CancellationToken::new();
    let _ends_with_this = calls.clone().drop_guard();
    let origins = options.origins.clone().with_own(scheme, address.port());
    let app = app(server, options, origins, shutdown.clone(), calls.clone());
    let open = connection::accept(listener, app, options.tls.as_ref(), &shutdown).await;
    if timeout(SHUTDOWN_GRACE, open.wait()).await.is_err() {
        calls.cancel();
        // Connections that are still busy after that end with the process.
        let _ = timeout(GOODBYE, open.wait()).await;
    }
    Ok(())
}

/// All routes. Subscriptions end with `shutdown`, sessions and calls with `calls`.
fn app(
    server: VaultServer,
    options: &HttpOptions,
    origins: AllowedOrigins,
    shutdown: CancellationToken,
    calls: CancellationToken,
) -> Router {
    // Ends subscriptions, which would never end by themselves.
    let server = server.over(TransportKind::Http).until(shutdown);
    let config = StreamableHttpServerConfig::default()
        .with_max_request_body_bytes(MAX_BYTES)
        .with_cancellation_token(calls)
        .with_legacy_session_mode(options.has_sessions)
        .with_json_response(!options.has_sessions)
        // The layers check both, on every path and more strictly.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    let sessions = sessions::manager();
    let for_clients = server.clone();
    let mcp = StreamableHttpService::new(
        move || Ok(for_clients.for_another_client()),
        sessions.clone(),
        config,
    );
    // No GET: the server sends no messages of its own, so there is nothing to listen to.
    let mcp = post_service(mcp.clone()).delete_service(mcp);
    let endpoint = &options.endpoint;
    let health = json!({
        "status": "ok",
        "service": env!("CARGO_PKG_NAME"),
        "transport": "streamable-http",
        "endpoint": endpoint,
    })
    .to_string();
    let revisions = Revisions {
        has_sessions: options.has_sessions,
    };
    let origins = Arc::new(origins);
    let hosts = Arc::new(options.hosts.clone());
    // A request passes the layers from the last to the first. Route layers apply only to the endpoint.
    Router::new()
        .route(endpoint, mcp.clone())
        .route(&format!("{endpoint}/"), mcp)
        .route_layer(middleware::from_fn_with_state(sessions, sessions::guard))
        .route_layer(middleware::from_fn_with_state(
            revisions,
            message::refuse_malformed,
        ))
        // Before the message is read, and before the session is looked up by the transport's id.
        .route_layer(middleware::from_fn_with_state(server, credential::identify))
        .route(
            HEALTH_PATH,
            get(async move || ([(header::CONTENT_TYPE, "application/json")], health)),
        )
        .layer(middleware::from_fn(cors::answer_preflight))
        .layer(middleware::from_fn_with_state(hosts, host::refuse_foreign))
        .layer(middleware::from_fn_with_state(
            origins,
            cors::refuse_foreign,
        ))
}
