//! The MCP face of the server: what it says about itself, and its tool router.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::tool::{ToolCallContext, ToolRouter},
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestMethod, CompleteRequestParams,
        CompleteResult, Implementation, ListPromptsRequestMethod, ListPromptsResult,
        ListResourceTemplatesRequestMethod, ListResourceTemplatesResult,
        ListResourcesRequestMethod, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};

use crate::{
    redact::Redactor,
    tools,
    vault::{Vault, client::VaultClient},
};

const INSTRUCTIONS: &str = "Reads and writes secrets in the KV engines of a HashiCorp Vault, runs CAs and issues \
    certificates in its PKI engines, and creates and deletes mounts. Start with list_mounts. `mount` is where an \
    engine is mounted; `path` is relative to it, without `data/` or `metadata/`. A failed call answers with a JSON \
    object: `kind` says what happened, `next_step` what to do. Secret values are shown by read_secret alone, private \
    keys by issue_pki_certificate alone and once: do not repeat them where they do not belong, and call \
    read_secret_metadata where key names or versions are enough.";

/// Serves one Vault under one token. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct VaultServer {
    vault: Arc<Vault>,
    redactor: Arc<Redactor>,
    router: Arc<ToolRouter<Self>>,
}

impl VaultServer {
    /// A server for the Vault that the client speaks to.
    pub fn new(client: VaultClient) -> Self {
        Self {
            redactor: Arc::new(Redactor::new(client.tokens().clone())),
            vault: Arc::new(Vault::new(client)),
            router: Arc::new(tools::router()),
        }
    }

    pub(crate) fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }
}

impl ServerHandler for VaultServer {
    fn get_info(&self) -> ServerConfig {
        let implementation = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .with_title("Vault MCP reference server");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(implementation)
            .with_instructions(INSTRUCTIONS)
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
        Ok(ListToolsResult::with_all_items(self.router.list_all()))
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
