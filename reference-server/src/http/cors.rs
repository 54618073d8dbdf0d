//! Cross-origin requests: which web pages may call, and with which headers (the Fetch standard's CORS protocol).
//!
//! The check of `Origin` comes first and covers every path, so that a page that may not call reaches nothing. The
//! server answers allowed pages with the CORS headers.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::origin::{AllowedOrigins, ForeignOrigin};

const METHODS: &str = "GET, POST, DELETE";
/// Headers that clients of all revisions send, and those of clients with their own credentials.
const REQUEST_HEADERS: &str = "Accept, Authorization, Content-Type, Last-Event-ID, Mcp-Method, Mcp-Name, \
    MCP-Protocol-Version, Mcp-Session-Id, X-Vault-Namespace, X-Vault-Token";
/// Response headers that a page may read, besides the CORS-safelisted ones.
const ANSWER_HEADERS: &str = "Mcp-Session-Id, Retry-After";
/// Seconds for which a browser caches a preflight answer.
const MAX_AGE: &str = "3600";

/// Rejects pages that may not call, and adds the CORS headers for the others.
pub(super) async fn refuse_foreign(
    State(origins): State<Arc<AllowedOrigins>>,
    request: Request,
    next: Next,
) -> Response {
    let (origin, mut response) = match origins.admit(request.headers()) {
        Ok(origin) => (origin, next.run(request).await),
        Err(ForeignOrigin) => {
            let reason = "requests from this origin are not allowed (MCP_ALLOWED_ORIGINS)";
            (None, (StatusCode::FORBIDDEN, reason).into_response())
        }
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static(ANSWER_HEADERS);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    response
}

/// Answers a preflight request. Its origin has already been checked.
pub(super) async fn answer_preflight(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_preflight = request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !is_preflight {
        return next.run(request).await;
    }
    let granted = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
    ];
    (StatusCode::NO_CONTENT, granted).into_response()
}
