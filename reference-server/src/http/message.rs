//! The body of a request: bounded in size and in time, and one JSON-RPC message.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// Largest request; the arguments of one call and some room.
pub(super) const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Longest time in which the body of a request may arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers what is no JSON-RPC request with a JSON-RPC error; rmcp answers with a text.
/// The body is received here, so that its size and the time it takes are bounded.
pub(super) async fn refuse_malformed(request: Request, next: Next) -> Response {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
