//! TLS: between client and server, and between server and Vault.

pub(crate) mod server;
pub(crate) mod vault;
