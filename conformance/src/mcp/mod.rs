//! The suite's own MCP client: raw JSON-RPC over stdio and streamable HTTP.
//!
//! It shares no code with any SDK, because it must be strict: it keeps every byte that the target sends, tolerates no
//! deviation, and can send what a well-behaved client cannot.

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
