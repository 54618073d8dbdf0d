//! The only code that speaks to Vault.
//!
//! A request path is an [`path::ApiPath`], which can be made from validated
//! parts alone; [`client`] sends it, as [`credential`] and [`namespace`] say, as far as [`access`] permits,
//! to whom [`tls`] accepts; [`own_token`] is about the token itself; [`mounts`] knows what is mounted; [`kv`]
//! knows the two versions of the KV secrets engine; [`pki`] the PKI secrets engine; [`error`] says what can go wrong.

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

/// One Vault, as the tools see it with one credential. What it remembers of the mounts was told to that credential.
pub struct Vault {
    /// The table of mounts.
    pub mounts: Mounts,
    /// The KV engines.
    pub kv: Kv,
    /// The PKI engines.
    pub pki: Pki,
}

impl Vault {
    /// The Vault that the client speaks to. `write_locks` are those of all who act in it.
    pub fn new(client: VaultClient, write_locks: Arc<WriteLocks>) -> Self {
        Self {
            mounts: Mounts::new(client.clone()),
            kv: Kv::new(client.clone(), write_locks),
            pki: Pki::new(client),
        }
    }
}
