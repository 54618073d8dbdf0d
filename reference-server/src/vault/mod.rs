//! The only code that speaks to Vault.
//!
//! A request path is an [`path::ApiPath`], which can be made from validated
//! parts alone; [`client`] sends it; [`kv`] knows the two versions of the KV
//! secrets engine; [`error`] says what can go wrong.

pub mod client;
pub mod error;
pub mod kv;
pub mod path;
