//! CAs, roles and certificates in PKI mounts.

mod expired;
mod steps;
