//! Whether Vault may be changed through this server.

use reqwest::Method;

/// What the operator lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whatever the policy of the token allows.
    ReadWrite,
    /// What changes nothing: no other request leaves for Vault.
    ReadOnly,
}

impl Access {
    /// Whether a request with this method may leave. None of the reads of this server needs another than GET.
    pub fn permits(self, method: &Method) -> bool {
        self == Self::ReadWrite || *method == Method::GET
    }
}
