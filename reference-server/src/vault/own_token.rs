//! Requests of a token about itself. No tool uses them: the server renews its token, and the session revokes its
//! token.

use serde::Deserialize;

use super::{
    client::VaultClient,
    error::{Capability, VaultError},
    path::ApiPath,
};

/// Vault's facts about a token.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct TokenFacts {
    /// Its display name.
    #[serde(default)]
    pub display_name: String,
    /// Identifies the token without revealing it.
    #[serde(default)]
    pub accessor: String,
    /// Its policies.
    #[serde(default)]
    pub policies: Vec<String>,
    /// The policies of the identity that it belongs to.
    #[serde(default)]
    pub identity_policies: Option<Vec<String>>,
    /// When it expires, RFC 3339; none for a root token.
    #[serde(default)]
    pub expire_time: Option<String>,
    /// Its remaining lifetime.
    #[serde(flatten)]
    pub life: Life,
}

/// The remaining lifetime of a token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Life {
    /// In seconds; 0 also if the token does not expire.
    #[serde(alias = "lease_duration")]
    pub ttl: u64,
    /// Whether it can be renewed.
    #[serde(default)]
    pub renewable: bool,
}

impl TokenFacts {
    /// All policies of the token.
    pub fn all_policies(&self) -> impl Iterator<Item = &str> {
        let policies = self.policies.iter();
        let more = self.identity_policies.iter().flatten();
        policies.chain(more).map(String::as_str)
    }

    /// Whether the token expires.
    pub fn expires(&self) -> bool {
        self.expire_time.is_some()
    }

    /// Whether it is a root token.
    pub fn is_root(&self) -> bool {
        self.all_policies().any(|policy| policy == "root")
    }
}

impl VaultClient {
    /// Looks up the token of this client. The policy `default` allows that.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn look_up_own_token(&self) -> Result<TokenFacts, VaultError> {
        self.read(&ApiPath::own_token("lookup-self"), None)
            .await?
            .data()
    }

    /// Renews the token of this client. The policy `default` allows that.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn renew_own_token(&self) -> Result<Life, VaultError> {
        let path = ApiPath::own_token("renew-self");
        self.write(&path, Capability::Update, b"{}".to_vec())
            .await?
            .auth()
    }

    /// Revokes the token of this client. The policy `default` allows that.
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
