//! A minimal MCP server for HashiCorp Vault.
//!
//! - [`config`]: the command line and the environment, checked before anything starts.
//! - [`caller`]: on whose behalf a call is carried out; [`limits`]: how many are;
//!   [`recent`]: what is kept of late; [`seal`]: keyed hashes.
//! - [`server`]: the MCP face: what it says about itself, and its one tool router.
//! - [`tools`]: what a model can ask for, one module a subject, and how a call is answered.
//! - [`vault`]: the only code that speaks to Vault.
//! - [`stdio`] and [`http`]: the transports, the second with checks that keep web pages out.
//! - [`redact`]: keeps tokens and values out of what is shown.

pub mod caller;
pub mod config;
pub mod http;
pub mod limits;
pub mod recent;
pub mod redact;
pub mod seal;
pub mod server;
pub mod stdio;
pub mod tools;
pub mod vault;
