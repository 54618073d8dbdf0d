//! Traces: what the server's log and Vault's audit log say of a call.

pub(crate) mod log;
mod steps;
