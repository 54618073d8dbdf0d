//! Benchmarks: what operations take through MCP servers, next to the same made directly on
//! Vault, all in one run. `cargo bench` runs them; see `benches/latency.rs`.

pub mod candidate;
pub mod comparison;
mod error;
pub mod fixture;

pub use error::BenchError;
