//! Settings that protect the HTTP transport: allowed origins, allowed host names, and the TLS certificate.

use std::{net::IpAddr, path::Path};

use thiserror::Error;

use crate::http::{
    host::{AllowedHosts, HostError},
    origin::{AllowedOrigins, OriginError},
    tls::{Tls, TlsError},
};

const CERT_FILE: &str = "MCP_TLS_CERT_FILE";
const KEY_FILE: &str = "MCP_TLS_KEY_FILE";

/// Why a setting that protects the HTTP transport is invalid.
#[derive(Debug, Error)]
pub enum GuardError {
    /// `MCP_CORS_MODE` names no mode.
    #[error("MCP_CORS_MODE is {0:?}; it can be `strict` (the default) or `development`")]
    CorsMode(String),
    /// `MCP_CORS_MODE` is the mode in which every page may call.
    #[error(
        "MCP_CORS_MODE is \"disabled\", with which any web page in a browser that reaches this server could use the Vault token: list the origins that may call in MCP_ALLOWED_ORIGINS, or let all pages that this machine serves call by MCP_CORS_MODE=development"
    )]
    CorsDisabled,
    /// `MCP_SESSION_MODE` names no mode.
    #[error("MCP_SESSION_MODE is {0:?}; it can be `stateful` (the default) or `stateless`")]
    SessionMode(String),
    /// An item of `MCP_ALLOWED_ORIGINS` is not an origin.
    #[error("MCP_ALLOWED_ORIGINS: {0}")]
    Origin(#[from] OriginError),
    /// An item of `MCP_ALLOWED_HOSTS` is not a host.
    #[error("MCP_ALLOWED_HOSTS: {0}")]
    Host(#[from] HostError),
    /// Only one of certificate and key is set.
    #[error("{set} is set and {unset} is not; TLS needs both")]
    HalfOfTls {
        /// The variable that is set.
        set: &'static str,
        /// The variable that is not.
        unset: &'static str,
    },
    /// The certificate or its key is unusable.
    #[error("TLS cannot be set up ({CERT_FILE}, {KEY_FILE}): {0}")]
    Tls(#[from] TlsError),
}

pub(super) fn origins(env: impl Fn(&str) -> Option<String>) -> Result<AllowedOrigins, GuardError> {
    let loopback = match env("MCP_CORS_MODE").as_deref() {
        None | Some("strict") => false,
        Some("development") => true,
        Some("disabled") => return Err(GuardError::CorsDisabled),
        Some(other) => return Err(GuardError::CorsMode(other.to_owned())),
    };
    let list = env("MCP_ALLOWED_ORIGINS").unwrap_or_default();
    Ok(AllowedOrigins::new(&list, loopback)?)
}

/// Whether clients of revisions with sessions get sessions.
pub(super) fn has_sessions(env: impl Fn(&str) -> Option<String>) -> Result<bool, GuardError> {
    match env("MCP_SESSION_MODE").as_deref() {
        None | Some("stateful") => Ok(true),
        Some("stateless") => Ok(false),
        Some(other) => Err(GuardError::SessionMode(other.to_owned())),
    }
}

pub(super) fn hosts(
    env: impl Fn(&str) -> Option<String>,
    listening: IpAddr,
) -> Result<AllowedHosts, GuardError> {
    let list = env("MCP_ALLOWED_HOSTS").unwrap_or_default();
    Ok(AllowedHosts::new(&list, listening)?)
}

pub(super) fn tls(env: impl Fn(&str) -> Option<String>) -> Result<Option<Tls>, GuardError> {
    let half = |set, unset| Err(GuardError::HalfOfTls { set, unset });
    match (env(CERT_FILE), env(KEY_FILE)) {
        (Some(certificate), Some(key)) => {
            Ok(Some(Tls::load(Path::new(&certificate), Path::new(&key))?))
        }
        (Some(_), None) => half(CERT_FILE, KEY_FILE),
        (None, Some(_)) => half(KEY_FILE, CERT_FILE),
        (None, None) => Ok(None),
    }
}
