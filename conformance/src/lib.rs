//! A conformance suite for MCP servers that front HashiCorp Vault.
//!
//! It starts a real Vault, starts the server under test (the *target*) with a token of
//! least privilege, makes it act through MCP, and then asks Vault what really happened.

pub mod event;
pub mod exit;
pub mod report;
pub mod verdict;
