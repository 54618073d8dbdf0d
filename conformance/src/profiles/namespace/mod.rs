//! Namespaces of Vault: who asks in which one.

pub(crate) mod asking;
mod steps;
