//! TLS between client and server, and between server and Vault.

pub(crate) mod server;
mod steps;
pub(crate) mod vault;
