//! The session of a call, shortened for the log.

use axum::http::request::Parts;
use rmcp::model::Extensions;

const HEADER: &str = "mcp-session-id";
/// Enough of an id to distinguish sessions; the complete id would give access to the session.
const SHOWN_CHARS: usize = 8;

/// The first characters of the session's id; none over stdio, where the process is the session.
pub(super) fn shown(extensions: &Extensions) -> Option<String> {
    let id = extensions.get::<Parts>()?.headers.get(HEADER)?;
    Some(id.to_str().ok()?.chars().take(SHOWN_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn only_the_beginning_of_the_id_is_shown() {
        let mut extensions = Extensions::default();
        assert_eq!(shown(&extensions), None);
        let request = Request::builder().header(HEADER, "0123456789abcdef0123456789abcdef");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        extensions.insert(parts);
        assert_eq!(shown(&extensions).as_deref(), Some("01234567"));
    }
}
