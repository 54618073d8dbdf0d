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

/// The few requests, with a privileged token, that are needed to start and read a Vault.
#[derive(Clone, Debug)]
pub(super) struct RootApi {
    http: reqwest::Client,
    pub(super) endpoint: Endpoint,
    token: SecretString,
}

/// Why Vault did not answer as expected.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No HTTP client can be made.
    #[error("cannot make an HTTP client: {}", error_chain(.0))]
    Client(#[source] reqwest::Error),
    /// The address is not usable.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// No answer.
    #[error("{request} got no answer: {}", error_chain(.source))]
    NoAnswer {
        /// Verb and URL.
        request: String,
        /// The cause.
        source: reqwest::Error,
    },
    /// A series of requests took too long.
    #[error("Vault did not finish within {seconds} s")]
    Slow {
        /// The time limit.
        seconds: u64,
    },
    /// The status is not a success.
    #[error("{request} got {status}: {body}")]
    Status {
        /// Verb and URL.
        request: String,
        /// The status.
        status: StatusCode,
        /// Vault's answer.
        body: String,
    },
}

impl RootApi {
    pub(super) fn new(address: &str, token: SecretString) -> Result<Self, ApiError> {
        Self::at(&Endpoint::new(address, None)?, token)
    }

    pub(super) fn at(endpoint: &Endpoint, token: SecretString) -> Result<Self, ApiError> {
        // reqwest needs a TLS provider even for plain HTTP, and so does the MCP client. It does not matter if one is
        // already installed.
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self {
            http: endpoint.client(REQUEST_TIMEOUT).map_err(ApiError::Client)?,
            endpoint: endpoint.clone(),
            token,
        })
    }

    /// The same API with another token.
    pub(super) fn with(&self, token: SecretString) -> Self {
        Self {
            token,
            ..self.clone()
        }
    }

    /// Waits until Vault is unsealed and accepts this token, so that another Vault on the port is not mistaken for it.
    pub(super) async fn ready(&self) {
        while self.version().await.is_err() || self.get("auth/token/lookup-self").await.is_err() {
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The version that an unsealed Vault reports.
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

    /// `Vault` or `OpenBao`, by the name of the builtin plugin that serves `sys/`. Nothing else tells them apart reliably.
    pub(super) async fn product(&self) -> Result<&'static str, ApiError> {
        let mounts: Value = self.ask(Method::GET, "sys/mounts", None).await?;
        let plugin = mounts["data"]["sys/"]["running_plugin_version"].as_str();
        Ok(
            match plugin.is_some_and(|plugin| plugin.ends_with("+builtin.bao")) {
                true => OPENBAO,
                false => VAULT,
            },
        )
    }

    /// Whether Vault answers and is unsealed.
    pub(super) async fn is_alive(&self) -> bool {
        self.version().await.is_ok()
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    /// Vault's answer.
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

    /// Whether something exists at this path.
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

/// The products that serve Vault's API.
const VAULT: &str = "Vault";
pub(super) const OPENBAO: &str = "OpenBao";

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(25);

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

    use super::RootApi;

    #[tokio::test]
    async fn the_product_is_what_serves_the_system_endpoints() {
        for (system, product) in [
            (
                json!({ "running_plugin_version": "v1.21.1+builtin.vault" }),
                "Vault",
            ),
            (
                json!({ "running_plugin_version": "v2.7.2+builtin.bao" }),
                "OpenBao",
            ),
            // Vault before 1.13.
            (json!({}), "Vault"),
        ] {
            let server = MockServer::start().await;
            let mounts = json!({ "data": { "sys/": system } });
            Mock::given(path("/v1/sys/mounts"))
                .respond_with(ResponseTemplate::new(200).set_body_json(mounts))
                .mount(&server)
                .await;
            let api = RootApi::new(&server.uri(), "root".into()).unwrap();
            assert_eq!(api.product().await.unwrap(), product);
        }
    }
}
