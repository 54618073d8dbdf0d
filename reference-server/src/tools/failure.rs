//! The error format of all tools.
//!
//! A model must be able to act on an error: `kind` classifies it, `vault_messages` are Vault's own messages, and
//! `next_step` says what to do.

use std::fmt;

use serde::Serialize;

use crate::{
    limits::{Exceeded, Limit},
    redact::Redactor,
    vault::error::{Capability, Refusal, VaultError},
};

/// For failures that do not reveal whether Vault executed the request.
const TRY_AGAIN: &str =
    "try again in a few seconds; if this was a change, read first: it may have been made";

/// The kind of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Vault denied the request.
    PermissionDenied,
    /// The named object does not exist.
    NotFound,
    /// The version is soft-deleted.
    Deleted,
    /// The version is destroyed.
    Destroyed,
    /// The arguments are invalid; no request was sent to Vault.
    InvalidArgument,
    /// Other writers kept changing the secret.
    Conflict,
    /// Vault did not answer.
    VaultUnavailable,
    /// Vault is sealed.
    VaultSealed,
    /// A limit of this server is exceeded and no request was sent, or Vault's own limit and there is a status.
    RateLimited,
    /// This server is read-only; no request was sent to Vault.
    ReadOnly,
    /// Vault rejected the request for another reason.
    VaultError,
    /// The answer does not come from Vault.
    UnexpectedAnswer,
    /// A defect of this server.
    Internal,
}

impl Kind {
    /// The kind's name in the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::Deleted => "deleted",
            Self::Destroyed => "destroyed",
            Self::InvalidArgument => "invalid_argument",
            Self::Conflict => "conflict",
            Self::VaultUnavailable => "vault_unavailable",
            Self::VaultSealed => "vault_sealed",
            Self::RateLimited => "rate_limited",
            Self::ReadOnly => "read_only",
            Self::VaultError => "vault_error",
            Self::UnexpectedAnswer => "unexpected_answer",
            Self::Internal => "internal",
        }
    }
}

/// The capability that a policy would have to grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MissingCapability {
    /// The capability, as policies name it.
    pub capability: Capability,
    /// The path, as policies write it.
    pub path: String,
}

/// Why a call failed, and what to do about it.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The kind of the failure.
    pub kind: Kind,
    /// Vault's HTTP status, if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A sentence that says what happened.
    pub message: String,
    /// Vault's own messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vault_messages: Vec<String>,
    /// The capability that a policy would have to grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_capability: Option<Box<MissingCapability>>,
    /// Milliseconds until the call can succeed, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// What to do.
    pub next_step: String,
}

impl Failure {
    /// A failure without an answer from Vault.
    pub fn new(kind: Kind, message: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            message: message.into(),
            vault_messages: Vec::new(),
            missing_capability: None,
            retry_after_ms: None,
            next_step: next_step.into(),
        }
    }

    /// A change on a read-only server.
    pub fn read_only() -> Self {
        VaultError::ReadOnly.into()
    }

    /// An invalid argument; `complaint` names it and never quotes its value.
    pub fn invalid_argument(complaint: impl Into<String>) -> Self {
        Self::new(
            Kind::InvalidArgument,
            complaint,
            "correct the arguments as the tool's input schema says and call again",
        )
    }

    /// An argument of the wrong form; `error` is a predicate such as "is not a path".
    pub fn invalid(argument: &str, error: impl fmt::Display) -> Self {
        Self::invalid_argument(format!("argument `{argument}` {error}"))
    }

    /// A defect of this server.
    pub fn internal() -> Self {
        Self::new(
            Kind::Internal,
            "the server failed while it handled this call; this is a defect of the server",
            "check with a read what Vault holds now, and report the defect to the operator",
        )
    }

    /// The call exceeded its time limit, in seconds.
    pub fn timeout(seconds: u64) -> Self {
        VaultError::Timeout(seconds).into()
    }

    /// The same, with the state of the rest of the call.
    #[must_use]
    pub fn and(mut self, outcome: &str) -> Self {
        self.message = format!("{}; {outcome}", self.message);
        self
    }

    /// The same without the token and without the values.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor, values: &[&str]) -> Self {
        self.message = redactor.scrub(&self.message, values);
        for message in &mut self.vault_messages {
            *message = redactor.scrub(message, values);
        }
        // These quote only arguments that are not values.
        self.next_step = redactor.scrub(&self.next_step, &[]);
        if let Some(missing) = &mut self.missing_capability {
            missing.path = redactor.scrub(&missing.path, &[]);
        }
        self
    }
}

impl From<Exceeded> for Failure {
    fn from(exceeded: Exceeded) -> Self {
        let Exceeded { rate, .. } = exceeded;
        let whose = match exceeded.limit {
            Limit::Session => "of this session",
            Limit::Global => "of this server, which all its clients share,",
        };
        let wait = u64::try_from(exceeded.retry_after.as_millis()).unwrap_or(u64::MAX);
        // Rounds up to whole milliseconds.
        let wait = wait.saturating_add(1);
        Self {
            retry_after_ms: Some(wait),
            ..Self::new(
                Kind::RateLimited,
                format!(
                    "the rate limit {whose} is used up ({rate}, calls a second and at once); nothing was done"
                ),
                format!("wait {wait} ms and call again, less often"),
            )
        }
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let message = error.to_string();
        match error {
            VaultError::Refused(refusal) => refused(refusal),
            VaultError::Unreachable(_) | VaultError::Timeout(_) => {
                Self::new(Kind::VaultUnavailable, message, TRY_AGAIN)
            }
            VaultError::Certificate(_) => Self::new(
                Kind::VaultUnavailable,
                message,
                "ask the operator to set VAULT_CACERT to the authority that signed vault's certificate, and VAULT_ADDR \
                 to a name that the certificate has; nothing was sent",
            ),
            VaultError::Unexpected { status, .. } => Self {
                status: Some(status),
                ..Self::new(
                    Kind::UnexpectedAnswer,
                    message,
                    "read before any change; if it happens again, ask the operator what answers at VAULT_ADDR",
                )
            },
            VaultError::ReadOnly => Self::new(
                Kind::ReadOnly,
                message,
                "no tool of this server changes anything; if a change is needed, ask the operator, who can allow it \
                 with ENABLE_VAULT_OPERATIONS=true and a restart",
            ),
            VaultError::NoSuchMount => Self::new(
                Kind::NotFound,
                message,
                "call list_mounts and use a `path` from it as `mount`",
            ),
            VaultError::NotKv(_) => Self::new(
                Kind::InvalidArgument,
                message,
                "call list_mounts and use a mount of type `kv` as `mount`",
            ),
            VaultError::NotPki(_) => Self::new(
                Kind::InvalidArgument,
                message,
                "call list_mounts and use a mount of type `pki` as `mount`; enable_pki makes one",
            ),
            VaultError::NotFound(_) => Self {
                status: Some(404),
                ..Self::new(
                    Kind::NotFound,
                    message,
                    "call list_secrets to see what is there",
                )
            },
            VaultError::Deleted { .. } => Self {
                status: Some(404),
                ..Self::new(
                    Kind::Deleted,
                    message,
                    "undelete_secret restores this version; put_secret makes a new one; read_secret reads an earlier `version`",
                )
            },
            VaultError::Destroyed { .. } => Self {
                status: Some(404),
                ..Self::new(
                    Kind::Destroyed,
                    message,
                    "this version cannot be recovered; put_secret makes a new one, read_secret reads another `version`",
                )
            },
            VaultError::NoVersions => Self::new(
                Kind::InvalidArgument,
                message,
                "call again without naming a version, where the tool allows that; what KV v1 deletes or overwrites is gone",
            ),
            VaultError::NoSuchVersions(_) => Self::new(
                Kind::NotFound,
                format!("{message}: nothing was done"),
                "call read_secret_metadata to see which versions there are",
            ),
            VaultError::MountName(error) => Self::invalid("mount", error),
            VaultError::NameTaken => {
                Self::invalid_argument(format!("argument `issuer`: {message}"))
            }
            VaultError::Conflict(_) => Self::new(
                Kind::Conflict,
                message,
                "nothing was written by this call: call again",
            ),
        }
    }
}

fn refused(refusal: Refusal) -> Failure {
    let status = refusal.status;
    let said = match refusal.messages.as_slice() {
        [] => String::new(),
        messages => format!(
            ": {}",
            messages
                .join("; ")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        ),
    };
    let (kind, message, next_step) = match status {
        400 if refusal.is_conflict() => (
            Kind::Conflict,
            format!(
                "the secret is not at the version that the write names: nothing was written (400){said}"
            ),
            "find out the latest version, and name it as `check_version`".to_owned(),
        ),
        400 if said.contains("Upgrading from non-versioned to versioned data") => (
            Kind::VaultUnavailable,
            format!("vault is still upgrading the mount to KV v2; nothing was done (400){said}"),
            "wait a few seconds and call again".to_owned(),
        ),
        403 => return denied(refusal, &said),
        429 => {
            let wait = refusal
                .retry_after
                .map_or_else(|| "a few".to_owned(), |seconds| seconds.to_string());
            (
                Kind::RateLimited,
                format!("vault's rate limit is used up (429){said}"),
                format!("wait {wait} seconds and call again, less often"),
            )
        }
        503 if said.contains("sealed") => (
            Kind::VaultSealed,
            format!("vault is sealed (503){said}"),
            "ask the operator to unseal vault, then call again".to_owned(),
        ),
        412 | 472 | 473 | 502..=504 => (
            Kind::VaultUnavailable,
            format!("vault cannot serve the request now ({status}){said}"),
            TRY_AGAIN.to_owned(),
        ),
        300..=399 => (
            Kind::UnexpectedAnswer,
            format!("vault answered with a redirect ({status}), which this server never follows"),
            "ask the operator to set VAULT_ADDR to the address that answers itself".to_owned(),
        ),
        _ => (
            Kind::VaultError,
            format!("vault refused the request ({status}){said}"),
            "act on vault's message; calling again without a change will fail again".to_owned(),
        ),
    };
    let retry_after_ms = refusal
        .retry_after
        .map(|seconds| seconds.saturating_mul(1000));
    Failure {
        status: Some(status),
        vault_messages: refusal.messages,
        retry_after_ms,
        ..Failure::new(kind, message, next_step)
    }
}

fn denied(refusal: Refusal, said: &str) -> Failure {
    let Refusal {
        status,
        ref capability,
        ref path,
        ..
    } = refusal;
    let grant = format!("ask the operator for a policy that grants `{capability}` on `{path}`");
    let (message, next_step, policy_can_help) = if refusal.is_about_the_token() {
        (
            format!("permission denied (403): vault does not accept the token{said}"),
            "ask the operator for a new token: this one is invalid, expired or revoked".to_owned(),
            false,
        )
    } else if refusal.says("preflight capability check") {
        (
            "permission denied (403): the token has no right on this mount, or there is no such mount; \
             vault does not say which"
                .to_owned(),
            format!("call list_mounts and use a `path` from it as `mount`, or {grant}"),
            true,
        )
    } else {
        (
            format!("permission denied (403){said}"),
            format!("{grant}; the call works as soon as it is granted"),
            true,
        )
    };
    Failure {
        status: Some(status),
        missing_capability: policy_can_help.then(|| {
            Box::new(MissingCapability {
                capability: *capability,
                path: path.clone(),
            })
        }),
        vault_messages: refusal.messages,
        ..Failure::new(Kind::PermissionDenied, message, next_step)
    }
}
