//! Failures of Vault: what the server does while the active node of a cluster changes, and afterwards.

pub(crate) mod failover;
mod steps;
