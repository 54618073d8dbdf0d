//! Errors that end a benchmark.

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
    /// The async runtime cannot be created.
    #[error("no runtime: {0}")]
    Runtime(#[source] std::io::Error),
    /// No usable Vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A request to prepare Vault fails.
    #[error(transparent)]
    Oracle(#[from] OracleError),
    /// The HTTP client cannot be created.
    #[error("no HTTP client can be made: {0}")]
    Client(String),
    /// An adapter of the suite is invalid.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// The program of a required server is missing.
    #[error(transparent)]
    Program(#[from] LocateError),
    /// A server does not start.
    #[error("{candidate}: {source}")]
    Start {
        /// The candidate.
        candidate: String,
        /// The reason.
        source: Box<StartError>,
    },
    /// Requests to Vault cannot be counted.
    #[error("requests to Vault cannot be counted: {0}")]
    Tap(String),
    /// A server does not stop.
    #[error("{candidate} could not be ended: {why}")]
    End {
        /// The candidate.
        candidate: String,
        /// The reason.
        why: String,
    },
    /// A call fails that must succeed: its duration would mean nothing.
    #[error("{operation} failed, {candidate}: {what}")]
    Failed {
        /// The candidate.
        candidate: String,
        /// The operation.
        operation: String,
        /// The outcome.
        what: String,
    },
    /// The reference server makes more or fewer requests to Vault than it should.
    #[error(
        "{candidate}: a call of {operation} makes {seen} requests to Vault, and should make {wanted}; \
         this is a defect"
    )]
    Requests {
        /// The candidate.
        candidate: String,
        /// The operation.
        operation: String,
        /// The average number of requests per call.
        seen: f64,
        /// The expected number.
        wanted: f64,
    },
    /// The figures cannot be written.
    #[error("{file} could not be written: {source}")]
    File {
        /// The file.
        file: String,
        /// The reason.
        source: std::io::Error,
    },
}
