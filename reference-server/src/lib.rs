//! A minimal MCP server for HashiCorp Vault.
//!
//! - [`config`]: the command line and the environment, validated before the server starts.
//! - `protocol`: the supported revisions of MCP, and parsing one message.
//! - [`caller`]: the credential that a call acts with; [`limits`]: rate limits; [`keyed_hash`]: keyed hashes.
//! - [`server`]: the MCP server: its description of itself, and its tool router.
//! - [`tools`]: the tools, one module for each subject, and how a call is answered.
//! - [`vault`]: the only code that sends requests to Vault.
//! - [`stdio`] and [`http`]: the transports, the second protected against web pages, floods and eavesdroppers.
//! - [`token`]: the source of the token, and its renewal.
//! - [`log`]: the log, text or JSON, on stderr or in a file; [`trace`]: what the log records of one call.
//! - `session`: runs a command with a token, and revokes the token when the command ends.
//! - [`redact`]: keeps tokens and values out of output; [`private_file`]: detects files that others can read.

pub mod caller;
pub mod config;
pub mod http;
pub mod keyed_hash;
pub mod limits;
pub mod log;
pub mod private_file;
mod protocol;
pub mod redact;
pub mod server;
#[cfg(unix)]
pub mod session;
pub mod stdio;
pub mod token;
pub mod tools;
pub mod trace;
pub mod vault;
