//! The oracle: what is in Vault, read with the root token. It is also the only way in which the suite makes things in
//! Vault, so that they can be removed again.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use super::{
    endpoint::Endpoint,
    namespaces::{self, Namespaces},
    prefix::RunPrefix,
    token_form::TokenForm,
};
use crate::error_chain::error_chain;

/// The time limit for one request.
const BUDGET: Duration = Duration::from_secs(20);
/// How often the suite looks whether Vault is done with work in the background.
const TRIES: usize = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);
/// The maximum lifetime of a token.
const LONGEST: Duration = Duration::from_secs(4 * 60 * 60);
/// After how many further tokens a form that Vault chooses by chance is given up.
const MOST_TOKENS: usize = 100;
/// The correlation id of the suite's own requests in Vault's audit log.
pub const CORRELATION_ID: &str = "conformance-suite";
/// The characters that need no escaping in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// A request to Vault's API.
#[derive(Clone, Debug, PartialEq)]
pub struct VaultRequest {
    /// The HTTP method; Vault also supports `LIST`.
    pub method: Method,
    /// The path below `/v1/`, not escaped.
    pub path: String,
    /// The query, as sent.
    pub query: Option<String>,
    /// The JSON body.
    pub body: Option<Value>,
}

impl VaultRequest {
    /// A request without a body.
    #[must_use]
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
            path: path.into(),
            query: None,
            body: None,
        }
    }

    /// Whether the request only reads, according to its method.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "LIST" | "HEAD")
    }

    /// The same request with a body.
    #[must_use]
    pub fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// The answer of Vault.
#[derive(Clone, Debug, PartialEq)]
pub struct VaultAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body, or null.
    pub body: Value,
}

impl VaultAnswer {
    /// Whether Vault's policies allowed the request. "Not found" also means that they did.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.status < 300 || self.status == 404
    }

    /// Whether Vault denied it.
    #[must_use]
    pub fn denied(&self) -> bool {
        self.status == 403
    }
}

/// The data of a secret: its keys and their values.
pub type SecretData = Map<String, Value>;

/// A token that the suite made for a target.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself.
    pub secret: SecretString,
    /// Its accessor, which may be printed.
    pub accessor: String,
    /// Its first policy besides `default`.
    pub policy: String,
}

/// Everything in Vault below a prefix: mounts, and the secrets in KV mounts.
pub type Snapshot = BTreeMap<String, Value>;

/// Why Vault did not do what the suite needs.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// No answer.
    #[error("Vault does not answer {request}: {}", error_chain(source))]
    Unreachable {
        /// The request.
        request: String,
        /// The cause.
        source: reqwest::Error,
    },
    /// An unexpected status.
    #[error("Vault answered {request} with {status}: {errors}")]
    Refused {
        /// The request.
        request: String,
        /// The HTTP status.
        status: u16,
        /// Vault's messages.
        errors: String,
    },
}

/// Something that the suite made in Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Made {
    Token { accessor: String },
    Policy { name: String },
    Mount { path: String },
    Namespace { name: String },
}

impl Made {
    /// The request that removes it.
    fn removal(&self) -> VaultRequest {
        match self {
            Self::Token { accessor } => VaultRequest::new("POST", "auth/token/revoke-accessor")
                .with(json!({ "accessor": accessor })),
            Self::Policy { name } => {
                VaultRequest::new("DELETE", format!("sys/policies/acl/{name}"))
            }
            Self::Mount { path } => VaultRequest::new("DELETE", format!("sys/mounts/{path}")),
            Self::Namespace { name } => {
                VaultRequest::new("DELETE", format!("sys/namespaces/{name}"))
            }
        }
    }
}

/// The suite's privileged access to Vault.
#[derive(Debug)]
pub struct Oracle {
    client: reqwest::Client,
    endpoint: Endpoint,
    root: SecretString,
    prefix: RunPrefix,
    made: Mutex<Vec<Made>>,
    /// The namespace of all its requests, if it is not the root namespace.
    namespace: Option<String>,
    /// What became of the namespace of the run.
    namespaces: OnceCell<Namespaces>,
}

impl Oracle {
    /// Access to a Vault; all names that the oracle makes there begin with the prefix.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(
        endpoint: &Endpoint,
        root: &SecretString,
        prefix: &RunPrefix,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: endpoint.client(BUDGET)?,
            endpoint: endpoint.clone(),
            root: root.clone(),
            prefix: prefix.clone(),
            made: Mutex::default(),
            namespace: None,
            namespaces: OnceCell::new(),
        })
    }

    /// The same access, in a namespace. What it makes there ends with the namespace.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        Self {
            client: self.client.clone(),
            endpoint: self.endpoint.clone(),
            root: self.root.clone(),
            prefix: self.prefix.clone(),
            made: Mutex::default(),
            namespace: Some(namespace.to_owned()),
            namespaces: OnceCell::new(),
        }
    }

    /// The namespace of all its requests; `None` for the root namespace.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The name of the run's own namespace.
    #[must_use]
    pub fn own_namespace(&self) -> String {
        format!("{}team", self.prefix)
    }

    /// Makes the run's own namespace, if this Vault has namespaces. All scenarios share it.
    ///
    /// # Errors
    /// If Vault does not answer.
    pub async fn provide_namespace(&self) -> Result<&Namespaces, OracleError> {
        let provide = || async { namespaces::provide(self, &self.own_namespace()).await };
        self.namespaces.get_or_try_init(provide).await
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// If Vault rejects the request.
    pub(super) async fn make_namespace(&self, name: &str) -> Result<(), OracleError> {
        let request = VaultRequest::new("POST", format!("sys/namespaces/{name}"));
        let path = request.path.clone();
        let answer = self.root(request).await?;
        if answer.status >= 300 {
            return Err(OracleError::Refused {
                request: format!("POST {path}"),
                status: answer.status,
                errors: answer.body["errors"].to_string(),
            });
        }
        self.made.lock().push(Made::Namespace {
            name: name.to_owned(),
        });
        Ok(())
    }

    /// Makes a namespace below the one of all its requests.
    ///
    /// # Errors
    /// If Vault rejects the request.
    pub async fn make_inner_namespace(&self, name: &str) -> Result<Self, OracleError> {
        self.make_namespace(name).await?;
        let parent = self.namespace.as_deref().unwrap_or_default();
        Ok(self.within(format!("{parent}/{name}").trim_start_matches('/')))
    }

    /// Removes the namespaces that were made below the one of all its requests, with all that is in them. A namespace
    /// with others in it cannot be removed.
    ///
    /// # Errors
    /// If Vault rejects a request, or one is still there afterwards.
    pub async fn remove_inner_namespaces(&self) -> Result<(), OracleError> {
        let inner: Vec<_> = match self.namespace {
            // The run's own one is used by all scenarios.
            None => return Ok(()),
            Some(_) => (self.made.lock())
                .extract_if(.., |made| matches!(made, Made::Namespace { .. }))
                .collect(),
        };
        for made in inner {
            self.root(made.removal()).await?;
            // Vault removes it in the background.
            self.until_gone(made.removal().path).await?;
        }
        Ok(())
    }

    async fn until_gone(&self, path: String) -> Result<(), OracleError> {
        let look = VaultRequest::new("GET", path);
        for _ in 0..TRIES {
            if self.root(look.clone()).await?.status == 404 {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Err(OracleError::Refused {
            request: format!("GET {}", look.path),
            status: 200,
            errors: "it is still there".to_owned(),
        })
    }

    /// The endpoint of the Vault.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The prefix of all names in Vault of this run.
    #[must_use]
    pub fn prefix(&self) -> &RunPrefix {
        &self.prefix
    }

    /// The token with all rights, for mutants that use another token than their own.
    #[must_use]
    pub fn root_token(&self) -> &SecretString {
        &self.root
    }

    /// Makes a request with any token; every status counts as an answer.
    ///
    /// # Errors
    /// If there is no answer.
    pub async fn ask(
        &self,
        token: &SecretString,
        request: &VaultRequest,
    ) -> Result<VaultAnswer, OracleError> {
        let unreachable = |source: reqwest::Error| OracleError::Unreachable {
            request: format!("{} {}", request.method, request.path),
            source: source.without_url(),
        };
        let path = utf8_percent_encode(&request.path, PATH);
        let mut url = format!("{}/v1/{path}", self.endpoint.address());
        if let Some(query) = &request.query {
            url.extend(["?", query]);
        }
        let mut builder = self
            .client
            .request(request.method.clone(), url)
            .header("x-vault-token", token.expose_secret())
            .header("x-correlation-id", CORRELATION_ID);
        if let Some(namespace) = &self.namespace {
            builder = builder.header("x-vault-namespace", namespace);
        }
        if let Some(body) = &request.body {
            builder = builder.json(body);
        }
        let response = builder.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(unreachable)?;
        Ok(VaultAnswer {
            status,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        })
    }

    /// Makes a request with the root token. 404 counts as an answer, and any other error does not.
    pub(super) async fn root(&self, request: VaultRequest) -> Result<VaultAnswer, OracleError> {
        let answer = self.ask(&self.root, &request).await?;
        if answer.allowed() {
            return Ok(answer);
        }
        Err(OracleError::Refused {
            request: format!("{} {}", request.method, request.path),
            status: answer.status,
            errors: answer.body["errors"].to_string(),
        })
    }

    /// Creates a mount of an engine; its description names the suite, the run and the mount.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn make_mount(
        &self,
        path: &str,
        engine: &str,
        options: Value,
    ) -> Result<(), OracleError> {
        self.made.lock().push(Made::Mount {
            path: path.to_owned(),
        });
        let body = json!({
            "type": engine,
            "options": options,
            "description": format!("made by vault-mcp-conformance: {path}"),
        });
        let request = VaultRequest::new("POST", format!("sys/mounts/{path}"));
        self.root(request.with(body)).await.map(drop)
    }

    /// Removes a mount. The suite still remembers it, in case it appears again.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn remove_mount(&self, path: &str) -> Result<(), OracleError> {
        let request = VaultRequest::new("DELETE", format!("sys/mounts/{path}"));
        self.root(request).await.map(drop)
    }

    /// Creates a KV mount and waits until it is usable.
    ///
    /// # Errors
    /// If Vault rejects a request, or the mount is not ready in time.
    pub async fn make_kv_mount(&self, path: &str, version: u8) -> Result<(), OracleError> {
        let options = json!({ "version": version.to_string() });
        self.make_mount(path, "kv", options).await?;
        self.await_kv_mount(path, version).await
    }

    /// Waits until a KV mount is usable.
    ///
    /// # Errors
    /// If it is not ready in time.
    pub async fn await_kv_mount(&self, path: &str, version: u8) -> Result<(), OracleError> {
        // A new KV version 2 mount rejects requests while it upgrades its empty storage.
        let probe = match version {
            2 => VaultRequest::new("GET", format!("{path}/config")),
            _ => VaultRequest::new("LIST", path),
        };
        let mut tries = 0;
        loop {
            match self.root(probe.clone()).await {
                Err(OracleError::Refused { .. }) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                done => return done.map(drop),
            }
        }
    }

    /// Makes a KV version 2 mount reject every write without a version (check-and-set).
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn demand_check_and_set(&self, mount: &str) -> Result<(), OracleError> {
        let request = VaultRequest::new("POST", format!("{mount}/config"));
        self.root(request.with(json!({ "cas_required": true })))
            .await
            .map(drop)
    }

    /// Makes a KV version 2 mount, or one secret of it, delete each version this long after it was written. It concerns
    /// only versions that are written afterwards.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn delete_versions_after(
        &self,
        mount: &str,
        secret: Option<&str>,
        time: Duration,
    ) -> Result<(), OracleError> {
        let path = match secret {
            Some(path) => format!("{mount}/metadata/{path}"),
            None => format!("{mount}/config"),
        };
        let after = json!({ "delete_version_after": format!("{}s", time.as_secs()) });
        self.root(VaultRequest::new("POST", path).with(after))
            .await
            .map(drop)
    }

    /// Makes a KV version 2 mount keep only this many versions of each secret.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn keep_versions(&self, mount: &str, count: u32) -> Result<(), OracleError> {
        let request = VaultRequest::new("POST", format!("{mount}/config"));
        self.root(request.with(json!({ "max_versions": count })))
            .await
            .map(drop)
    }

    /// Creates a key in a transit mount that may be deleted.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn make_transit_key(&self, mount: &str, key: &str) -> Result<(), OracleError> {
        let path = format!("{mount}/keys/{key}");
        self.root(VaultRequest::new("POST", &path)).await?;
        let configure = VaultRequest::new("POST", format!("{path}/config"));
        self.root(configure.with(json!({ "deletion_allowed": true })))
            .await
            .map(drop)
    }

    /// The table of mounts: the path without its last slash, and Vault's entry.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn mounts(&self) -> Result<BTreeMap<String, Value>, OracleError> {
        let answer = self.root(VaultRequest::new("GET", "sys/mounts")).await?;
        let mounts = answer.body["data"].as_object().cloned().unwrap_or_default();
        Ok(mounts
            .into_iter()
            .map(|(path, mount)| (path.trim_end_matches('/').to_owned(), mount))
            .collect())
    }

    /// Stores a secret as a whole.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn write_secret(
        &self,
        mount: &str,
        version: u8,
        path: &str,
        data: &SecretData,
    ) -> Result<(), OracleError> {
        let request = match version {
            2 => VaultRequest::new("POST", format!("{mount}/data/{path}"))
                .with(json!({ "data": data })),
            _ => VaultRequest::new("POST", format!("{mount}/{path}")).with(json!(data)),
        };
        self.root(request).await.map(drop)
    }

    /// The data that Vault returns for the latest version of a secret; `None` if there is none.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn read_secret(
        &self,
        mount: &str,
        version: u8,
        path: &str,
    ) -> Result<Option<SecretData>, OracleError> {
        let (path, at) = match version {
            2 => (format!("{mount}/data/{path}"), "/data/data"),
            _ => (format!("{mount}/{path}"), "/data"),
        };
        let answer = self.root(VaultRequest::new("GET", path)).await?;
        Ok(answer.body.pointer(at).and_then(Value::as_object).cloned())
    }

    /// The data that Vault returns for one version of a version 2 secret.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn read_version(
        &self,
        mount: &str,
        path: &str,
        version: u64,
    ) -> Result<Option<SecretData>, OracleError> {
        let mut request = VaultRequest::new("GET", format!("{mount}/data/{path}"));
        request.query = Some(format!("version={version}"));
        let answer = self.root(request).await?;
        let data = answer.body.pointer("/data/data");
        Ok(data.and_then(Value::as_object).cloned())
    }

    /// The metadata of a version 2 secret; null if it does not exist.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn metadata(&self, mount: &str, path: &str) -> Result<Value, OracleError> {
        let request = VaultRequest::new("GET", format!("{mount}/metadata/{path}"));
        let mut answer = self.root(request).await?;
        Ok(answer.body["data"].take())
    }

    /// Sets the custom metadata of a version 2 secret.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn set_custom_metadata(
        &self,
        mount: &str,
        path: &str,
        custom: &Value,
    ) -> Result<(), OracleError> {
        let request = VaultRequest::new("POST", format!("{mount}/metadata/{path}"));
        self.root(request.with(json!({ "custom_metadata": custom })))
            .await
            .map(drop)
    }

    /// Removes a secret with all its versions.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn purge_secret(
        &self,
        mount: &str,
        version: u8,
        path: &str,
    ) -> Result<(), OracleError> {
        let path = match version {
            2 => format!("{mount}/metadata/{path}"),
            _ => format!("{mount}/{path}"),
        };
        self.root(VaultRequest::new("DELETE", path)).await.map(drop)
    }

    /// Deletes (`delete`) or destroys (`destroy`) one version of a version 2 secret.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn end_version(
        &self,
        mount: &str,
        how: &str,
        path: &str,
        version: u64,
    ) -> Result<(), OracleError> {
        let request = VaultRequest::new("PUT", format!("{mount}/{how}/{path}"));
        self.root(request.with(json!({ "versions": [version] })))
            .await
            .map(drop)
    }

    /// The names on one level, sorted; folders end with a slash.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn list(
        &self,
        mount: &str,
        version: u8,
        folder: &str,
    ) -> Result<Vec<String>, OracleError> {
        let path = match version {
            2 => format!("{mount}/metadata/{folder}"),
            _ => format!("{mount}/{folder}"),
        };
        let answer = self.root(VaultRequest::new("LIST", path)).await?;
        let keys = answer.body["data"]["keys"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut names: Vec<_> = keys
            .iter()
            .filter_map(|k| Some(k.as_str()?.to_owned()))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Writes a policy.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn write_policy(&self, name: &str, hcl: &str) -> Result<(), OracleError> {
        let made = Made::Policy {
            name: name.to_owned(),
        };
        if !self.made.lock().contains(&made) {
            self.made.lock().push(made);
        }
        let request = VaultRequest::new("PUT", format!("sys/policies/acl/{name}"));
        self.root(request.with(json!({ "policy": hcl })))
            .await
            .map(drop)
    }

    /// Creates a token with one policy besides `default`.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn make_token(&self, policy: &str) -> Result<Token, OracleError> {
        self.make_token_with(&[policy]).await
    }

    /// Creates a token with these policies besides `default`.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn make_token_with(&self, policies: &[&str]) -> Result<Token, OracleError> {
        self.make_token_for(policies, LONGEST).await
    }

    /// Creates a token with one policy besides `default` that expires after this time unless it is renewed.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn make_renewable_token(
        &self,
        policy: &str,
        ttl: Duration,
    ) -> Result<Token, OracleError> {
        self.make_token_for(&[policy], ttl).await
    }

    /// Creates a token of this form with one policy besides `default`.
    ///
    /// # Errors
    /// If Vault rejects a request, as it does for some forms and in some versions.
    pub async fn make_token_of(&self, form: TokenForm, policy: &str) -> Result<Token, OracleError> {
        self.make(form, &[policy], LONGEST).await
    }

    async fn make_token_for(&self, policies: &[&str], ttl: Duration) -> Result<Token, OracleError> {
        self.make(TokenForm::Service, policies, ttl).await
    }

    async fn make(
        &self,
        form: TokenForm,
        policies: &[&str],
        ttl: Duration,
    ) -> Result<Token, OracleError> {
        let mut token = self.make_any(form, policies, ttl).await?;
        for _ in 0..MOST_TOKENS {
            if form.is_of(token.secret.expose_secret()) {
                break;
            }
            self.revoke_token(&token).await?;
            token = self.make_any(form, policies, ttl).await?;
        }
        Ok(token)
    }

    async fn make_any(
        &self,
        form: TokenForm,
        policies: &[&str],
        ttl: Duration,
    ) -> Result<Token, OracleError> {
        let seconds = |time: Duration| json!(format!("{}s", time.as_secs()));
        let mut body = form.demands();
        body["policies"] = json!(policies);
        body["ttl"] = seconds(ttl);
        body["display_name"] = json!("conformance");
        // The lifetime of a batch token is fixed anyway.
        if form != TokenForm::Batch {
            body["explicit_max_ttl"] = seconds(LONGEST);
        }
        let answer = self
            .root(VaultRequest::new("POST", "auth/token/create").with(body))
            .await?;
        let auth = &answer.body["auth"];
        let accessor = auth["accessor"].as_str().unwrap_or_default().to_owned();
        // Vault stores no batch token, so none is left behind.
        if !accessor.is_empty() {
            self.made.lock().push(Made::Token {
                accessor: accessor.clone(),
            });
        }
        Ok(Token {
            secret: auth["client_token"].as_str().unwrap_or_default().into(),
            accessor,
            policy: policies.first().copied().unwrap_or_default().to_owned(),
        })
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn revoke_token(&self, token: &Token) -> Result<(), OracleError> {
        let accessor = &token.accessor;
        let request = VaultRequest::new("POST", "auth/token/revoke-accessor");
        self.root(request.with(json!({ "accessor": accessor })))
            .await?;
        let gone = Made::Token {
            accessor: accessor.clone(),
        };
        self.made.lock().retain(|made| *made != gone);
        Ok(())
    }

    /// Whether Vault has a token. A token that is gone need not be removed.
    ///
    /// # Errors
    /// If Vault gives no clear answer.
    pub async fn has_token(&self, token: &Token) -> Result<bool, OracleError> {
        let request = VaultRequest::new("POST", "auth/token/lookup-accessor");
        let accessor = &token.accessor;
        match self
            .root(request.with(json!({ "accessor": accessor })))
            .await
        {
            Ok(_) => Ok(true),
            // Vault's answer for an unknown accessor, by version.
            Err(OracleError::Refused {
                status: 400 | 403, ..
            }) => {
                let gone = Made::Token {
                    accessor: accessor.clone(),
                };
                self.made.lock().retain(|made| *made != gone);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes every mount below a prefix, whoever created it.
    ///
    /// # Errors
    /// If Vault rejects a request, or a mount still exists afterwards.
    pub async fn remove_mounts(&self, prefix: &str) -> Result<(), OracleError> {
        for mount in self.mounts().await?.into_keys() {
            if mount.starts_with(prefix) {
                self.root(VaultRequest::new("DELETE", format!("sys/mounts/{mount}")))
                    .await?;
                self.made.lock().retain(|made| {
                    *made
                        != Made::Mount {
                            path: mount.clone(),
                        }
                });
            }
        }
        Ok(())
    }

    /// Forgets what the suite made, because it is gone with the Vault.
    pub fn forget_all(&self) {
        self.made.lock().clear();
    }

    /// Removes all that the suite made and has not removed yet, newest first; returns what could not be removed.
    pub async fn clean_up(&self) -> Vec<String> {
        let made: Vec<_> = self.made.lock().drain(..).rev().collect();
        let mut left = Vec::new();
        for thing in made {
            if let Err(error) = self.root(thing.removal()).await {
                left.push(format!("{thing:?} is left in Vault: {error}"));
            }
        }
        left
    }
}
