//! The only code that speaks to Vault.
//!
//! A request path is an [`path::ApiPath`], which can be made from validated
//! parts alone; [`client`] sends it; [`kv`] knows the two versions of the KV
//! secrets engine; [`error`] says what can go wrong.

pub mod client;
pub mod error;
pub mod kv;
pub mod path;

use self::{client::VaultClient, kv::Kv};

/// One Vault, as the tools see it.
pub struct Vault {
    /// Requests that belong to no engine.
    pub client: VaultClient,
    /// The KV engines.
    pub kv: Kv,
}

impl Vault {
    /// The Vault that the client speaks to.
    pub fn new(client: VaultClient) -> Self {
        Self {
            kv: Kv::new(client.clone()),
            client,
        }
    }
}
