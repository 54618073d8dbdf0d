//! The only code that speaks to Vault.
//!
//! A request path is an [`path::ApiPath`], which can be made from validated
//! parts alone; [`client`] sends it, and [`tls`] says to whom; [`own_token`] is about the token itself; [`mounts`] knows what is mounted; [`kv`]
//! knows the two versions of the KV secrets engine; [`pki`] the PKI secrets engine; [`error`] says what can go wrong.

pub mod client;
pub mod error;
pub mod kv;
pub mod mounts;
pub mod own_token;
pub mod path;
pub mod pki;
pub mod tls;

use self::{client::VaultClient, kv::Kv, mounts::Mounts, pki::Pki};

/// One Vault, as the tools see it.
pub struct Vault {
    /// The table of mounts.
    pub mounts: Mounts,
    /// The KV engines.
    pub kv: Kv,
    /// The PKI engines.
    pub pki: Pki,
}

impl Vault {
    /// The Vault that the client speaks to.
    pub fn new(client: VaultClient) -> Self {
        Self {
            mounts: Mounts::new(client.clone()),
            kv: Kv::new(client.clone()),
            pki: Pki::new(client),
        }
    }
}
