//! Requests, complete for their revision.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::{
    http::{VERSION, routing_headers},
    http_message::HttpAsk,
};
use crate::transport::{Era, Revision};

// The keys that the stateless era uses in the `_meta` of requests (2026-07-28, schema, `RequestMetaObject`).

/// The revision of a request.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// The capabilities of the client.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// The client name in an `initialize` that tests send in addition to that of the suite's own client.
pub const PROBE: &str = "probe";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// A request that the suite builds itself.
#[derive(Clone, Debug)]
pub struct Request {
    /// The JSON-RPC message.
    pub message: Value,
    /// The headers that repeat parts of the message over HTTP; empty in the era of sessions.
    headers: Vec<(&'static str, String)>,
}

impl Request {
    /// A request with an id that the suite chose. In the stateless era it contains all that is needed to answer it.
    #[must_use]
    pub fn new(revision: Revision, id: &str, method: &str, params: Value) -> Self {
        let message = message(Some(revision), &json!(id), method, params);
        let mut headers = Vec::new();
        if revision.era() == Era::Stateless {
            headers = routing_headers(&message);
            headers.push((VERSION, revision.name().to_owned()));
        }
        Self { message, headers }
    }

    /// Sets another value for a header.
    pub fn set_header(&mut self, name: &'static str, value: &str) {
        self.remove_header(name);
        self.headers.push((name, value.to_owned()));
    }

    /// Removes a header.
    pub fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(other, _)| *other != name);
    }

    /// The message as text.
    #[must_use]
    pub fn text(&self) -> String {
        self.message.to_string()
    }

    /// The request as a client posts it in this session; without a session, its headers are empty.
    #[must_use]
    pub fn post(&self, session: HeaderMap) -> HttpAsk {
        let mut asked = HttpAsk::post(&self.text()).with_all(session);
        for (name, value) in &self.headers {
            asked = asked.with(name, value);
        }
        asked
    }
}

/// A JSON-RPC request. In the stateless era it includes what each request has to contain about itself and the client.
#[must_use]
pub fn message(revision: Option<Revision>, id: &Value, method: &str, mut params: Value) -> Value {
    if let Some(revision) = revision
        && revision.era() == Era::Stateless
    {
        params["_meta"][PROTOCOL_VERSION] = json!(revision.name());
        params["_meta"][CLIENT_CAPABILITIES] = json!({});
        params["_meta"][CLIENT_INFO] = client_info("vault-mcp-conformance");
    }
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// A request of the era of sessions, as text.
#[must_use]
pub fn request(id: &Value, method: &str, params: Value) -> String {
    message(None, id, method, params).to_string()
}

/// The parameters of an `initialize` that requests this revision, from a client with this name.
#[must_use]
pub fn initialize_params(client: &str, revision: &str) -> Value {
    json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": client_info(client) })
}

/// An `initialize` that requests this revision, for tests that send it in addition to that of the suite's own client.
#[must_use]
pub fn initialize(id: &str, revision: &str) -> String {
    request(&json!(id), "initialize", initialize_params(PROBE, revision))
}

fn client_info(name: &str) -> Value {
    json!({ "name": name, "version": env!("CARGO_PKG_VERSION") })
}
