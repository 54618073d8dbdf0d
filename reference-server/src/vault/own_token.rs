//! What a token may ask Vault about itself. No tool leads here: the server renews its token, and
//! the session revokes its own.

use serde::Deserialize;

use super::{
    client::VaultClient,
    error::{Capability, VaultError},
    path::ApiPath,
};

/// What Vault knows about a token.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TokenFacts {
    /// The name that its maker gave it.
    #[serde(default)]
    pub display_name: String,
    /// By this it can be named without being known.
    #[serde(default)]
    pub accessor: String,
    /// Its policies.
    #[serde(default)]
    pub policies: Vec<String>,
    /// Further policies, those of the identity behind it.
    #[serde(default)]
    pub identity_policies: Option<Vec<String>>,
    /// When it ends, in RFC 3339; a root token has no such time.
    #[serde(default)]
    pub expire_time: Option<String>,
    /// How long it is still valid.
    #[serde(flatten)]
    pub life: Life,
}

/// How long a token is still valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Life {
    /// In seconds; 0 of a token that does not expire, too.
    #[serde(alias = "lease_duration")]
    pub ttl: u64,
    /// Whether it can be renewed.
    #[serde(default)]
    pub renewable: bool,
}

impl TokenFacts {
    /// All policies that bind it.
    pub fn all_policies(&self) -> impl Iterator<Item = &str> {
        let policies = self.policies.iter();
        let more = self.identity_policies.iter().flatten();
        policies.chain(more).map(String::as_str)
    }

    /// Whether it ends by itself.
    pub fn expires(&self) -> bool {
        self.expire_time.is_some()
    }

    /// Whether it may do everything.
    pub fn is_root(&self) -> bool {
        self.all_policies().any(|policy| policy == "root")
    }
}

impl VaultClient {
    /// What Vault knows about the token that this client sends. The policy `default` allows it.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn look_up_own_token(&self) -> Result<TokenFacts, VaultError> {
        self.read(&ApiPath::own_token("lookup-self"), None)
            .await?
            .data()
    }

    /// Renews the token that this client sends. The policy `default` allows it.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn renew_own_token(&self) -> Result<Life, VaultError> {
        let path = ApiPath::own_token("renew-self");
        self.write(&path, Capability::Update, b"{}".to_vec())
            .await?
            .auth()
    }

    /// Revokes the token that this client sends. The policy `default` allows it.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn revoke_own_token(&self) -> Result<(), VaultError> {
        let path = ApiPath::own_token("revoke-self");
        let answer = self
            .write(&path, Capability::Update, b"{}".to_vec())
            .await?;
        match answer.is_not_found() {
            false => Ok(()),
            true => Err(answer.unexpected("it says that the endpoint is not there")),
        }
    }
}
