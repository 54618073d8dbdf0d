//! A Vault that somebody else runs. The suite uses it only when asked to, and touches only what it makes there. With
//! the given token the suite makes a policy and a token for the run, which reach only names with the run's prefix. All
//! else uses these. At the end the suite removes both, and all tokens that were made from that token.

use std::path::PathBuf;

use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::{
    api::{ApiError, RootApi},
    container::block_on_elsewhere,
    endpoint::{Endpoint, EndpointError},
    leftovers, notes,
    prefix::RunPrefix,
};
use crate::{error_chain::error_chain, progress::Progress};

/// The policy for the given token: everything that it needs, and nothing else.
pub const POLICY: &str = include_str!("../../../fixtures/vault/external.hcl");

/// The rights that the token needs: paths and capabilities. In a path, `vmc-*` is replaced by the names of this run.
const RIGHTS: [(&str, &[&str]); 6] = [
    ("auth/token/create", &["update", "sudo"]),
    ("auth/token/revoke-accessor", &["update"]),
    ("sys/policies/acl", &["list"]),
    ("sys/policies/acl/vmc-*", &["update", "delete"]),
    ("sys/mounts", &["read"]),
    ("sys/mounts/vmc-*", &["delete"]),
];

/// The maximum lifetime of a run's token, in case it is never revoked.
const TOKEN_TTL: &str = "4h";

/// The external Vault to use, and the token for it.
#[derive(Clone, Debug)]
pub struct ExternalOptions {
    /// `http://` or `https://HOST[:PORT]`.
    pub address: String,
    /// The token, for which [`POLICY`] is sufficient.
    pub token: SecretString,
    /// A PEM file with the CA of its certificate. The default is the CAs that this machine trusts.
    pub ca: Option<PathBuf>,
}

/// Why an external Vault is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// No address was given.
    #[error("--vault external needs the address of a Vault")]
    NotNamed,
    /// The address or the CA file is invalid.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nothing answers.
    #[error("no answer from {address}: {reason}")]
    Unreachable {
        /// The address.
        address: String,
        /// The cause.
        reason: String,
    },
    /// The certificate is not trusted, or the server does not use TLS.
    #[error("the TLS handshake with {address} failed: {reason}")]
    Tls {
        /// The address.
        address: String,
        /// The cause.
        reason: String,
    },
    /// The server uses TLS, but the address does not.
    #[error("{address} requires TLS, but its address begins with http://")]
    SpeaksTls {
        /// The address.
        address: String,
    },
    /// The server is not a Vault.
    #[error("the server at {address} is not a Vault: {reason}")]
    NoVault {
        /// The address.
        address: String,
        /// What it answered.
        reason: String,
    },
    /// The Vault is not ready.
    #[error("the Vault at {address} is {state}")]
    NotReady {
        /// The address.
        address: String,
        /// `sealed` or `not initialized`.
        state: &'static str,
    },
    /// Vault rejects the token.
    #[error("the Vault at {address} rejects the token: {reason}")]
    TokenRefused {
        /// The address.
        address: String,
        /// What it answered.
        reason: String,
    },
    /// The token lacks rights.
    #[error("the token for {address} lacks rights:\n{}", .missing.join("\n"))]
    RightsMissing {
        /// The address.
        address: String,
        /// One line for each path.
        missing: Vec<String>,
    },
    /// Vault rejected one of the suite's requests.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl ExternalError {
    pub(super) fn fix(&self) -> String {
        match self {
            Self::NotNamed => "name it with --vault-addr".to_owned(),
            Self::Endpoint(EndpointError::Address { .. }) => "correct --vault-addr".to_owned(),
            Self::Endpoint(_) => {
                "name the PEM file of its certificate authority with --vault-ca".to_owned()
            }
            Self::Unreachable { address, .. } => {
                format!(
                    "check that Vault runs there and is reachable: `vault status -address={address}`"
                )
            }
            Self::Tls { .. } => "name the PEM file of its certificate authority with --vault-ca, \
                or use http:// if it speaks no TLS"
                .to_owned(),
            Self::SpeaksTls { .. } => "use https:// in --vault-addr".to_owned(),
            Self::NoVault { .. } => "correct --vault-addr".to_owned(),
            Self::NotReady { .. } => {
                "initialize and unseal it: `vault operator init`, `vault operator unseal`"
                    .to_owned()
            }
            Self::TokenRefused { .. } => {
                "give a token of that Vault which has not expired".to_owned()
            }
            Self::RightsMissing { .. } => {
                "give the token the policy fixtures/vault/external.hcl, which suffices".to_owned()
            }
            Self::Api(_) => "see Vault's own log".to_owned(),
        }
    }
}

/// An external Vault in use. On drop, what the run made is removed as far as possible.
#[derive(Debug)]
pub(super) struct ExternalVault {
    admin: RootApi,
    /// What has to be removed; `None` afterwards.
    entered: Option<Entered>,
}

#[derive(Clone, Debug)]
struct Entered {
    prefix: RunPrefix,
    accessor: Option<String>,
}

impl ExternalVault {
    /// Checks that the Vault is usable, removes what dead runs left there, and creates a token for the run. The second
    /// returned value uses that token.
    pub(super) async fn enter(
        options: &ExternalOptions,
        prefix: &RunPrefix,
        progress: &Progress,
    ) -> Result<(Self, RootApi), ExternalError> {
        let endpoint = Endpoint::new(&options.address, options.ca.as_deref())?;
        let admin = RootApi::at(&endpoint, options.token.clone())?;
        can_be_used(&admin, endpoint.address()).await?;
        may_be_used(&admin, endpoint.address(), prefix).await?;
        leftovers::sweep_external(&admin, endpoint.address(), progress).await;

        notes::note_external(endpoint.address(), prefix, None);
        let mut this = Self {
            admin,
            entered: Some(Entered {
                prefix: prefix.clone(),
                accessor: None,
            }),
        };
        let name = format!("{prefix}suite");
        let policy = json!({ "policy": run_policy(prefix) });
        let path = format!("sys/policies/acl/{name}");
        this.admin.put(&path, &policy).await?;
        let made: Made = this
            .admin
            .ask(
                Method::POST,
                "auth/token/create",
                Some(&json!({
                    "policies": [name],
                    "ttl": TOKEN_TTL,
                    "explicit_max_ttl": TOKEN_TTL,
                    "renewable": false,
                    "display_name": "vault-mcp-conformance",
                    "meta": { "made_by": "vault-mcp-conformance", "run": prefix.as_str() },
                })),
            )
            .await?;
        notes::note_external(endpoint.address(), prefix, Some(&made.auth.accessor));
        if let Some(entered) = &mut this.entered {
            entered.accessor = Some(made.auth.accessor);
        }
        let run = this.admin.with(made.auth.client_token.into());
        Ok((this, run))
    }

    /// Removes everything that the suite or the target made.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        let Some(Entered { prefix, accessor }) = self.entered.take() else {
            return Ok(());
        };
        match leftovers::remove(&self.admin, &prefix, accessor.as_deref()).await {
            Ok(_) => {
                notes::note_removed(&prefix);
                Ok(())
            }
            Err(error) => Err(format!(
                "{error}; objects whose names begin with {prefix} are left there, and the next run on this Vault removes them"
            )),
        }
    }
}

impl Drop for ExternalVault {
    fn drop(&mut self) {
        if let Some(Entered { prefix, accessor }) = self.entered.take() {
            // The connections of the other client belong to a runtime that may be gone.
            let admin = RootApi::at(self.admin.endpoint(), self.admin.token().clone());
            block_on_elsewhere(async move {
                // A failure cannot be reported here; the next run removes the rest.
                if let Ok(admin) = admin
                    && leftovers::remove(&admin, &prefix, accessor.as_deref())
                        .await
                        .is_ok()
                {
                    notes::note_removed(&prefix);
                }
            });
        }
    }
}

#[derive(Deserialize)]
struct Made {
    auth: MadeToken,
}

#[derive(Deserialize)]
struct MadeToken {
    client_token: String,
    accessor: String,
}

/// The policy of the run's own token. Only one right reaches beyond the prefix: creating tokens, which gives each
/// target a token with a policy of its own.
fn run_policy(prefix: &RunPrefix) -> String {
    format!(
        r#"path "{prefix}*" {{ capabilities = ["create", "read", "update", "patch", "delete", "list", "sudo"] }}
path "sys/mounts" {{ capabilities = ["read"] }}
path "sys/mounts/{prefix}*" {{ capabilities = ["create", "read", "update", "delete", "sudo"] }}
path "sys/policies/acl/{prefix}*" {{ capabilities = ["create", "read", "update", "delete"] }}
path "auth/token/create" {{ capabilities = ["update", "sudo"] }}
path "auth/token/lookup-accessor" {{ capabilities = ["update"] }}
path "auth/token/revoke-accessor" {{ capabilities = ["update"] }}
"#
    )
}

/// Checks that a Vault answers and is unsealed.
async fn can_be_used(admin: &RootApi, address: &str) -> Result<(), ExternalError> {
    #[derive(Deserialize)]
    struct SealStatus {
        initialized: bool,
        sealed: bool,
    }
    let address = address.to_owned();
    // The server may not be the right one, so it does not get the token yet.
    let stranger = admin.with(SecretString::from(""));
    let status: SealStatus = match stranger.ask(Method::GET, "sys/seal-status", None).await {
        Ok(status) => status,
        Err(ApiError::NoAnswer { source, .. }) if source.is_decode() => {
            let reason = "its sys/seal-status is not what Vault says".to_owned();
            return Err(ExternalError::NoVault { address, reason });
        }
        Err(ApiError::NoAnswer { source, .. }) => {
            let reason = error_chain(&source.without_url());
            let tls = ["certificate", "tls", "InvalidContentType"];
            return Err(match tls.iter().any(|word| reason.contains(word)) {
                true => ExternalError::Tls { address, reason },
                false => ExternalError::Unreachable { address, reason },
            });
        }
        Err(ApiError::Status { body, .. }) if body.contains("HTTP request to an HTTPS server") => {
            return Err(ExternalError::SpeaksTls { address });
        }
        Err(ApiError::Status { status, .. }) => {
            let reason = format!("it answers sys/seal-status with {status}");
            return Err(ExternalError::NoVault { address, reason });
        }
        Err(error) => return Err(error.into()),
    };
    let state = match status {
        SealStatus {
            initialized: false, ..
        } => "not initialized",
        SealStatus { sealed: true, .. } => "sealed",
        _ => return Ok(()),
    };
    Err(ExternalError::NotReady { address, state })
}

/// Checks that Vault accepts the token, and that the token has the necessary rights.
async fn may_be_used(
    admin: &RootApi,
    address: &str,
    prefix: &RunPrefix,
) -> Result<(), ExternalError> {
    #[derive(Deserialize)]
    struct Capabilities {
        data: std::collections::HashMap<String, Vec<String>>,
    }
    let real = |shown: &str| shown.replace("vmc-*", &format!("{prefix}suite"));
    let paths: Vec<_> = RIGHTS.iter().map(|(shown, _)| real(shown)).collect();
    let asked = json!({ "paths": paths });
    let answer = admin.ask(Method::POST, "sys/capabilities-self", Some(&asked));
    let granted: Capabilities = match answer.await {
        Ok(granted) => granted,
        Err(ApiError::Status { status, body, .. }) if status.as_u16() == 403 => {
            let address = address.to_owned();
            if body.contains("invalid token") {
                let reason = "it is wrong, revoked or expired".to_owned();
                return Err(ExternalError::TokenRefused { address, reason });
            }
            let missing = vec![line("sys/capabilities-self", &["update"])];
            return Err(ExternalError::RightsMissing { address, missing });
        }
        Err(error) => return Err(error.into()),
    };
    let missing: Vec<_> = RIGHTS
        .iter()
        .filter_map(|(shown, needed)| {
            let has = granted
                .data
                .get(&real(shown))
                .map_or(&[][..], Vec::as_slice);
            if has.iter().any(|capability| capability == "root") {
                return None;
            }
            let lacks = |needed: &&&str| !has.iter().any(|has| has == **needed);
            let lacking: Vec<_> = needed.iter().filter(lacks).copied().collect();
            (!lacking.is_empty()).then(|| line(shown, &lacking))
        })
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(ExternalError::RightsMissing {
            address: address.to_owned(),
            missing,
        }),
    }
}

fn line(path: &str, capabilities: &[&str]) -> String {
    format!("    path {path:?}: {}", capabilities.join(", "))
}
