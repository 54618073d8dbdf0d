//! The supported revisions of the protocol, and how to distinguish the requests of the two eras.
//!
//! In the older era a client opens with `initialize`, and what it negotiates applies to the session. From 2026-07-28
//! on there is no negotiation: each request stands alone and names its revision and the client's capabilities in
//! `_meta`. The server supports both eras on one endpoint and on one pair of streams, and answers each request in its
//! era.

pub(crate) mod message;

use rmcp::{
    ErrorData, RoleServer,
    model::{ErrorCode, ProtocolVersion},
    service::RequestContext,
};
use serde_json::json;

/// The supported revisions, oldest first.
pub(crate) const REVISIONS: &[ProtocolVersion] = &[
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// The revision with this name, if it is supported.
pub(crate) fn revision(name: &str) -> Option<&'static ProtocolVersion> {
    REVISIONS.iter().find(|revision| revision.as_str() == name)
}

/// The error for an unsupported revision.
pub(crate) fn unsupported(requested: &str) -> ErrorData {
    ErrorData::new(
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
        "this revision of the protocol is not supported",
        Some(json!({ "supported": REVISIONS, "requested": requested })),
    )
}

/// Whether a request stands alone, as all requests do from 2026-07-28 on.
pub(crate) fn is_stateless(request: &RequestContext<RoleServer>) -> bool {
    request
        .protocol_version()
        .is_some_and(|revision| !revision.has_initialize())
}

/// Whether the server has this method in the given era.
pub(crate) fn has_method(method: &str, is_stateless: bool) -> bool {
    match method {
        "tools/call" | "tools/list" => true,
        "server/discover" | "subscriptions/listen" => is_stateless,
        "initialize" | "ping" => !is_stateless,
        _ => false,
    }
}
