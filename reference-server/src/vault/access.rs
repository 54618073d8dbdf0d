//! Whether the server may change Vault.

use reqwest::Method;

/// The requests that the operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everything that the token's policy allows.
    ReadWrite,
    /// Read requests only; the server sends no others.
    ReadOnly,
}

impl Access {
    /// Whether the server may send a request with this method. All its reads use GET.
    pub fn permits(self, method: &Method) -> bool {
        self == Self::ReadWrite || *method == Method::GET
    }
}
