//! Traces: what a call leaves in the server's log and in Vault's audit log.

pub(crate) mod log;
mod steps;
