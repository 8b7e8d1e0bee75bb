//! The MCP server: lists what the token allows, runs tools, reads resources.
//!
//! Stateless: one instance per request, all sharing the same parts. Transport, protocol versions
//! and message shapes are rmcp's; what tools do is theirs.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestMethod, CompleteRequestParams,
        CompleteResult, GetPromptRequestParams, GetPromptResponse, Implementation,
        ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ReadResourceResult, ServerCapabilities, ServerConfig, Tool,
    },
    service::{NotificationContext, RequestContext},
};
use serde_json::json;

use super::elicitation::Way;
use super::run::{Runner, caller, progress};
use crate::{
    credentials::{Call, Caller, CredentialSource},
    error::ToolErrorKind,
    nextcloud::{Client, NoAccess},
    tools::{Catalog, Job, Needs, Outcome, Resource},
};

/// Answers MCP requests.
#[derive(Clone)]
pub struct Server {
    catalog: Arc<Catalog>,
    credentials: Arc<dyn CredentialSource>,
    runner: Runner,
}

impl Server {
    /// A server of these tools, which gets into Nextcloud in this way.
    #[must_use]
    pub fn new(
        catalog: Arc<Catalog>,
        credentials: Arc<dyn CredentialSource>,
        runner: Runner,
    ) -> Self {
        Self {
            catalog,
            credentials,
            runner,
        }
    }

    fn is_allowed(&self, needs: Needs, caller: &Caller) -> bool {
        match caller {
            Caller::Token(caller) => self.catalog.allows(needs, caller.scope()),
            Caller::SingleUser => true,
        }
    }

    async fn client(
        &self,
        call: &Call,
        context: &RequestContext<RoleServer>,
    ) -> Result<Client, NoAccess> {
        let client = self.credentials.client_for(call).await?;
        Ok(client.for_call(&call.trace, progress(context)))
    }

    fn listed_resources(
        &self,
        caller: &Caller,
        templates: bool,
    ) -> impl Iterator<Item = &Resource> {
        self.catalog
            .resources()
            .iter()
            .filter(move |resource| resource.is_template() == templates)
            .filter(|resource| self.is_allowed(resource.needs(), caller))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .build();
        let implementation = Implementation::new("mcp-gateway", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(capabilities)
            .with_server_info(implementation)
            .with_instructions(self.catalog.instructions())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.catalog
            .tool(name)
            .map(|tool| tool.definition().clone())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = caller(&context)?;
        let tools = self
            .catalog
            .tools()
            .iter()
            .filter(|tool| self.is_allowed(tool.needs(), &caller))
            .map(|tool| tool.definition().clone())
            .collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(tool) = self.catalog.tool(&request.name) else {
            let message = format!("There is no tool called {:?}.", request.name);
            return Err(ErrorData::invalid_params(message, None));
        };
        let call = self.runner.call(&context, tool.name(), tool.needs())?;
        if !self.is_allowed(tool.needs(), &call.caller) {
            return Err(not_allowed());
        }
        let way = Way::of(&context);
        let work = async {
            // The arguments first: a call that cannot be made costs no credential.
            match tool.prepare(request.arguments.unwrap_or_default())? {
                Job::Nextcloud(job) => {
                    let client = self.client(&call, &context).await?;
                    job(client).await.map(Outcome::Done)
                }
                Job::Background(job) => {
                    let access = self.credentials.background_access(&call).await?;
                    job(access, way.visits(request.input_responses.as_ref())).await
                }
            }
        };
        match self.runner.run(&context, &call, work).await? {
            Ok(Outcome::Done(result)) => Ok(result.into()),
            Ok(Outcome::Visit(visit)) => way.ask(visit),
            // Every failure becomes a result that the model can read.
            Err(error) => Ok(error.into_result().into()),
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let caller = caller(&context)?;
        let resources = self
            .listed_resources(&caller, false)
            .map(Resource::definition);
        Ok(ListResourcesResult::with_all_items(resources.collect()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let caller = caller(&context)?;
        let templates = self.listed_resources(&caller, true).map(Resource::template);
        Ok(ListResourceTemplatesResult::with_all_items(
            templates.collect(),
        ))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let not_found = |message: String| {
            ErrorData::resource_not_found(message, Some(json!({ "uri": request.uri })))
        };
        let Some((resource, variables)) = self.catalog.resource(&request.uri) else {
            return Err(not_found("There is no resource with this URI.".to_owned()));
        };
        let call = self
            .runner
            .call(&context, resource.name(), resource.needs())?;
        if !self.is_allowed(resource.needs(), &call.caller) {
            return Err(not_allowed());
        }
        let work = async {
            let client = self.client(&call, &context).await?;
            resource.read(client, variables).await
        };
        let result = self.runner.run(&context, &call, work).await?;
        result
            .map(|contents| ReadResourceResult::new(vec![contents.into_model(&request.uri)]).into())
            .map_err(|error| match error.kind() {
                ToolErrorKind::NotFound => not_found(error.to_string()),
                ToolErrorKind::Invalid => ErrorData::invalid_params(error.to_string(), None),
                ToolErrorKind::Failed => ErrorData::internal_error(error.to_string(), None),
            })
    }

    // There is no prompt yet. Clients ask for them whatever a server declares, and some take an error
    // as a broken server; so the capability is declared and the list is empty.
    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(Vec::new()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let message = format!("There is no prompt called {:?}.", request.name);
        Err(ErrorData::invalid_params(message, None))
    }

    // rmcp answers with an empty list unless told that the server does not complete anything.
    async fn complete(
        &self,
        _: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }

    async fn on_initialized(&self, _: NotificationContext<RoleServer>) {}
}

fn not_allowed() -> ErrorData {
    ErrorData::invalid_request("The access token's scopes do not allow this.", None)
}
