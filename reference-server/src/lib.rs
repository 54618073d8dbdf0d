//! A minimal Vault MCP server.
