//! Recognises the token of a request without storing it.

use std::fmt;

use http::{HeaderMap, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenPrint([u8; 32]);

impl fmt::Debug for TokenPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenPrint")
    }
}

impl TokenPrint {
    /// The print of a token.
    #[must_use]
    pub fn of(token: &SecretString) -> Self {
        Self::of_bytes(token.expose_secret().as_bytes())
    }

    /// The print of a request's token, from either of the headers in which Vault accepts one; `None` without a token.
    pub(super) fn brought(headers: &HeaderMap) -> Option<Self> {
        let own = headers.get("x-vault-token").map(|value| value.as_bytes());
        let bearer = || {
            let value = headers.get(AUTHORIZATION)?.as_bytes();
            value.strip_prefix(b"Bearer ")
        };
        let token = own.filter(|token| !token.is_empty()).or_else(bearer)?;
        Some(Self::of_bytes(token))
    }

    fn of_bytes(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::TokenPrint;

    #[test]
    fn a_token_is_known_again_in_either_header() {
        let print = TokenPrint::of(&"hvs.a".into());
        let brought = |lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.insert(*name, value.parse().unwrap());
            }
            TokenPrint::brought(&headers)
        };
        assert_eq!(brought(&[("x-vault-token", "hvs.a")]), Some(print));
        assert_eq!(brought(&[("authorization", "Bearer hvs.a")]), Some(print));
        assert_ne!(brought(&[("x-vault-token", "hvs.b")]), Some(print));
        assert_eq!(brought(&[("x-vault-token", "")]), None);
        assert_eq!(brought(&[("authorization", "Basic hvs.a")]), None);
        assert!(!format!("{print:?}").contains("hvs"));
    }
}
