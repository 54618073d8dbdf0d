//! HTTP requests that no well-behaved client sends, and the responses to them.

use std::sync::Arc;

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;
use tokio::sync::Semaphore;

/// A request.
#[derive(Clone, Debug)]
pub struct HttpAsk {
    /// Its method.
    pub method: Method,
    /// Headers besides those of every request to the endpoint; they replace those of the same name.
    pub headers: HeaderMap,
    /// The query that is added to the address of the endpoint.
    pub query: Option<String>,
    /// Its body.
    pub body: Bytes,
    /// If set, the body stops half-way and never ends. The semaphore gets a permit when half of it has been sent.
    pub endless: Option<Arc<Semaphore>>,
}

impl HttpAsk {
    /// A request without a body.
    #[must_use]
    pub fn new(method: Method) -> Self {
        Self {
            method,
            headers: HeaderMap::new(),
            query: None,
            body: Bytes::new(),
            endless: None,
        }
    }

    /// A message, posted as a client does.
    #[must_use]
    pub fn post(text: &str) -> Self {
        Self {
            body: Bytes::copy_from_slice(text.as_bytes()),
            ..Self::new(Method::POST)
        }
        .with(CONTENT_TYPE.as_str(), "application/json")
    }

    /// Adds this header, and replaces any other with its name. A header that cannot be sent is omitted.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let header = name.parse::<HeaderName>().ok();
        if let Some((name, value)) = header.zip(HeaderValue::from_str(value).ok()) {
            self.headers.insert(name, value);
        }
        self
    }

    /// Sets this query.
    #[must_use]
    pub fn with_query(mut self, query: impl Into<String>) -> Self {
        self.query = Some(query.into());
        self
    }

    /// Adds these headers.
    #[must_use]
    pub fn with_all(mut self, headers: HeaderMap) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Whether a header or the body contains this text.
    #[must_use]
    pub fn says(&self, part: &str) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(name, value)| format!("{name}: {value:?}").contains(part))
            || (self.body.len() <= SEARCHED && String::from_utf8_lossy(&self.body).contains(part))
    }
}

/// The response.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it was read.
    pub body: String,
    /// The messages in the body.
    pub messages: Vec<Value>,
}

impl HttpAnswer {
    /// The media type of the body, without parameters; empty if there is no Content-Type.
    #[must_use]
    pub fn kind(&self) -> &str {
        let kind = self.headers.get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        kind.split(';').next().unwrap_or_default().trim()
    }

    /// Whether the status is an error.
    #[must_use]
    pub const fn refuses(&self) -> bool {
        self.status >= 400 && self.status < 500
    }

    /// The response as text.
    #[must_use]
    pub fn describe(&self) -> String {
        let body: String = self.body.chars().take(300).collect();
        match body.is_empty() {
            true => format!("HTTP {}", self.status),
            false => format!("HTTP {}: {body}", self.status),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoHttp {
    /// The server closed the connection.
    #[error("the connection was closed without an answer: {0}")]
    Closed(String),
    /// Nothing arrived in time.
    #[error("no answer came, and the connection stayed open")]
    Hung,
}
/// The maximum size of a body that is searched for a text.
const SEARCHED: usize = 64 << 10;
