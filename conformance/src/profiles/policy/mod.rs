//! Vault's policies: what they allow and deny, and what the server makes of it.

pub(crate) mod matrix;
mod steps;
