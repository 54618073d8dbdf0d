//! Checks the revision of an HTTP request where rmcp does not.
//!
//! rmcp checks the headers and `_meta` of a 2026-07-28 request. But it accepts every revision that it knows itself.
//! And it answers a request outside of a session with plain text that does not say what to do.

use axum::http::HeaderMap;
use rmcp::{
    ErrorData,
    model::{ClientJsonRpcMessage, ClientRequest, GetMeta, JsonRpcError, ProtocolVersion},
};

use crate::protocol;

const VERSION: &str = "mcp-protocol-version";
const SESSION: &str = "mcp-session-id";

/// How the server serves the revisions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Revisions {
    /// Whether clients of revisions with sessions get sessions.
    pub(super) has_sessions: bool,
}

impl Revisions {
    /// Checks the message of a POST against its headers.
    pub(super) fn check(
        self,
        headers: &HeaderMap,
        message: &ClientJsonRpcMessage,
    ) -> Result<(), JsonRpcError> {
        let (id, request) = match message {
            ClientJsonRpcMessage::Request(request) => {
                (Some(request.id.clone()), Some(&request.request))
            }
            _ => (None, None),
        };
        check_request(headers, request, self.has_sessions)
            .map_err(|error| JsonRpcError::new(id, error))
    }
}

/// Checks a request without a message.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), JsonRpcError> {
    match named(headers) {
        Ok(Some(version)) if protocol::revision(version).is_none() => {
            Err(protocol::unsupported(version))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| JsonRpcError::new(None, error))
}

fn check_request(
    headers: &HeaderMap,
    request: Option<&ClientRequest>,
    has_sessions: bool,
) -> Result<(), ErrorData> {
    let version = named(headers)?;
    let meta = request.map(GetMeta::get_meta);
    let asked = meta.and_then(|meta| meta.protocol_version());
    let revision = version.map(protocol::revision);
    if let (Some(version), Some(None)) = (version, revision) {
        return Err(match asked {
            Some(asked) if asked.as_str() != version => {
                mismatch("MCP-Protocol-Version differs from the revision in `_meta`")
            }
            _ => protocol::unsupported(version),
        });
    }
    if revision
        .flatten()
        .is_some_and(|revision| !revision.has_initialize())
        || headers.contains_key(SESSION)
    {
        return Ok(());
    }
    match request {
        Some(ClientRequest::InitializeRequest(_)) => Ok(()),
        Some(ClientRequest::CustomRequest(request)) if request.method == "initialize" => {
            Err(ErrorData::invalid_params(
                "`initialize` needs `protocolVersion`, `capabilities` and `clientInfo`",
                None,
            ))
        }
        Some(_) if version.is_none() => Err(mismatch(
            "MCP-Protocol-Version is missing, and so is Mcp-Session-Id: open a session with `initialize`, \
             or send each request with the headers and `_meta` of 2026-07-28",
        )),
        Some(request) if asked.is_some() => {
            let missing = request
                .get_meta()
                .missing_required_keys(&ProtocolVersion::V_2026_07_28);
            if missing.is_empty() {
                return Ok(());
            }
            let missing = missing.join(", ");
            Err(ErrorData::invalid_params(
                format!("`_meta` lacks {missing}"),
                None,
            ))
        }
        Some(_) | None if !has_sessions && version.is_some() => Ok(()),
        Some(_) | None => Err(ErrorData::invalid_request(
            "Mcp-Session-Id is missing: open a session with `initialize`",
            None,
        )),
    }
}

/// The revision that the headers name.
fn named(headers: &HeaderMap) -> Result<Option<&str>, ErrorData> {
    let mut versions = headers.get_all(VERSION).iter();
    match (versions.next(), versions.next()) {
        (None, _) => Ok(None),
        (Some(version), None) => version
            .to_str()
            .map(Some)
            .map_err(|_| mismatch("MCP-Protocol-Version is not ASCII")),
        (Some(_), Some(_)) => Err(mismatch("MCP-Protocol-Version is there more than once")),
    }
}

fn mismatch(problem: &'static str) -> ErrorData {
    ErrorData::header_mismatch(problem, None)
}
