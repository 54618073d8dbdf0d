//! The only code that sends requests to Vault.
//!
//! A request path is an [`path::ApiPath`], which can be made only from validated parts. [`client`] sends requests;
//! [`credential`] and [`namespace`] identify the caller, [`access`] restricts them, and [`tls`] verifies Vault.
//! [`own_token`] manages the token itself; [`mounts`] is the table of mounts. [`kv`] is the KV secrets engine in both
//! versions, [`pki`] the PKI secrets engine; [`error`] has the errors.

pub mod access;
pub mod client;
pub mod credential;
pub mod error;
pub mod kv;
pub mod mounts;
pub mod namespace;
pub mod own_token;
pub mod path;
pub mod pki;
pub mod tls;

use std::sync::Arc;

use self::{
    client::VaultClient,
    kv::{Kv, WriteLocks},
    mounts::Mounts,
    pki::Pki,
};

/// One Vault with one credential. What it caches of the mounts is valid for that credential only.
pub struct Vault {
    /// The table of mounts.
    pub mounts: Mounts,
    /// The KV engines.
    pub kv: Kv,
    /// The PKI engines.
    pub pki: Pki,
}

impl Vault {
    /// The Vault of the client. All callers share `write_locks`.
    pub fn new(client: VaultClient, write_locks: Arc<WriteLocks>) -> Self {
        Self {
            mounts: Mounts::new(client.clone()),
            kv: Kv::new(client.clone(), write_locks),
            pki: Pki::new(client),
        }
    }
}
