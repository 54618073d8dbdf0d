//! What ends a benchmark early.

use vault_mcp_conformance::{
    adapter::AdapterError,
    instance::{StartError, locate::LocateError},
    vault::{oracle::OracleError, provider::VaultError},
};

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Ctrl-C, or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// Nothing can be run.
    #[error("no runtime: {0}")]
    Runtime(#[source] std::io::Error),
    /// No Vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Vault does not do what is needed.
    #[error(transparent)]
    Oracle(#[from] OracleError),
    /// No HTTP client.
    #[error("no HTTP client can be made: {0}")]
    Client(String),
    /// An adapter that comes with the suite is wrong.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The program of a server that must be there is not.
    #[error(transparent)]
    Program(#[from] LocateError),
    /// A server does not start.
    #[error("{candidate}: {source}")]
    Start {
        /// Which.
        candidate: String,
        /// Why.
        source: Box<StartError>,
    },
    /// Requests to Vault cannot be counted.
    #[error("requests to Vault cannot be counted: {0}")]
    Tap(String),
    /// A server does not end.
    #[error("{candidate} could not be ended: {why}")]
    End {
        /// Which.
        candidate: String,
        /// Why.
        why: String,
    },
    /// A call that must succeed did not: its time would mean nothing.
    #[error("{operation} failed, {candidate}: {what}")]
    Failed {
        /// Through what.
        candidate: String,
        /// The operation.
        operation: String,
        /// What came instead of a success.
        what: String,
    },
    /// The reference server asks Vault more or less often than it has to.
    #[error(
        "{candidate}: a call of {operation} makes {seen} requests to Vault, and should make {wanted}; \
         this is a defect"
    )]
    Requests {
        /// Through what.
        candidate: String,
        /// The operation.
        operation: String,
        /// How many requests a call made, on average.
        seen: f64,
        /// How many it should make.
        wanted: f64,
    },
    /// The figures could not be written.
    #[error("{file} could not be written: {source}")]
    File {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
}
