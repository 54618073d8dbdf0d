//! Benchmarks: what operations take through MCP servers, next to the same made directly on
//! Vault, all in one run. `cargo bench` runs them; see `benches/latency.rs`.

pub mod comparison;
pub mod lab;
pub mod subject;
mod trouble;

pub use trouble::Trouble;
