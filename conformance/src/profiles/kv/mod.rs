//! Secrets in KV mounts.

mod steps;
