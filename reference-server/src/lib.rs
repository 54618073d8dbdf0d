//! A minimal MCP server for HashiCorp Vault.
//!
//! - [`config`]: the command line and the environment, checked before anything starts.
//! - `protocol`: the revisions of MCP that are spoken, and reading one message.
//! - [`server`]: the MCP face: what it says about itself, and its one tool router.
//! - [`tools`]: what a model can ask for, one module a subject, and how a call is answered.
//! - [`vault`]: the only code that speaks to Vault.
//! - [`stdio`] and [`http`]: the transports, the second with checks that keep web pages out.
//! - [`redact`]: keeps tokens and values out of what is shown.

pub mod config;
pub mod http;
mod protocol;
pub mod redact;
pub mod server;
pub mod stdio;
pub mod tools;
pub mod vault;
