//! The credential that an HTTP request acts with, and whether the named session belongs to it.
//!
//! A request can bring a Vault token and a namespace. They apply to that request only. A keyed hash in the session id
//! binds the session to the credential that opened it: with another credential the id is unknown. So the server
//! stores nothing about sessions here, and an id without the credential is useless.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use rmcp::model::ProtocolVersion;
use thiserror::Error;

use crate::{
    caller::{Caller, CallerError, Callers},
    server::VaultServer,
    vault::{
        client::{NAMESPACE_HEADER, TOKEN_HEADER},
        namespace::NamespaceError,
    },
};

const SESSION_HEADER: &str = "mcp-session-id";
const VERSION_HEADER: &str = "mcp-protocol-version";

/// Why the server rejects a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Refusal {
    #[error(
        "the endpoint takes no query, as addresses are written to logs: send the Vault token in the header X-Vault-Token"
    )]
    Query,
    #[error("the header {0} is there more than once")]
    Repeated(&'static str),
    #[error("the header {0} has characters other than visible ASCII")]
    Unreadable(&'static str),
    #[error("the header X-Vault-Namespace cannot be used: {0}")]
    Namespace(#[from] NamespaceError),
    #[error(transparent)]
    Caller(#[from] CallerError),
    #[error("there is no such session for this credential: begin with `initialize`")]
    Session,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Query
            | Self::Repeated(_)
            | Self::Unreadable(_)
            | Self::Namespace(_)
            | Self::Caller(CallerError::Token(_)) => StatusCode::BAD_REQUEST,
            Self::Caller(CallerError::NoToken) => StatusCode::UNAUTHORIZED,
            Self::Caller(CallerError::Namespace) => StatusCode::FORBIDDEN,
            Self::Session => StatusCode::NOT_FOUND,
        };
        tracing::info!(status = status.as_u16(), "request refused: {self}");
        let mut response = (status, self.to_string()).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110 requires a challenge; its scheme is named after the header that answers it.
            let challenge = HeaderValue::from_static("X-Vault-Token");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Determines the [`Caller`] of a request and passes the request on with it, or rejects the request. Removes the
/// token and replaces the session id with the transport's id.
pub(super) async fn identify(
    State(server): State<VaultServer>,
    mut request: Request,
    next: Next,
) -> Response {
    let callers = server.callers();
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Refusal::Query.into_response();
    }
    let caller = match caller(callers, request.headers_mut()) {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_response(),
    };
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    if let Some(id) = response.headers_mut().get_mut(SESSION_HEADER)
        && let Some(sealed) = sealed(callers, &caller, id)
    {
        *id = sealed;
    }
    response
}

/// Removes the credential headers, determines the caller, and checks that the session belongs to it.
fn caller(callers: &Callers, headers: &mut HeaderMap) -> Result<Caller, Refusal> {
    let token = take(headers, TOKEN_HEADER)?;
    let namespace = take(headers, NAMESPACE_HEADER)?;
    let namespace = namespace.map(|text| text.parse()).transpose()?;
    let caller = callers.caller(token.map(Into::into), namespace)?;
    if let Some(session) = take(headers, SESSION_HEADER)?
        && !is_without_sessions(headers)
    {
        let id = unsealed(callers, &caller, &session).ok_or(Refusal::Session)?;
        headers.insert(SESSION_HEADER, id);
    }
    Ok(caller)
}

fn take(headers: &mut HeaderMap, name: &'static str) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let text = values.next().map(HeaderValue::to_str).transpose();
    if values.next().is_some() {
        return Err(Refusal::Repeated(name));
    }
    let text = text.map_err(|_| Refusal::Unreadable(name))?;
    let text = text.map(str::to_owned);
    headers.remove(name);
    Ok(text)
}

/// In the stateless era a session id means nothing.
fn is_without_sessions(headers: &HeaderMap) -> bool {
    let version = headers.get(VERSION_HEADER);
    version.is_some_and(|version| version == ProtocolVersion::V_2026_07_28.as_str())
}

/// The id that the client gets.
fn sealed(callers: &Callers, caller: &Caller, id: &HeaderValue) -> Option<HeaderValue> {
    let id = id.to_str().ok()?;
    let fingerprint = HEXLOWER.encode(&callers.session_fingerprint(caller, id));
    HeaderValue::from_str(&format!("{id}.{fingerprint}")).ok()
}

/// The transport's id, if the session belongs to this caller.
fn unsealed(callers: &Callers, caller: &Caller, sealed: &str) -> Option<HeaderValue> {
    let (id, fingerprint) = sealed.rsplit_once('.')?;
    let fingerprint = HEXLOWER.decode(fingerprint.as_bytes()).ok()?;
    let own = callers.owns_session(caller, id, &fingerprint);
    own.then(|| HeaderValue::from_str(id).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::{caller::tests::callers, token::NotAToken};

    fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn refused(callers: &Callers, lines: &[(&'static str, &[u8])]) -> Refusal {
        caller(callers, &mut headers(lines)).unwrap_err()
    }

    #[test]
    fn a_header_that_cannot_be_used_is_never_taken_for_none() {
        let callers = callers(Some("hvs.own"), None);
        let token = Refusal::Caller(CallerError::Token(NotAToken));
        let namespace = Refusal::Namespace(NamespaceError);
        for (lines, refusal) in [
            (&[(TOKEN_HEADER, &b""[..])][..], token),
            (&[(TOKEN_HEADER, b"a b")], token),
            (&[(TOKEN_HEADER, b"a\tb")], token),
            (
                &[(TOKEN_HEADER, b"\xff")],
                Refusal::Unreadable(TOKEN_HEADER),
            ),
            (
                &[(TOKEN_HEADER, b"a"), (TOKEN_HEADER, b"a")],
                Refusal::Repeated(TOKEN_HEADER),
            ),
            (&[(NAMESPACE_HEADER, b"")], namespace),
            (&[(NAMESPACE_HEADER, b"a/../b")], namespace),
            (
                &[(NAMESPACE_HEADER, b"a"), (NAMESPACE_HEADER, b"b")],
                Refusal::Repeated(NAMESPACE_HEADER),
            ),
            (
                &[(SESSION_HEADER, b"a"), (SESSION_HEADER, b"b")],
                Refusal::Repeated(SESSION_HEADER),
            ),
        ] {
            assert_eq!(refused(&callers, lines), refusal, "{lines:?}");
        }
    }

    #[test]
    fn the_credential_goes_no_further() {
        let mut headers = headers(&[(TOKEN_HEADER, b"hvs.a"), (NAMESPACE_HEADER, b"team")]);
        caller(&callers(None, None), &mut headers).unwrap();
        assert!(headers.is_empty());
    }

    #[test]
    fn a_session_is_of_the_credential_that_it_was_given_to() {
        let callers = callers(Some("hvs.own"), None);
        let of = |token: Option<&str>| {
            let token = token.map(SecretString::from);
            callers.caller(token, None).unwrap()
        };
        let id = HeaderValue::from_static("0b2c-d4");
        let given = sealed(&callers, &of(Some("hvs.a")), &id).unwrap();
        let given = given.to_str().unwrap();
        assert_eq!(
            unsealed(&callers, &of(Some("hvs.a")), given).as_ref(),
            Some(&id)
        );
        for other in [None, Some("hvs.own"), Some("hvs.b")] {
            assert_eq!(unsealed(&callers, &of(other), given), None);
        }
        let mut altered = given.to_owned();
        let last = if altered.pop() == Some('0') { '1' } else { '0' };
        altered.push(last);
        for invented in [
            &altered,
            "0b2c-d4",
            "0b2c-d4.",
            ".",
            "",
            &given[1..],
            &given.to_uppercase(),
        ] {
            assert_eq!(
                unsealed(&callers, &of(Some("hvs.a")), invented),
                None,
                "{invented}"
            );
        }
    }

    #[test]
    fn the_id_of_a_session_means_nothing_in_the_stateless_era() {
        let callers = callers(Some("hvs.own"), None);
        let invented = (SESSION_HEADER, &b"invented"[..]);
        assert_eq!(refused(&callers, &[invented]), Refusal::Session);
        assert_eq!(
            refused(&callers, &[invented, (VERSION_HEADER, b"2025-11-25")]),
            Refusal::Session
        );
        let mut headers = headers(&[invented, (VERSION_HEADER, b"2026-07-28")]);
        caller(&callers, &mut headers).unwrap();
        assert!(!headers.contains_key(SESSION_HEADER));
    }
}
