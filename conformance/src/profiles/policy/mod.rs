//! Vault's policies: what they allow and deny, and how the server handles that.

pub(crate) mod matrix;
mod steps;
