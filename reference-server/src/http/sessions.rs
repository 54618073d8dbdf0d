//! Sessions of the revisions that have them: their maximum number, their idle timeout, and a check that a session to
//! end is one of this server.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde::Deserialize;

use crate::protocol::message::MAX_BYTES;

const SESSION_HEADER: &str = "mcp-session-id";
/// Maximum number of sessions. Concurrent requests can exceed it by the number of connections.
const MAX_SESSIONS: usize = 1000;
/// The server ends a session that is idle for this long; its client can open another.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// How long the server keeps an answer for a client that lost its connection. The client should reconnect after 3 s.
/// Answers contain secrets, and there may be many.
const ANSWER_KEPT: Duration = Duration::from_secs(5);
/// Seconds after which a client may try again when there are too many sessions.
const RETRY_AFTER: &str = "60";

/// The sessions of one server.
pub(super) fn manager() -> Arc<LocalSessionManager> {
    let mut manager = LocalSessionManager::default();
    manager.session_config.keep_alive = Some(IDLE_TIMEOUT);
    manager.session_config.completed_cache_ttl = ANSWER_KEPT;
    Arc::new(manager)
}

/// Rejects a new session if there are too many, and the end of a session that this server did not open.
pub(super) async fn guard(
    State(sessions): State<Arc<LocalSessionManager>>,
    request: Request,
    next: Next,
) -> Response {
    let id = session_id(request.headers());
    match (request.method().clone(), id) {
        (Method::POST, None) => {
            if sessions.sessions.read().await.len() < MAX_SESSIONS {
                return next.run(request).await;
            }
            let (head, body) = request.into_parts();
            // The body is already in memory, and no larger than this.
            let body = to_bytes(body, MAX_BYTES).await.unwrap_or_default();
            match begins_session(&body) {
                true => full(),
                false => next.run(Request::from_parts(head, Body::from(body))).await,
            }
        }
        (Method::DELETE, Some(id)) => {
            let is_known = sessions.sessions.read().await.contains_key(id.as_str());
            let response = next.run(request).await;
            // rmcp accepts the end of any session, known or not.
            match response.status() == StatusCode::ACCEPTED && !is_known {
                true => (StatusCode::NOT_FOUND, "there is no such session").into_response(),
                false => response,
            }
        }
        _ => next.run(request).await,
    }
}

fn session_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(SESSION_HEADER)?.to_str().ok()?;
    Some(id.to_owned())
}

fn begins_session(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Message {
        method: String,
    }
    serde_json::from_slice::<Message>(body).is_ok_and(|message| message.method == "initialize")
}

fn full() -> Response {
    tracing::warn!("a session was refused: there are {MAX_SESSIONS} already");
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::RETRY_AFTER, RETRY_AFTER)],
        "there are too many sessions; end one that is not needed, or try again later",
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use serde_json::{Value, json};
    use tokio::time::sleep;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        caller::tests::callers,
        config::HttpOptions,
        http::{app, host::AllowedHosts, origin::AllowedOrigins},
        server::VaultServer,
    };

    fn server() -> TowerToHyperService<Router> {
        let server = VaultServer::new(callers(Some("hvs.canary"), None));
        let options = HttpOptions {
            address: ([127, 0, 0, 1], 0).into(),
            endpoint: "/mcp".to_owned(),
            has_sessions: true,
            origins: AllowedOrigins::default(),
            hosts: AllowedHosts::new("", [127, 0, 0, 1].into()).unwrap(),
            tls: None,
        };
        let never = CancellationToken::new();
        TowerToHyperService::new(app(
            server,
            &options,
            AllowedOrigins::default(),
            never.clone(),
            never,
        ))
    }

    async fn post(
        server: &TowerToHyperService<Router>,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Response {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut request = Request::post("/mcp")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(session) = session {
            request = request.header(SESSION_HEADER, session);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        let (head, body) = server.call(request).await.unwrap().into_parts();
        let body = to_bytes(body, MAX_BYTES).await.unwrap();
        Response::from_parts(head, Body::from(body))
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lasts_as_long_as_something_is_asked_in_it() {
        let server = server();
        let hello = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "0" },
        });
        let begun = post(&server, None, "initialize", hello).await;
        let session = session_id(begun.headers()).unwrap();
        for _ in 0..3 {
            sleep(IDLE_TIMEOUT - Duration::from_secs(1)).await;
            let answer = post(&server, Some(&session), "ping", json!({})).await;
            assert_eq!(answer.status(), StatusCode::OK);
        }
        sleep(IDLE_TIMEOUT + Duration::from_secs(1)).await;
        let answer = post(&server, Some(&session), "ping", json!({})).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
}
