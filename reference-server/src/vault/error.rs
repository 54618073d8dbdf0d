//! What can go wrong between this server and Vault.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::path::PathError;

/// A capability in the sense of Vault's policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Make what is not there.
    Create,
    /// Read what is there.
    Read,
    /// Change what is there.
    Update,
    /// Delete.
    Delete,
    /// List a folder.
    List,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::List => "list",
        })
    }
}

/// Vault answered, and the answer is no.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Vault's own messages.
    pub messages: Vec<String>,
    /// Seconds that Vault asks to wait.
    pub retry_after: Option<u64>,
    /// What the refused request needed.
    pub capability: Capability,
    /// The path of the refused request, as a policy writes it.
    pub path: String,
}

impl Refusal {
    /// Whether one of Vault's messages contains the phrase.
    pub fn says(&self, phrase: &str) -> bool {
        self.messages.iter().any(|message| message.contains(phrase))
    }

    /// Whether Vault would refuse the same request again, however long one waits.
    pub fn is_final(&self) -> bool {
        matches!(self.status, 400 | 403 | 405)
    }

    /// Whether Vault does not know the token: it is wrong, has expired or was revoked.
    pub fn is_about_the_token(&self) -> bool {
        self.status == 403 && (self.says("invalid token") || self.says("bad token"))
    }

    /// Whether the mount or the secret takes no write without check-and-set.
    pub fn demands_a_version(&self) -> bool {
        self.says("check-and-set parameter required")
    }

    /// Whether another write came first.
    pub fn is_conflict(&self) -> bool {
        self.says("check-and-set parameter did not match")
    }
}

/// Why an operation on Vault failed. No message contains a value or a token of
/// this server's making; [`Refusal::messages`] are Vault's and are redacted
/// before they are shown.
#[derive(Debug, Error)]
pub enum VaultError {
    /// No answer: Vault is down, or the connection broke.
    #[error("could not get an answer from vault: {0}")]
    Unreachable(String),
    /// Vault's certificate is not accepted, so that nothing was sent.
    #[error("vault's certificate is not accepted: {0}")]
    Certificate(String),
    /// No complete answer in time.
    #[error("vault did not answer within {0} s")]
    Timeout(u64),
    /// Vault said no.
    #[error("vault refused the request with status {}", .0.status)]
    Refused(Refusal),
    /// Vault, or something in its place, answered with what Vault does not answer.
    #[error("vault's answer (status {status}) cannot be used: {reason}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        reason: &'static str,
    },
    /// The request would change Vault, and this server must not; it was not sent.
    #[error("this server is read-only: nothing was changed, and vault was not asked")]
    ReadOnly,
    /// There is no mount at the path.
    #[error("there is no mount at this path")]
    NoSuchMount,
    /// The mount is not a KV secrets engine.
    #[error("the mount is a `{0}` engine, not a KV secrets engine")]
    NotKv(String),
    /// The mount is not a PKI secrets engine.
    #[error("the mount is a `{0}` engine, not a PKI secrets engine")]
    NotPki(String),
    /// Nothing is stored there.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// The version of the secret is soft-deleted.
    #[error("version {version} of the secret was deleted at {deletion_time}")]
    Deleted {
        /// The version that was asked for, or the latest.
        version: u64,
        /// RFC 3339.
        deletion_time: String,
    },
    /// The version of the secret is destroyed.
    #[error("version {version} of the secret was destroyed")]
    Destroyed {
        /// The version that was asked for, or the latest.
        version: u64,
    },
    /// A version was asked of a KV v1 engine.
    #[error("the mount is a KV v1 engine, which keeps no versions")]
    NoVersions,
    /// Versions were named that the secret does not have.
    #[error("the secret has no version {}", numbers(.0))]
    NoSuchVersions(Vec<u64>),
    /// The name cannot be given to a mount.
    #[error("the name of the mount {0}")]
    MountName(PathError),
    /// An issuer is to get a name that another one has.
    #[error("the mount has an issuer of this name or id already")]
    NameTaken,
    /// Others changed the secret each time between the read and the write.
    #[error("the secret was changed by others {0} times while this write was tried")]
    Conflict(u32),
}

impl VaultError {
    /// Vault's refusal, if this is one, with this status.
    pub fn refused_with(&self, status: u16) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) if refusal.status == status => Some(refusal),
            _ => None,
        }
    }
}

fn numbers(versions: &[u64]) -> String {
    let versions: Vec<_> = versions.iter().map(u64::to_string).collect();
    versions.join(", ")
}
