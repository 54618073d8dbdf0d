//! The credential of a request to Vault: a token, and the namespace in which it is used.

use super::namespace::Namespace;
use crate::token::TokenSource;

/// The source of the token, and the namespace in which it is used. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Credential {
    tokens: TokenSource,
    namespace: Option<Namespace>,
}

impl Credential {
    /// The credential of a token in a namespace.
    pub fn new(tokens: TokenSource, namespace: Option<Namespace>) -> Self {
        Self { tokens, namespace }
    }

    /// The source of the token.
    pub fn tokens(&self) -> &TokenSource {
        &self.tokens
    }

    /// The namespace.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }
}
