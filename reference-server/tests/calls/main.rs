//! Calls of the tools, from the MCP message to the requests that Vault gets,
//! all in one process.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod kv;
mod mcp;
