//! A conformance suite for MCP servers that front HashiCorp Vault.
//!
//! It starts a real Vault, starts the server under test (the *target*) with a token of
//! least privilege, makes it act through MCP, and then asks Vault what really happened.
//!
//! The command line is one way to use it; [`Suite`] is the other, for the author of a server
//! who wants its verdict in tests of their own:
//!
//! ```no_run
//! use vault_mcp_conformance::{Suite, exit::Exit, target::Target};
//!
//! # async fn judge() -> Result<(), Box<dyn std::error::Error>> {
//! let report = Suite::builder()
//!     .target(Target::from_file("my-server.toml".as_ref())?)
//!     .run()
//!     .await?;
//! assert_eq!(report.exit(), Exit::Conformant);
//! # Ok(())
//! # }
//! ```
//!
//! - [`target`]: the server under test, as its adapter file describes it.
//! - [`suite::Builder`]: what is run, and how.
//! - [`baseline`]: failures that are known and accepted.
//! - [`report::Report`]: what was found out, as a value; [`exit::Exit`] is what it comes to.
//! - [`event::Reporter`]: whoever wants to be told while it happens. [`report`] has some.
//!
//! The other modules are what the suite is made of, and are public for its own tools and tests.

pub mod act;
pub mod adapter;
pub mod baseline;
pub mod browser;
pub mod cache;
pub mod catalogue;
pub mod certificate;
pub mod check;
pub mod doctor;
pub mod engines;
mod error_chain;
pub mod event;
pub mod evidence;
pub mod exit;
mod http_client;
pub mod instance;
pub mod interrupt;
pub mod invariants;
pub mod latency;
mod lines;
pub mod log_line;
pub mod mcp;
pub mod mutation;
mod panic_hook;
pub mod plan;
pub mod policy_matrix;
pub mod ports;
pub mod pressure;
mod process_group;
mod profiles;
pub mod progress;
pub mod rate;
pub mod redact;
pub mod repair;
pub mod report;
pub mod requirement;
pub mod run;
pub mod scenario;
pub mod schema;
pub mod slot;
mod suggest;
pub mod suite;
pub mod tap;
pub mod target;
pub mod transport;
pub mod vault;
pub mod verdict;
mod vocabulary;
pub mod world;

pub use suite::Suite;
