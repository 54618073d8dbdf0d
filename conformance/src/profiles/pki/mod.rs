//! CAs, roles and certificates in PKI mounts.

mod steps;
