//! Parses one JSON-RPC message, and reports what is wrong with an invalid one.

use rmcp::{
    ErrorData,
    model::{ClientJsonRpcMessage, ClientRequest, ErrorCode, JsonRpcError, RequestId},
};
use serde::Deserialize;
use serde_json::Value;

/// Maximum size of a message, in bytes: the arguments of one call, and spare room.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// An invalid message of a client.
#[derive(Debug)]
pub(crate) struct Unreadable {
    /// The error to answer with, including the id if it is readable.
    pub(crate) error: JsonRpcError,
    /// Whether the client meant a notification or a response, which are never answered.
    pub(crate) unanswered: bool,
}

impl Unreadable {
    fn new(id: Option<RequestId>, code: ErrorCode, message: &'static str) -> Self {
        Self {
            error: JsonRpcError::new(id, ErrorData::new(code, message, None)),
            unanswered: false,
        }
    }

    /// The error for a message of more than [`MAX_BYTES`].
    pub(crate) fn too_long() -> Self {
        Self::new(
            None,
            ErrorCode::INVALID_REQUEST,
            "the message is larger than 4 MiB",
        )
    }
}

/// Parses one message.
pub(crate) fn read(bytes: &[u8]) -> Result<ClientJsonRpcMessage, Unreadable> {
    let message = serde_json::from_slice(bytes).map_err(|_| what_is_wrong(bytes))?;
    if let ClientJsonRpcMessage::Request(request) = &message
        && let ClientRequest::ListToolsRequest(list) = &request.request
        && list.params.is_none()
        && !may_be_list(bytes)
    {
        let problem = "`cursor` must be a string";
        let id = Some(request.id.clone());
        return Err(Unreadable::new(id, ErrorCode::INVALID_PARAMS, problem));
    }
    Ok(message)
}

/// Whether these are parameters of a list. rmcp silently drops others.
fn may_be_list(bytes: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Message {
        #[serde(rename = "params")]
        _params: Option<Params>,
    }
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "cursor")]
        _cursor: Option<String>,
    }
    serde_json::from_slice::<Message>(bytes).is_ok()
}

fn what_is_wrong(bytes: &[u8]) -> Unreadable {
    let Ok(message) = serde_json::from_slice::<Value>(bytes) else {
        return Unreadable::new(
            None,
            ErrorCode::PARSE_ERROR,
            "the message is not JSON, or is nested too deeply",
        );
    };
    let (id, method) = (message.get("id"), message.get("method"));
    let is_answer = message.get("result").or(message.get("error")).is_some();
    let readable_id = id.and_then(|id| RequestId::deserialize(id).ok());
    let (code, problem) = if message["jsonrpc"] != "2.0" {
        (
            ErrorCode::INVALID_REQUEST,
            "the message is not one JSON-RPC 2.0 message; batches are not supported",
        )
    } else if id.is_some() && readable_id.is_none() {
        (
            ErrorCode::INVALID_REQUEST,
            "`id` must be a string or an integer of 64 bits",
        )
    } else if method.is_some_and(|method| !method.is_string()) {
        (ErrorCode::INVALID_REQUEST, "`method` must be a string")
    } else if method.is_none() && !is_answer {
        (ErrorCode::INVALID_REQUEST, "the message has no `method`")
    } else if method.is_some() && !is_answer {
        (ErrorCode::INVALID_PARAMS, "`params` must be an object")
    } else {
        (
            ErrorCode::INVALID_REQUEST,
            "the message is neither a request nor a notification nor a response",
        )
    };
    Unreadable {
        unanswered: match method {
            Some(method) => method.is_string() && id.is_none(),
            None => is_answer,
        },
        ..Unreadable::new(readable_id, code, problem)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn unreadable(message: &str) -> (Value, bool) {
        let unreadable = read(message.as_bytes()).unwrap_err();
        let error = serde_json::to_value(unreadable.error).unwrap();
        let told = json!([error["error"]["code"], error.get("id")]);
        (told, unreadable.unanswered)
    }

    #[test]
    fn what_is_no_message_gets_the_error_that_json_rpc_has_for_it() {
        for (message, code, id) in [
            ("{bad", -32700, json!(null)),
            ("", -32700, json!(null)),
            ("\"\u{fe}\"", -32600, json!(null)),
            ("[]", -32600, json!(null)),
            (
                r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
                -32600,
                json!(null),
            ),
            (r#"{"id":1,"method":"ping"}"#, -32600, json!(1)),
            (
                r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
                -32600,
                json!(1),
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
                -32600,
                json!(null),
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
                -32600,
                json!(null),
            ),
            (
                r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"ping"}"#,
                -32600,
                json!(null),
            ),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":3}"#,
                -32600,
                json!("a"),
            ),
            (r#"{"jsonrpc":"2.0","id":7}"#, -32600, json!(7)),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":[]}"#,
                -32602,
                json!(7),
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{"cursor":5}}"#,
                -32602,
                json!(7),
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}"#,
                -32600,
                json!(7),
            ),
        ] {
            assert_eq!(unreadable(message), (json!([code, id]), false), "{message}");
        }
    }

    #[test]
    fn notifications_and_responses_are_not_answered_however_malformed() {
        for message in [
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":5}"#,
            r#"{"jsonrpc":"2.0","id":{},"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":5}"#,
        ] {
            assert!(unreadable(message).1, "{message}");
        }
    }

    #[test]
    fn nesting_has_a_bound() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{}{}}}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert_eq!(unreadable(&deep).0, json!([-32700, null]));
    }
}
