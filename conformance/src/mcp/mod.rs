//! The suite's own MCP client: raw JSON-RPC over stdio and streamable HTTP.
//!
//! It keeps every byte that the target says, sends what a well-behaved client could not,
//! and forgives nothing, which is why it shares no code with any SDK.

pub mod connection;
pub mod hello;
pub mod http;
pub mod http_message;
pub mod inbox;
pub mod pace;
pub mod raw;
pub mod request;
pub mod stdio;
pub mod transcript;
pub mod wire;
