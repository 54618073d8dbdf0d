//! What the server makes of the protocol itself: the revisions that it speaks, and how it
//! tells a request of one era from one of the other.
//!
//! In the older era a client opens with `initialize`, and what was agreed holds for the
//! session. From 2026-07-28 on nothing is agreed: every request says in `_meta` which
//! revision it is of and what the client can do, and stands for itself. Both are served on
//! one endpoint and on one pair of streams; each request is answered in the era it is of.

pub(crate) mod message;

use rmcp::{
    ErrorData, RoleServer,
    model::{ErrorCode, ProtocolVersion},
    service::RequestContext,
};
use serde_json::json;

/// The revisions that are spoken, oldest first.
pub(crate) const REVISIONS: &[ProtocolVersion] = &[
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// The revision with this name, if it is spoken.
pub(crate) fn revision(name: &str) -> Option<&'static ProtocolVersion> {
    REVISIONS.iter().find(|revision| revision.as_str() == name)
}

/// The error for a revision that is not spoken.
pub(crate) fn unsupported(requested: &str) -> ErrorData {
    ErrorData::new(
        ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
        "this revision of the protocol is not supported",
        Some(json!({ "supported": REVISIONS, "requested": requested })),
    )
}

/// Whether a request stands for itself, as all do from 2026-07-28 on.
pub(crate) fn is_stateless(request: &RequestContext<RoleServer>) -> bool {
    request
        .protocol_version()
        .is_some_and(|revision| !revision.has_initialize())
}

/// Whether the server has this method, in the one era or the other.
pub(crate) fn has_method(method: &str, is_stateless: bool) -> bool {
    match method {
        "tools/call" | "tools/list" => true,
        "server/discover" | "subscriptions/listen" => is_stateless,
        "initialize" | "ping" => !is_stateless,
        _ => false,
    }
}
