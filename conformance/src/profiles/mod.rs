//! What each profile judges: steps, state and checks that it alone uses, in a folder named like that of its features.

pub(crate) mod ambient;
pub(crate) mod browser;
pub(crate) mod custody;
pub(crate) mod limits;
pub(crate) mod mcp;
pub(crate) mod modes;
pub(crate) mod namespace;
pub(crate) mod policy;
pub(crate) mod read_only;
pub(crate) mod session;
pub(crate) mod tls;
pub(crate) mod traces;
pub(crate) mod workflows;
