//! Whom a request to Vault acts as: a token, and the namespace that it is used in.

use super::namespace::Namespace;
use crate::token::TokenSource;

/// Where the token comes from, and the namespace that it is used in. Cheap to clone.
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

    /// Where the token comes from.
    pub fn tokens(&self) -> &TokenSource {
        &self.tokens
    }

    /// The namespace.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }
}
