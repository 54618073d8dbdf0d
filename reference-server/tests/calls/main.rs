//! Tool calls, from the MCP message to the requests that Vault receives, all in one process.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod client;
mod eras;
mod gates;
mod harness;
mod http;
mod kv;
mod mcp;
mod openings;
mod pki;
#[path = "../shared/program.rs"]
mod program;
mod tls;
mod tokens;

use client::Client;

/// The token of the server under test.
const TOKEN: &str = "hvs.canary-token";

/// A client whose server uses the Vault at this address.
async fn connect(vault_addr: &str) -> Client {
    Client::connect(vault_addr, TOKEN).await
}
