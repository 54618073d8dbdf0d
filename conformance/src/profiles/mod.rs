//! What each profile checks: the steps, state and checks that only this profile uses, in a folder with the name of its
//! folder in `features`.

pub(crate) mod ambient;
pub(crate) mod audit_trail;
pub(crate) mod browser;
pub(crate) mod faults;
pub(crate) mod kv;
pub(crate) mod launcher;
pub(crate) mod mcp;
pub(crate) mod mounts;
pub(crate) mod namespace;
pub(crate) mod pki;
pub(crate) mod policy;
pub(crate) mod rate_limits;
pub(crate) mod read_only;
pub(crate) mod tls;
pub(crate) mod vault_token;
pub(crate) mod workflows;
