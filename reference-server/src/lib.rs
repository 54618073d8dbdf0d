//! A minimal MCP server for HashiCorp Vault.
//!
//! - [`config`]: the command line and the environment, checked before anything starts.
//! - `protocol`: the revisions of MCP that are spoken, and reading one message.
//! - [`caller`]: on whose behalf a call is carried out; [`limits`]: how many are;
//!   [`keyed_hash`]: keyed hashes.
//! - [`server`]: the MCP face: what it says about itself, and its one tool router.
//! - [`tools`]: what a model can ask for, one module a subject, and how a call is answered.
//! - [`vault`]: the only code that speaks to Vault.
//! - [`stdio`] and [`http`]: the transports, the second with what keeps web pages, floods and eavesdroppers out.
//! - [`token`]: where the token comes from, and how it is kept alive.
//! - [`log`]: lines of text or of JSON, on stderr or in a file; [`trace`]: what belongs to one call there.
//! - `session`: a command that is given a token, and the token ends with it.
//! - [`redact`]: keeps tokens and values out of what is shown; [`private_file`] tells files that others can read.

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
