//! The MCP server: its description of itself, and its tool router.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::tool::{ToolCallContext, ToolRouter},
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestMethod,
        CompleteRequestParams, CompleteResult, CustomRequest, CustomResult, ErrorCode, Extensions,
        Implementation, InitializeRequestParams, InitializeResult, ListPromptsRequestMethod,
        ListPromptsResult, ListResourceTemplatesRequestMethod, ListResourceTemplatesResult,
        ListResourcesRequestMethod, ListResourcesResult, ListToolsResult, MetaObject,
        PaginatedRequestParams, ProtocolVersion, ServerCapabilities, ServerConfig,
        SubscriptionFilter, Tool,
    },
    service::{RequestContext, SubscriptionContext},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    caller::{Caller, Callers, CredentialState},
    limits::{Bucket, Exceeded},
    protocol, tools,
    vault::access::Access,
};

const INSTRUCTIONS: &str = "Reads and writes secrets in the KV engines of a HashiCorp Vault, runs CAs and issues \
    certificates in its PKI engines, and creates and deletes mounts. Start with list_mounts. `mount` is where an \
    engine is mounted; `path` is relative to it, without `data/` or `metadata/`. A failed call answers with a JSON \
    object: `kind` says what happened, `next_step` what to do. Secret values are shown by read_secret alone, private \
    keys by issue_pki_certificate alone and once: do not repeat them where they do not belong, and call \
    read_secret_metadata where key names or versions are enough.";

const READ_ONLY_INSTRUCTIONS: &str =
    "This server is read-only: it offers no tool that changes Vault.";

/// How long a client may cache the list of tools, in milliseconds. The list can change only when the server restarts.
const LIST_TTL_MS: u64 = 60_000;

/// The transport of a client's requests. It determines whose token a call acts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportKind {
    /// Standard streams. Requests cannot bring a token, so they act with the server's token.
    Stdio,
    /// HTTP. `http::credential` adds a [`Caller`] to each request.
    Http,
}

/// Serves one Vault to one client. Cheap to clone; clones serve the same client.
#[derive(Clone)]
pub struct VaultServer {
    callers: Arc<Callers>,
    router: Arc<ToolRouter<Self>>,
    end: CancellationToken,
    /// None until a transport sets it; until then the server executes no call.
    transport: Option<TransportKind>,
    /// The rate limit of this client's session; empty without a session.
    session: Arc<OnceLock<Bucket>>,
}

impl VaultServer {
    /// A server for these callers. It rejects all calls until [`crate::stdio`] or [`crate::http`] serves it.
    pub fn new(callers: Callers) -> Self {
        Self {
            callers: Arc::new(callers),
            router: Arc::new(tools::router()),
            end: CancellationToken::new(),
            transport: None,
            session: Arc::default(),
        }
    }

    /// The same server on this transport.
    #[must_use]
    pub(crate) fn over(mut self, transport: TransportKind) -> Self {
        self.transport = Some(transport);
        self
    }

    /// The same server, which ends open subscriptions once `end` is cancelled.
    #[must_use]
    pub fn until(mut self, end: CancellationToken) -> Self {
        self.end = end;
        self
    }

    /// The same server for another client.
    #[must_use]
    pub fn for_another_client(&self) -> Self {
        Self {
            session: Arc::default(),
            ..self.clone()
        }
    }

    pub(crate) fn callers(&self) -> &Callers {
        &self.callers
    }

    /// The state of a request's caller. Over stdio the caller is the server itself. Over HTTP the request contains
    /// its caller. None if the transport is unknown, or if the request has no caller.
    pub(crate) fn state(&self, request: &Extensions) -> Option<Arc<CredentialState>> {
        let caller = match self.transport? {
            TransportKind::Stdio => self.callers.own(None).ok()?,
            TransportKind::Http => {
                let head = request.get::<Parts>()?;
                head.extensions.get::<Caller>()?.clone()
            }
        };
        Some(self.callers.state(&caller))
    }

    /// Counts a call against the limit of the session, or of the caller without a session.
    pub(crate) fn admit(&self, state: &CredentialState) -> Result<(), Exceeded> {
        let client = self.session.get().unwrap_or(&state.bucket);
        self.callers.limits().admit(client)
    }
}

impl ServerHandler for VaultServer {
    fn get_info(&self) -> ServerConfig {
        let instructions = match self.callers.access() {
            Access::ReadWrite => INSTRUCTIONS.to_owned(),
            Access::ReadOnly => format!("{READ_ONLY_INSTRUCTIONS} {INSTRUCTIONS}"),
        };
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation())
            .with_instructions(instructions)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(protocol::REVISIONS)
    }

    /// The first `initialize` of a connection negotiates the revision; the server rejects a later one that differs.
    /// Without sessions each HTTP request is a connection of its own, so every `initialize` is the first.
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let result = self.negotiate_initialize(&request)?;
        // The only sign of an earlier `initialize`. Over HTTP rmcp sets `peer_info` itself: from the request if it
        // opens a session, otherwise with only the revision.
        let is_first = self.session.set(self.callers.limits().client()).is_ok();
        let same = |agreed: Arc<InitializeRequestParams>| *agreed == request;
        if !is_first && !context.peer.peer_info().is_some_and(same) {
            let message = "this connection is initialized already";
            return Err(ErrorData::invalid_request(message, None));
        }
        let agreed = request.with_protocol_version(result.protocol_version.clone());
        context.peer.set_peer_info(agreed);
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // All tools fit one page, so the server never issues a cursor.
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params("unknown cursor", None));
        }
        let mut tools = self.router.list_all();
        tools.retain(|tool| tools::is_permitted(tool, self.callers.access()));
        let mut list = ListToolsResult::with_all_items(tools);
        if protocol::is_stateless(&context) {
            // Private: the lists of two callers can differ.
            list = list
                .with_ttl_ms(LIST_TTL_MS)
                .with_cache_scope(CacheScope::Private);
            list.meta = Some(identity());
        }
        Ok(list)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let is_stateless = protocol::is_stateless(&context);
        let mut response = self
            .router
            .call(ToolCallContext::new(self, request, context))
            .await?;
        if let CallToolResponse::Complete(result) = &mut response
            && is_stateless
        {
            result.meta = Some(identity());
        }
        Ok(response)
    }

    /// Requests that rmcp does not recognise: unknown methods, and invalid parameters.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(
            if protocol::has_method(&request.method, protocol::is_stateless(&context)) {
                ErrorData::invalid_params("the parameters do not fit this method", None)
            } else {
                ErrorData::new(
                    ErrorCode::METHOD_NOT_FOUND,
                    "this server has no such method",
                    None,
                )
            },
        )
    }

    /// A client may subscribe, though the server has nothing to notify it of.
    fn accepted_subscription_filter(
        &self,
        _requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::new())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        tokio::select! {
            () = subscription.cancelled() => {}
            () = self.end.cancelled() => {}
        }
        Ok(())
    }

    // rmcp answers with empty results for capabilities that the server does not have. This server answers "method not
    // found".

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListResourcesRequestMethod>())
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Err(ErrorData::method_not_found::<
            ListResourceTemplatesRequestMethod,
        >())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.router.get(name).cloned()
    }
}

fn implementation() -> Implementation {
    Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
        .with_title("Vault MCP reference server")
}

/// The server's identity, as stateless results contain it.
fn identity() -> MetaObject {
    let mut meta = MetaObject::new();
    meta.0.insert(
        "io.modelcontextprotocol/serverInfo".to_owned(),
        json!(implementation()),
    );
    meta
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::caller::tests::callers;

    #[test]
    fn who_calls_is_what_the_transport_says_and_nobody_where_it_says_nothing() {
        let server = VaultServer::new(callers(Some("hvs.own"), None));
        let caller = server.callers().own(None).unwrap();
        let over_http = |caller: Option<Caller>| {
            let (mut head, ()) = Request::new(()).into_parts();
            caller.map(|caller| head.extensions.insert(caller));
            let mut request = Extensions::new();
            request.insert(head);
            request
        };
        for (transport, request, known) in [
            (None, Extensions::new(), false),
            (None, over_http(Some(caller.clone())), false),
            (Some(TransportKind::Stdio), Extensions::new(), true),
            (Some(TransportKind::Http), Extensions::new(), false),
            (Some(TransportKind::Http), over_http(None), false),
            (Some(TransportKind::Http), over_http(Some(caller)), true),
        ] {
            let server = VaultServer {
                transport,
                ..server.clone()
            };
            let state = server.state(&request);
            assert_eq!(state.is_some(), known, "{transport:?} {request:?}");
        }
    }
}
