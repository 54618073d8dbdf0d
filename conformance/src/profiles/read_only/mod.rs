//! Read-only mode: nothing is written, however the agent insists.

pub(crate) mod insist;
mod steps;
