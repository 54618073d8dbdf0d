//! Read-only mode: the server writes nothing, whatever the agent requests.

pub(crate) mod insist;
mod steps;
