//! Reads the message of an HTTP request: limits size and time, and checks the revision. Errors are JSON-RPC errors,
//! where rmcp would answer with plain text.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use rmcp::model::JsonRpcError;

use super::revision::{self, Revisions};
use crate::protocol::message::{self, MAX_BYTES};

/// Timeout for the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Rejects a body that is not a message, or that is of an unsupported revision.
pub(super) async fn refuse_malformed(
    State(revisions): State<Revisions>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        return match revision::check_headers(&head.headers) {
            Ok(()) => next.run(Request::from_parts(head, body)).await,
            Err(error) => refused(&error),
        };
    }
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BYTES)).await {
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
    let checked = message::read(&body)
        .map_err(|unreadable| unreadable.error)
        .and_then(|message| revisions.check(&head.headers, &message));
    match checked {
        Ok(()) => next.run(Request::from_parts(head, Body::from(body))).await,
        Err(error) => refused(&error),
    }
}

fn refused(error: &JsonRpcError) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let body = serde_json::to_string(error).unwrap_or_default();
    (StatusCode::BAD_REQUEST, json, body).into_response()
}
