//! The oracle: what is in Vault, read with the root token. It is also the only way in which the suite makes things in
//! Vault, so that they can be removed again.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

use super::{endpoint::Endpoint, prefix::RunPrefix};
use crate::error_chain::error_chain;

/// How long one request may take.
const BUDGET: Duration = Duration::from_secs(20);
/// How long a token lives at most.
const LONGEST: Duration = Duration::from_secs(4 * 60 * 60);
/// What tells the suite's own requests apart in Vault's audit log.
pub const CORRELATION_ID: &str = "conformance-suite";
/// What may stand unescaped in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// A request to Vault's API.
#[derive(Clone, Debug, PartialEq)]
pub struct VaultRequest {
    /// The HTTP method; Vault knows `LIST` besides the usual ones.
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

    /// Whether it changes nothing, by its method.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "LIST" | "HEAD")
    }

    /// The same with a body.
    #[must_use]
    pub fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

/// What Vault answered.
#[derive(Clone, Debug, PartialEq)]
pub struct VaultAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body, or null.
    pub body: Value,
}

impl VaultAnswer {
    /// Whether Vault's policies let the request through: even "not found" means that.
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
    /// Its accessor, which can be shown.
    pub accessor: String,
    /// The first policy, besides `default`, that it has.
    pub policy: String,
}

/// All that Vault holds below a prefix: mounts, and the secrets in those that are KV.
pub type Snapshot = BTreeMap<String, Value>;

/// Vault did not do what the suite needs of it.
#[derive(Debug, thiserror::Error)]
pub enum OracleError {
    /// No answer.
    #[error("Vault does not answer {request}: {}", error_chain(source))]
    Unreachable {
        /// What was asked.
        request: String,
        /// Why not.
        source: reqwest::Error,
    },
    /// An answer that should not be.
    #[error("Vault answered {request} with {status}: {errors}")]
    Refused {
        /// What was asked.
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
}

/// The privileged view.
#[derive(Debug)]
pub struct Oracle {
    client: reqwest::Client,
    endpoint: Endpoint,
    root: SecretString,
    prefix: RunPrefix,
    made: Mutex<Vec<Made>>,
}

impl Oracle {
    /// Looks into a Vault; all names that it makes there begin with the prefix.
    ///
    /// # Errors
    /// When no HTTP client can be made.
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
        })
    }

    /// Where it looks.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What all names in Vault of this run begin with.
    #[must_use]
    pub fn prefix(&self) -> &RunPrefix {
        &self.prefix
    }

    /// The token that may do everything: for mutants that act with one that is not theirs.
    #[must_use]
    pub fn root_token(&self) -> &SecretString {
        &self.root
    }

    /// Makes a request with any token; every answer is an answer.
    ///
    /// # Errors
    /// When none comes.
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

    /// Makes a request with the root token, and takes 404 for an answer but no other error.
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

    /// Makes a mount of an engine; its description names the suite, the run and the mount.
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

    /// Removes a mount; it is still known as made, should it come again.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn remove_mount(&self, path: &str) -> Result<(), OracleError> {
        let request = VaultRequest::new("DELETE", format!("sys/mounts/{path}"));
        self.root(request).await.map(drop)
    }

    /// Makes a KV mount and waits until it can be used.
    ///
    /// # Errors
    /// When Vault refuses, or the mount is not ready in time.
    pub async fn make_kv_mount(&self, path: &str, version: u8) -> Result<(), OracleError> {
        let options = json!({ "version": version.to_string() });
        self.make_mount(path, "kv", options).await?;
        self.await_kv_mount(path, version).await
    }

    /// Waits until a KV mount can be used.
    ///
    /// # Errors
    /// When it is not ready in time.
    pub async fn await_kv_mount(&self, path: &str, version: u8) -> Result<(), OracleError> {
        const TRIES: usize = 500;
        // A new KV version 2 mount refuses requests while it upgrades its empty storage.
        let probe = match version {
            2 => VaultRequest::new("GET", format!("{path}/config")),
            _ => VaultRequest::new("LIST", path),
        };
        let mut tries = 0;
        loop {
            match self.root(probe.clone()).await {
                Err(OracleError::Refused { .. }) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                done => return done.map(drop),
            }
        }
    }

    /// Lets a KV version 2 mount refuse every write that names no version.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn demand_check_and_set(&self, mount: &str) -> Result<(), OracleError> {
        let request = VaultRequest::new("POST", format!("{mount}/config"));
        self.root(request.with(json!({ "cas_required": true })))
            .await
            .map(drop)
    }

    /// Makes a key in a transit mount, one that may be deleted.
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

    /// The table of mounts: path without its last slash, and what Vault says of it.
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

    /// What Vault gives out for a secret, in its latest version; none where it gives nothing.
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

    /// What Vault gives out for one version of a version 2 secret.
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

    /// The metadata of a version 2 secret; null where Vault knows nothing of it.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn metadata(&self, mount: &str, path: &str) -> Result<Value, OracleError> {
        let request = VaultRequest::new("GET", format!("{mount}/metadata/{path}"));
        let mut answer = self.root(request).await?;
        Ok(answer.body["data"].take())
    }

    /// Gives a version 2 secret custom metadata.
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

    /// Deletes (`delete`) or destroys (`destroy`) the first version of a version 2 secret.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn end_version(&self, mount: &str, how: &str, path: &str) -> Result<(), OracleError> {
        let request = VaultRequest::new("PUT", format!("{mount}/{how}/{path}"));
        self.root(request.with(json!({ "versions": [1] })))
            .await
            .map(drop)
    }

    /// The names on one level, sorted; folders end in a slash.
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

    /// Gives a policy this text.
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

    /// Makes a token with one policy besides `default`.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn make_token(&self, policy: &str) -> Result<Token, OracleError> {
        self.make_token_with(&[policy]).await
    }

    /// Makes a token with these policies besides `default`.
    ///
    /// # Errors
    /// If Vault rejects a request.
    pub async fn make_token_with(&self, policies: &[&str]) -> Result<Token, OracleError> {
        self.make_token_for(policies, LONGEST).await
    }

    /// Makes a token with one policy besides `default` that ends after so long, unless it is renewed.
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

    async fn make_token_for(&self, policies: &[&str], ttl: Duration) -> Result<Token, OracleError> {
        let seconds = |time: Duration| format!("{}s", time.as_secs());
        let body = json!({ "policies": policies, "ttl": seconds(ttl), "explicit_max_ttl": seconds(LONGEST), "display_name": "conformance" });
        let answer = self
            .root(VaultRequest::new("POST", "auth/token/create").with(body))
            .await?;
        let auth = &answer.body["auth"];
        let accessor = auth["accessor"].as_str().unwrap_or_default().to_owned();
        self.made.lock().push(Made::Token {
            accessor: accessor.clone(),
        });
        Ok(Token {
            secret: auth["client_token"].as_str().unwrap_or_default().into(),
            accessor,
            policy: policies.first().copied().unwrap_or_default().to_owned(),
        })
    }

    /// Ends a token.
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

    /// Whether Vault has a token; one that is gone need not be removed.
    ///
    /// # Errors
    /// When Vault gives no clear answer.
    pub async fn has_token(&self, token: &Token) -> Result<bool, OracleError> {
        let request = VaultRequest::new("POST", "auth/token/lookup-accessor");
        let accessor = &token.accessor;
        match self
            .root(request.with(json!({ "accessor": accessor })))
            .await
        {
            Ok(_) => Ok(true),
            // What Vault answers to an accessor that it does not know, by version.
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

    /// Removes every mount below a prefix, whoever made it.
    ///
    /// # Errors
    /// When Vault refuses, or one is still there after.
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

    /// Forgets what the suite made: it went with the Vault.
    pub fn forget_all(&self) {
        self.made.lock().clear();
    }

    /// Removes all that the suite made and has not yet removed, newest first; returns what
    /// could not be.
    pub async fn clean_up(&self) -> Vec<String> {
        let made: Vec<_> = self.made.lock().drain(..).rev().collect();
        let mut left = Vec::new();
        for thing in made {
            let request = match &thing {
                Made::Token { accessor } => VaultRequest::new("POST", "auth/token/revoke-accessor")
                    .with(json!({ "accessor": accessor })),
                Made::Policy { name } => {
                    VaultRequest::new("DELETE", format!("sys/policies/acl/{name}"))
                }
                Made::Mount { path } => VaultRequest::new("DELETE", format!("sys/mounts/{path}")),
            };
            if let Err(error) = self.root(request).await {
                left.push(format!("{thing:?} is left in Vault: {error}"));
            }
        }
        left
    }
}
