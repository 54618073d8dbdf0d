//! A conformance suite for MCP servers that front HashiCorp Vault.
//!
//! It starts a real Vault, starts the server under test (the *target*) with a token of
//! least privilege, makes it act through MCP, and then asks Vault what really happened.
//!
//! The command line is one way to use it; [`Suite`] is the other:
//!
//! ```no_run
//! use vault_mcp_conformance::{Suite, target::Target};
//!
//! # async fn judge() -> Result<(), Box<dyn std::error::Error>> {
//! let report = Suite::builder()
//!     .target(Target::from_file("my-server.toml".as_ref())?)
//!     .run()
//!     .await?;
//! assert_eq!(report.summary.fail, 0);
//! # Ok(())
//! # }
//! ```

pub mod act;
pub mod cache;
pub mod catalogue;
pub mod check;
pub mod event;
pub mod exit;
pub mod mcp;
pub mod mutation;
pub mod plan;
pub mod progress;
pub mod redact;
pub mod report;
pub mod requirement;
pub mod run;
pub mod scene;
pub mod slot;
mod steps;
pub mod suite;
pub mod tap;
pub mod target;
pub mod vault;
pub mod verdict;
pub mod watch;
pub mod world;

pub use suite::Suite;
