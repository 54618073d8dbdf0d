//! The MCP face of the server: what it says about itself, and its tool router.

use std::sync::{Arc, OnceLock};

use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::tool::{ToolCallContext, ToolRouter},
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestMethod, CompleteRequestParams,
        CompleteResult, Extensions, Implementation, InitializeRequestParams, InitializeResult,
        ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesRequestMethod,
        ListResourceTemplatesResult, ListResourcesRequestMethod, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};

use crate::{
    caller::{Caller, Callers, Tenant},
    limits::{Bucket, Exceeded},
    tools,
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

/// Serves one Vault to one client. Cheap to clone; clones are for the same client.
#[derive(Clone)]
pub struct VaultServer {
    callers: Arc<Callers>,
    router: Arc<ToolRouter<Self>>,
    /// What the session of this client is let through by; empty if it has none.
    session: Arc<OnceLock<Bucket>>,
}

impl VaultServer {
    /// A server for these callers.
    pub fn new(callers: Callers) -> Self {
        Self {
            callers: Arc::new(callers),
            router: Arc::new(tools::router()),
            session: Arc::default(),
        }
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

    /// What is kept for the caller of a request. Over stdio, where no token can be brought, that is the server
    /// itself; a request that came over HTTP has its caller with it, or none.
    pub(crate) fn tenant(&self, request: &Extensions) -> Option<Arc<Tenant>> {
        let caller = match request.get::<Parts>() {
            Some(head) => head.extensions.get::<Caller>()?.clone(),
            None => self.callers.own(None).ok()?,
        };
        Some(self.callers.tenant(&caller))
    }

    /// Counts a call: of the session if there is one, else of the caller.
    pub(crate) fn admit(&self, tenant: &Tenant) -> Result<(), Exceeded> {
        let client = self.session.get().unwrap_or(&tenant.bucket);
        self.callers.limits().admit(client)
    }
}

impl ServerHandler for VaultServer {
    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.session.get_or_init(|| self.callers.limits().client());
        context.peer.set_peer_info(request.clone());
        self.negotiate_initialize(&request)
    }

    fn get_info(&self) -> ServerConfig {
        let implementation = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .with_title("Vault MCP reference server");
        let instructions = match self.callers.access() {
            Access::ReadWrite => INSTRUCTIONS.to_owned(),
            Access::ReadOnly => format!("{READ_ONLY_INSTRUCTIONS} {INSTRUCTIONS}"),
        };
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation)
            .with_instructions(instructions)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        // All tools fit one page, so no cursor was ever given out.
        if request.is_some_and(|request| request.cursor.is_some()) {
            return Err(ErrorData::invalid_params("unknown cursor", None));
        }
        let mut tools = self.router.list_all();
        tools.retain(|tool| tools::is_permitted(tool, self.callers.access()));
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.router
            .call(ToolCallContext::new(self, request, context))
            .await
    }

    // rmcp answers for capabilities that are not offered with empty results;
    // a method that is not offered is not found.

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
