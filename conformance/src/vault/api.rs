//! The few requests, with a privileged token, that are needed to start and read a Vault.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    endpoint::{Endpoint, EndpointError},
    oracle::CORRELATION_ID,
};
use crate::error_chain::error_chain;

/// The few requests, with a privileged token, that starting and reading a Vault takes.
#[derive(Clone, Debug)]
pub(super) struct RootApi {
    http: reqwest::Client,
    pub(super) endpoint: Endpoint,
    token: SecretString,
}

/// Vault did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No HTTP client can be made.
    #[error("cannot make an HTTP client: {}", error_chain(.0))]
    Client(#[source] reqwest::Error),
    /// Its address cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No answer.
    #[error("{request} got no answer: {}", error_chain(.source))]
    NoAnswer {
        /// Verb and URL.
        request: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Many requests took too long together.
    #[error("Vault did not finish within {seconds} s")]
    Slow {
        /// How long it was waited for.
        seconds: u64,
    },
    /// Another answer than success.
    #[error("{request} got {status}: {body}")]
    Status {
        /// Verb and URL.
        request: String,
        /// The status.
        status: StatusCode,
        /// What Vault says.
        body: String,
    },
}

impl RootApi {
    pub(super) fn new(address: &str, token: SecretString) -> Result<Self, ApiError> {
        Self::at(&Endpoint::new(address, None)?, token)
    }

    pub(super) fn at(endpoint: &Endpoint, token: SecretString) -> Result<Self, ApiError> {
        // reqwest wants a TLS provider even where only plain HTTP is spoken, as by the MCP client. Someone
        // else having installed one is fine.
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self {
            http: endpoint.client(REQUEST_TIMEOUT).map_err(ApiError::Client)?,
            endpoint: endpoint.clone(),
            token,
        })
    }

    /// The same with another token.
    pub(super) fn with(&self, token: SecretString) -> Self {
        Self {
            token,
            ..self.clone()
        }
    }

    /// Returns when Vault is unsealed and knows this token: not another Vault that took the port.
    pub(super) async fn ready(&self) {
        while self.version().await.is_err() || self.get("auth/token/lookup-self").await.is_err() {
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The version that an unsealed Vault tells.
    pub(super) async fn version(&self) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        struct Health {
            version: String,
        }
        let health: Health = self
            .ask(
                Method::GET,
                "sys/health?standbyok=true&perfstandbyok=true",
                None,
            )
            .await?;
        Ok(health.version)
    }

    /// Whether it answers, unsealed.
    pub(super) async fn is_alive(&self) -> bool {
        self.version().await.is_ok()
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    /// What it answers.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ApiError> {
        let (request, response) = self.send(method, path, body).await?;
        response
            .json()
            .await
            .map_err(|source| ApiError::NoAnswer { request, source })
    }

    /// Whether there is something at this path.
    pub(super) async fn get(&self, path: &str) -> Result<bool, ApiError> {
        match self.send(Method::GET, path, None).await {
            Ok(_) => Ok(true),
            Err(ApiError::Status { status, .. }) if status == StatusCode::NOT_FOUND => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<(), ApiError> {
        self.send(Method::PUT, path, Some(body)).await.map(drop)
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), ApiError> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(String, Response), ApiError> {
        let url = format!("{}/v1/{path}", self.endpoint.address());
        let request = format!("{method} {url}");
        let mut builder = self
            .http
            .request(method, &url)
            .header("X-Vault-Token", self.token.expose_secret())
            .header("X-Correlation-Id", CORRELATION_ID);
        if let Some(body) = body {
            builder = builder.json(body);
        }
        let response = match builder.send().await {
            Ok(response) => response,
            Err(source) => return Err(ApiError::NoAnswer { request, source }),
        };
        let status = response.status();
        if status.is_success() {
            Ok((request, response))
        } else {
            Err(ApiError::Status {
                request,
                status,
                body: response.text().await.unwrap_or_default().trim().to_owned(),
            })
        }
    }
}

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(25);
