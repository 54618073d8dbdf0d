//! Benchmarks: operations through MCP servers, compared with direct requests to Vault in the same run. `cargo bench`
//! runs them; see `benches/latency.rs`.

pub mod candidate;
pub mod comparison;
mod error;
pub mod fixture;

pub use error::BenchError;
