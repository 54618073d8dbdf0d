//! Namespaces of Vault: in which namespace requests reach Vault, for each client.

pub(crate) mod asking;
mod steps;
