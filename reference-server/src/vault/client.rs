//! The HTTP client for Vault. It alone sends tokens, and only to one address.
//!
//! It shares kept-alive connections between all callers, follows no redirect, uses no proxy, and bounds the time and
//! size of every answer. On a read-only server it sends only reads.

use std::{error::Error, fmt, time::Duration};

use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    access::Access,
    credential::Credential,
    error::{Capability, Refusal, VaultError},
    path::ApiPath,
    tls::{self, Authorities},
};
use crate::{
    token::{Token, TokenSource},
    trace,
};

/// The header of the token, in requests to this server and to Vault.
pub const TOKEN_HEADER: &str = "x-vault-token";
/// The header of the namespace, in requests to this server and to Vault.
pub const NAMESPACE_HEADER: &str = "x-vault-namespace";
/// The header that identifies the requests of one call in Vault's audit log.
const CORRELATION_HEADER: &str = "x-correlation-id";

/// Timeout of a connection to Vault.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout of one request, including the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);
/// Maximum size of an answer: Vault's default limit for a request.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// Number of retries, and the first pause, while Vault upgrades a mount to KV v2. Vault rejects such requests without
/// executing them, so writes are retried, too.
const UPGRADE_RETRIES: u32 = 4;
const UPGRADE_PAUSE: Duration = Duration::from_millis(250);

/// The HTTP or TLS library could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up: {0}")]
pub struct SetupError(String);

/// The Vault at one address, and its connections, which all callers share. Cheap to clone.
#[derive(Clone)]
pub struct VaultAddress {
    http: reqwest::Client,
    url: Url,
    access: Access,
}

impl fmt::Debug for VaultAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may contain credentials.
        f.debug_struct("VaultAddress")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl VaultAddress {
    /// The Vault at this address. Its certificate must be signed by one of the authorities.
    ///
    /// # Errors
    /// [`SetupError`] if TLS cannot be set up.
    pub fn new(url: Url, access: Access, authorities: &Authorities) -> Result<Self, SetupError> {
        install_crypto_provider();
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("x-vault-request"),
            HeaderValue::from_static("true"),
        );
        let http = authorities
            .apply(reqwest::Client::builder(), &url)
            .default_headers(headers)
            .user_agent(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|error| SetupError(innermost(&error)))?;
        Ok(Self { http, url, access })
    }

    /// Whether the server may change Vault.
    pub fn access(&self) -> Access {
        self.access
    }
}

/// Vault's API at one address, with one credential. Cheap to clone.
#[derive(Debug, Clone)]
pub struct VaultClient {
    address: VaultAddress,
    credential: Credential,
}

impl VaultClient {
    /// A client that acts with this credential.
    pub fn new(address: VaultAddress, credential: Credential) -> Self {
        Self {
            address,
            credential,
        }
    }

    /// The source of this client's token.
    pub fn tokens(&self) -> &TokenSource {
        self.credential.tokens()
    }

    /// Reads a path; `version` selects one version of a KV v2 secret.
    ///
    /// # Errors
    /// Every answer that is neither a success nor a 404, see [`VaultError`].
    pub async fn read(&self, path: &ApiPath, version: Option<u64>) -> Result<Answer, VaultError> {
        let query = version.map(|version| format!("version={version}"));
        self.send(Capability::Read, path, query.as_deref(), None)
            .await
    }

    /// Lists a folder.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn list(&self, path: &ApiPath) -> Result<Answer, VaultError> {
        self.send(Capability::List, path, Some("list=true"), None)
            .await
    }

    /// Writes to a path; `capability` is what the policy must grant.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn write(
        &self,
        path: &ApiPath,
        capability: Capability,
        body: Vec<u8>,
    ) -> Result<Answer, VaultError> {
        self.send(capability, path, None, Some(body)).await
    }

    /// Merges a JSON merge patch into what a path holds. Vault returns 404 if it holds nothing.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn patch(&self, path: &ApiPath, body: Vec<u8>) -> Result<Answer, VaultError> {
        self.send(Capability::Patch, path, None, Some(body)).await
    }

    /// Deletes a path.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn delete(&self, path: &ApiPath) -> Result<Answer, VaultError> {
        self.send(Capability::Delete, path, None, None).await
    }

    async fn send(
        &self,
        capability: Capability,
        path: &ApiPath,
        query: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, VaultError> {
        let mut upgrade_retries = 0;
        let mut token = self.tokens().current().await;
        let mut token_changed = false;
        loop {
            let answer = self
                .send_once(&token, capability, path, query, body.clone())
                .await?;
            if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
                return Ok(answer);
            }
            let refusal = Refusal {
                status: answer.status.as_u16(),
                messages: answer.error_messages(),
                retry_after: answer.retry_after,
                capability,
                path: path.plain().to_owned(),
            };
            // Vault has not executed the request, so writes are retried, too.
            if refusal.is_about_the_token() && !token_changed {
                let other = self.tokens().current().await;
                if other != token {
                    (token, token_changed) = (other, true);
                    continue;
                }
            }
            if !refusal.says("Upgrading from non-versioned to versioned data")
                || upgrade_retries == UPGRADE_RETRIES
            {
                return Err(VaultError::Refused(refusal));
            }
            upgrade_retries += 1;
            tokio::time::sleep(UPGRADE_PAUSE).await;
        }
    }

    async fn send_once(
        &self,
        token: &Token,
        capability: Capability,
        path: &ApiPath,
        query: Option<&str>,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, VaultError> {
        let method = match capability {
            // Vault accepts GET with `list=true` for LIST, and so does every proxy.
            Capability::Read | Capability::List => Method::GET,
            Capability::Create | Capability::Update => Method::POST,
            Capability::Patch => Method::PATCH,
            Capability::Delete => Method::DELETE,
        };
        if !self.address.access.permits(&method) {
            return Err(VaultError::ReadOnly);
        }
        let mut url = self.address.url.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}/v1/{}", path.escaped()));
        url.set_query(query);
        let mut request = self
            .address
            .http
            .request(method, url)
            .header(TOKEN_HEADER, token.header())
            .header(CORRELATION_HEADER, trace::note_request(path.plain()));
        if let Some(namespace) = self.credential.namespace() {
            request = request.header(NAMESPACE_HEADER, namespace.as_str());
        }
        if let Some(body) = body {
            let content_type = match capability {
                Capability::Patch => "application/merge-patch+json",
                _ => "application/json",
            };
            request = request.header(CONTENT_TYPE, content_type).body(body);
        }
        let mut response = request.send().await.map_err(no_answer)?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(VaultError::Unexpected {
                    status: status.as_u16(),
                    reason: "it is larger than 32 MiB",
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }
}

/// A complete answer of Vault. It may contain secrets, so it has no `Debug`.
pub struct Answer {
    /// A success, or 404.
    pub status: StatusCode,
    /// Seconds to wait, according to Vault.
    retry_after: Option<u64>,
    body: Vec<u8>,
}

/// The envelope of the data in Vault's answers.
#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
    mount_type: Option<String>,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    warnings: Option<Vec<String>>,
}

impl Answer {
    /// Whether Vault has nothing at the path, or hides it.
    pub fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// Whether Vault has no mount for the path. Vault says so only to a token with all rights.
    pub fn is_without_mount(&self) -> bool {
        let says_so = |message: &String| message.contains("no handler for route");
        self.is_not_found() && self.error_messages().iter().any(says_so)
    }

    /// The `data` of the answer.
    ///
    /// # Errors
    /// [`VaultError::Unexpected`] if the answer is not JSON of that shape.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, VaultError> {
        self.envelope().map(|envelope| envelope.data)
    }

    /// The `auth` of the answer, which describes a token.
    ///
    /// # Errors
    /// As for [`Self::data`].
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, VaultError> {
        #[derive(Deserialize)]
        struct Login<T> {
            auth: T,
        }
        self.json().map(|login: Login<T>| login.auth)
    }

    /// The `data` of the answer of a KV engine.
    ///
    /// # Errors
    /// [`VaultError::Unexpected`] if the answer is not JSON of that shape, or comes from another engine.
    pub fn kv_data<T: DeserializeOwned>(&self) -> Result<T, VaultError> {
        self.kv_envelope().map(|envelope| envelope.data)
    }

    /// The `data` of the answer of a KV v2 engine.
    ///
    /// # Errors
    /// As for [`Self::kv_data`]; also if the answer has a lease. Every secret of KV v1 has one and can have data of
    /// any shape. Secrets of KV v2 have none (seen on Vault 1.21).
    pub fn kv_v2_data<T: DeserializeOwned>(&self) -> Result<T, VaultError> {
        match self.kv_envelope()? {
            Envelope {
                data,
                lease_duration: 0,
                ..
            } => Ok(data),
            _ => Err(self.unexpected("it comes from a KV v1 engine")),
        }
    }

    /// The `data` of the answer of a PKI engine, and Vault's warnings.
    ///
    /// # Errors
    /// As for [`Self::kv_data`].
    pub fn pki_data<T: DeserializeOwned>(&self) -> Result<(T, Vec<String>), VaultError> {
        let envelope: Envelope<T> = self.envelope()?;
        match envelope.mount_type.as_deref() {
            // Endpoints without authentication do not name the engine; nor do older versions of Vault.
            None | Some("" | "pki") => Ok((envelope.data, envelope.warnings.unwrap_or_default())),
            Some(_) => Err(self.unexpected("it comes from an engine that is not PKI")),
        }
    }

    fn kv_envelope<T: DeserializeOwned>(&self) -> Result<Envelope<T>, VaultError> {
        let envelope: Envelope<T> = self.envelope()?;
        match envelope.mount_type.as_deref() {
            // Older versions of Vault do not name the engine; nor do answers with status 404.
            None | Some("" | "kv") => Ok(envelope),
            Some(_) => Err(self.unexpected("it comes from an engine that is not KV")),
        }
    }

    /// An error about this answer.
    pub fn unexpected(&self, reason: &'static str) -> VaultError {
        VaultError::Unexpected {
            status: self.status.as_u16(),
            reason,
        }
    }

    fn envelope<T: DeserializeOwned>(&self) -> Result<Envelope<T>, VaultError> {
        self.json()
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, VaultError> {
        // The parser's error is dropped, because it may quote the body.
        serde_json::from_slice(&self.body)
            .map_err(|_| self.unexpected("it is not JSON of the documented shape"))
    }

    fn error_messages(&self) -> Vec<String> {
        #[derive(Deserialize)]
        struct Errors {
            errors: Vec<Value>,
        }
        let Ok(Errors { errors }) = serde_json::from_slice(&self.body) else {
            return Vec::new();
        };
        errors
            .into_iter()
            .take(8)
            .filter_map(|message| match message {
                Value::String(text) => Some(text.chars().take(2000).collect()),
                _ => None,
            })
            .collect()
    }
}

/// Installs ring as the TLS provider of the process; a second call changes nothing.
pub fn install_crypto_provider() {
    // An error means that a provider is already installed, which is sufficient.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn no_answer(error: reqwest::Error) -> VaultError {
    if let Some(reason) = tls::refusal(&error) {
        VaultError::Certificate(reason)
    } else if error.is_timeout() && !error.is_connect() {
        VaultError::Timeout(REQUEST_TIMEOUT.as_secs())
    } else {
        VaultError::Unreachable(innermost(&error))
    }
}

/// The text of the innermost cause; the outer ones contain the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if cause.is::<reqwest::Error>() {
        "the connection failed".to_owned()
    } else {
        cause.to_string()
    }
}
