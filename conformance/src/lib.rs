//! A conformance suite for MCP servers that expose HashiCorp Vault.
//!
//! The suite starts a real Vault and the server under test (the *target*) with a least-privilege token. It lets an
//! agent act through MCP, and then checks in Vault what really happened.
//!
//! There are two ways to use it: the command line, and [`Suite`] for the author of a server who wants to run the suite
//! in tests:
//!
//! ```no_run
//! use vault_mcp_conformance::{Suite, target::Target};
//!
//! # async fn test_server() -> Result<(), Box<dyn std::error::Error>> {
//! let report = Suite::builder()
//!     .target(Target::from_file("my-server.toml".as_ref())?)
//!     .run()
//!     .await?;
//! report.assert_conformant();
//! # Ok(())
//! # }
//! ```
//!
//! - [`target`]: the server under test, as its adapter file describes it.
//! - [`suite::Builder`]: what runs, and how.
//! - [`baseline`]: known failures.
//! - [`report::Report`]: the results, as a value; [`exit::Exit`] is the exit code for them.
//! - [`event::Reporter`]: receives the events of a run. [`report`] has some reporters.
//!
//! All other public items exist for the suite's own tools and tests. They are hidden in the documentation, and can
//! change at any time.

#[doc(hidden)]
pub mod act;
pub mod adapter;
pub mod baseline;
#[doc(hidden)]
pub mod browser;
#[doc(hidden)]
pub mod cache;
#[doc(hidden)]
pub mod catalogue;
pub mod cause;
#[doc(hidden)]
pub mod certificate;
#[doc(hidden)]
pub mod check;
pub mod coverage;
#[doc(hidden)]
pub mod doctor;
#[doc(hidden)]
pub mod engines;
mod error_chain;
pub mod event;
#[doc(hidden)]
pub mod evidence;
pub mod exit;
mod http_client;
#[doc(hidden)]
pub mod init;
pub mod instance;
#[doc(hidden)]
pub mod interrupt;
#[doc(hidden)]
pub mod invariants;
#[doc(hidden)]
pub mod latency;
mod lines;
#[doc(hidden)]
pub mod log_line;
#[doc(hidden)]
pub mod mcp;
#[doc(hidden)]
pub mod mutation;
mod panic_hook;
pub mod plan;
#[doc(hidden)]
pub mod policy_matrix;
#[doc(hidden)]
pub mod ports;
#[doc(hidden)]
pub mod pressure;
mod process_group;
mod profiles;
pub mod progress;
#[doc(hidden)]
pub mod rate;
#[doc(hidden)]
pub mod redact;
#[doc(hidden)]
pub mod repair;
pub mod report;
#[doc(hidden)]
pub mod requirement;
#[doc(hidden)]
pub mod run;
#[doc(hidden)]
pub mod scenario;
#[doc(hidden)]
pub mod schema;
#[doc(hidden)]
pub mod slot;
#[doc(hidden)]
pub mod source;
mod suggest;
pub mod suite;
#[doc(hidden)]
pub mod tap;
pub mod target;
pub mod transport;
pub mod vault;
pub mod verdict;
mod vocabulary;
#[doc(hidden)]
pub mod world;

pub use suite::Suite;
