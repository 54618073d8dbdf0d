//! Whom the server acts as in Vault: a token, and the namespace that it is used in.

use std::fmt;

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use super::namespace::Namespace;

/// Longest token, in bytes. Batch tokens with much metadata are the longest that Vault makes; they are shorter.
const MAX_TOKEN_BYTES: usize = 4096;

/// A token that can be sent, and the namespace that it is used in.
#[derive(Clone)]
pub struct Credential {
    token: SecretString,
    header: HeaderValue,
    namespace: Option<Namespace>,
}

/// What is wrong with a token, which is never quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a token is 1 to 4096 visible ASCII characters, without spaces")]
pub struct TokenError;

impl Credential {
    /// A credential of this token.
    ///
    /// # Errors
    /// [`TokenError`] if this cannot be a token.
    pub fn new(token: SecretString, namespace: Option<Namespace>) -> Result<Self, TokenError> {
        let text = token.expose_secret();
        let fits = (1..=MAX_TOKEN_BYTES).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError);
        }
        let mut header = HeaderValue::from_str(text).map_err(|_| TokenError)?;
        header.set_sensitive(true);
        Ok(Self {
            token,
            header,
            namespace,
        })
    }

    /// The token.
    pub fn token(&self) -> &SecretString {
        &self.token
    }

    /// The token as the value of a header, marked as sensitive.
    pub(super) fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// The namespace.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// The same token, used in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: Option<Namespace>) -> Self {
        Self {
            namespace,
            ..self.clone()
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_token_is_refused_without_being_quoted() {
        let long = "x".repeat(MAX_TOKEN_BYTES + 1);
        for text in ["", " ", "hvs.canary\n", "hvs canary", "hvs.größe", &long] {
            let error = Credential::new(SecretString::from(text), None).unwrap_err();
            assert!(!error.to_string().contains("canary"));
        }
    }

    #[test]
    fn the_token_is_not_printed_by_debug() {
        let credential = Credential::new(SecretString::from("hvs.canary"), None).unwrap();
        assert!(!format!("{credential:?} {:?}", credential.header()).contains("canary"));
    }
}
