//! The HTTP client for Vault: one place where tokens go out, to one address.
//!
//! It keeps connections alive, whoever they are used for, follows no redirect,
//! uses no proxy, and bounds every answer in time and in size. Where Vault must
//! not be changed, nothing else than a read leaves.

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

/// The header that carries the token, towards this server as towards Vault.
pub const TOKEN_HEADER: &str = "x-vault-token";
/// The header that carries the namespace, towards this server as towards Vault.
pub const NAMESPACE_HEADER: &str = "x-vault-namespace";
/// The header by which the requests of one call are found in Vault's audit log.
const CORRELATION_HEADER: &str = "x-correlation-id";

/// A Vault that does not take the connection within this time is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Bound of one request, answer included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(8);
/// Bound of one answer; as much as Vault accepts in a request by default.
const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;
/// How often, and after how long, a request is repeated while Vault upgrades a
/// mount to KV v2. It refuses the request untouched then, so writes repeat too.
const UPGRADE_RETRIES: u32 = 4;
const UPGRADE_PAUSE: Duration = Duration::from_millis(250);

/// The HTTP or TLS library could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up: {0}")]
pub struct SetupError(String);

/// The Vault at one address, and the connections to it, which all who act there share. Cheap to clone.
#[derive(Clone)]
pub struct VaultAddress {
    http: reqwest::Client,
    url: Url,
    access: Access,
}

impl fmt::Debug for VaultAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold credentials.
        f.debug_struct("VaultAddress")
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl VaultAddress {
    /// The Vault at this address, whose certificate one of the authorities has signed.
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

    /// Whether Vault may be changed.
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

    /// Where the token comes from that this client sends.
    pub fn tokens(&self) -> &TokenSource {
        self.credential.tokens()
    }

    /// Reads a path; `version` asks for one version of a KV v2 secret.
    ///
    /// # Errors
    /// Whatever is neither a success nor a 404, see [`VaultError`].
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

    /// Writes to a path; `capability` is the one that the write needs.
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
            // Vault has done nothing then, so writes repeat too.
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
            // Vault takes GET with `list=true` for LIST, and so does every proxy.
            Capability::Read | Capability::List => Method::GET,
            Capability::Create | Capability::Update => Method::POST,
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
            request = request.header(CONTENT_TYPE, "application/json").body(body);
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

/// A complete answer of Vault. It may hold secrets, so it has no `Debug`.
pub struct Answer {
    /// A success, or 404.
    pub status: StatusCode,
    /// Seconds that Vault asks to wait.
    retry_after: Option<u64>,
    body: Vec<u8>,
}

/// What surrounds the data in an answer of Vault.
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
    /// Whether Vault has nothing at the path, or nothing that it may show.
    pub fn is_not_found(&self) -> bool {
        self.status == StatusCode::NOT_FOUND
    }

    /// Whether Vault has no mount for the path; it says so to those alone who may do anything.
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

    /// The `auth` of the answer, which tells of a token.
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

    /// The `data` of the answer, provided it is an answer of a KV engine.
    ///
    /// # Errors
    /// [`VaultError::Unexpected`] if the answer is not JSON of that shape, or of another engine.
    pub fn kv_data<T: DeserializeOwned>(&self) -> Result<T, VaultError> {
        self.kv_envelope().map(|envelope| envelope.data)
    }

    /// The `data` of the answer, provided it is an answer of a KV v2 engine.
    ///
    /// # Errors
    /// As for [`Self::kv_data`]; and if the answer has a lease, as every secret of KV v1 has, whose
    /// data may have any shape. KV v2 gives none (seen on Vault 1.21).
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

    /// The `data` of the answer and Vault's warnings, provided it is an answer of a PKI engine.
    ///
    /// # Errors
    /// As for [`Self::kv_data`].
    pub fn pki_data<T: DeserializeOwned>(&self) -> Result<(T, Vec<String>), VaultError> {
        let envelope: Envelope<T> = self.envelope()?;
        match envelope.mount_type.as_deref() {
            // Endpoints that need no token do not say, and neither do older versions of Vault.
            None | Some("" | "pki") => Ok((envelope.data, envelope.warnings.unwrap_or_default())),
            Some(_) => Err(self.unexpected("it comes from an engine that is not PKI")),
        }
    }

    fn kv_envelope<T: DeserializeOwned>(&self) -> Result<Envelope<T>, VaultError> {
        let envelope: Envelope<T> = self.envelope()?;
        match envelope.mount_type.as_deref() {
            // Older versions of Vault do not say, and neither do answers with status 404.
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
        // The parser's error is dropped: it may quote the body.
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

/// Makes ring the process's TLS provider; a second call changes nothing.
pub fn install_crypto_provider() {
    // An error means that a provider is installed already, which is as good.
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

/// The text of the innermost cause: the outer ones show the URL.
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
