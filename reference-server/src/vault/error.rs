//! Errors between this server and Vault.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use super::path::PathError;

/// A capability in the sense of Vault's policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    /// Create what does not exist.
    Create,
    /// Read what exists.
    Read,
    /// Change what exists.
    Update,
    /// Change a part of what exists, without reading it.
    Patch,
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
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
        })
    }
}

/// Vault rejected the request.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Vault's own messages.
    pub messages: Vec<String>,
    /// Seconds to wait, according to Vault.
    pub retry_after: Option<u64>,
    /// The capability that the rejected request needed.
    pub capability: Capability,
    /// The path of the rejected request, in the form of a policy.
    pub path: String,
}

impl Refusal {
    /// Whether one of Vault's messages contains the phrase.
    pub fn says(&self, phrase: &str) -> bool {
        self.messages.iter().any(|message| message.contains(phrase))
    }

    /// Whether Vault would reject the same request again at any time.
    pub fn is_final(&self) -> bool {
        matches!(self.status, 400 | 403 | 405)
    }

    /// Whether Vault does not accept the token: it is wrong, has expired or was revoked.
    pub fn is_about_the_token(&self) -> bool {
        self.status == 403 && (self.says("invalid token") || self.says("bad token"))
    }

    /// Whether the mount or the secret requires check-and-set for writes.
    pub fn demands_a_version(&self) -> bool {
        self.says("check-and-set parameter required")
    }

    /// Whether another write came first.
    pub fn is_conflict(&self) -> bool {
        self.says("check-and-set parameter did not match")
    }
}

/// Why an operation on Vault failed. This server puts no value or token into a message. [`Refusal::messages`] come
/// from Vault and are redacted before they are shown.
#[derive(Debug, Error)]
pub enum VaultError {
    /// No answer: Vault is down, or the connection failed.
    #[error("could not get an answer from vault: {0}")]
    Unreachable(String),
    /// The client rejected Vault's certificate and sent nothing.
    #[error("vault's certificate is not accepted: {0}")]
    Certificate(String),
    /// No complete answer within the timeout.
    #[error("vault did not answer within {0} s")]
    Timeout(u64),
    /// Vault rejected the request.
    #[error("vault refused the request with status {}", .0.status)]
    Refused(Refusal),
    /// The answer is not one that Vault gives; another server may have sent it.
    #[error("vault's answer (status {status}) cannot be used: {reason}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// What is wrong with the answer.
        reason: &'static str,
    },
    /// The request would change Vault, but the server is read-only. The request was not sent.
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
        /// The requested version, or the latest.
        version: u64,
        /// RFC 3339.
        deletion_time: String,
    },
    /// The version of the secret is destroyed.
    #[error("version {version} of the secret was destroyed")]
    Destroyed {
        /// The requested version, or the latest.
        version: u64,
    },
    /// A version was requested from a KV v1 engine.
    #[error("the mount is a KV v1 engine, which keeps no versions")]
    NoVersions,
    /// The request names versions that the secret does not have.
    #[error("the secret has no version {}", numbers(.0))]
    NoSuchVersions(Vec<u64>),
    /// A mount cannot have this name.
    #[error("the name of the mount {0}")]
    MountName(PathError),
    /// Another issuer already has the name.
    #[error("the mount has an issuer of this name or id already")]
    NameTaken,
    /// Other writers changed the secret between each read and write.
    #[error("the secret was changed by others {0} times while this write was tried")]
    Conflict(u32),
}

impl VaultError {
    /// Vault's refusal, if this is one with this status.
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
