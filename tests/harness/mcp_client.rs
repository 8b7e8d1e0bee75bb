//! MCP over HTTP, two ways: the official Rust SDK's client, and single JSON-RPC messages by hand.
//!
//! The first shows that a real client gets along with the gateway, in both protocol eras; the
//! second sends what no proper client would send, and shows every answer as it came.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, ensure};
use futures_util::future::BoxFuture;
use reqwest::RequestBuilder;
use rmcp::model::{
    CallToolRequestParams, ClientConfig, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationCapability, ErrorData, ProtocolVersion, UrlElicitationCapability,
};
use rmcp::service::{RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient, ServiceError};
use serde_json::{Map, Value, json};
use url::Url;

use crate::http::{Answer, Http};
use crate::tls;

/// The two ways in which MCP is spoken today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2025-11-25: an `initialize` handshake, then requests.
    Initialize,
    /// 2026-07-28: every request stands for itself and says its version.
    Stateless,
}

impl Era {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Initialize, Self::Stateless];

    /// The protocol version.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Initialize => "2025-11-25",
            Self::Stateless => "2026-07-28",
        }
    }

    fn lifecycle(self) -> ClientLifecycleMode {
        match self {
            Self::Initialize => ClientLifecycleMode::Initialize,
            Self::Stateless => ClientLifecycleMode::Discover {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            },
        }
    }
}

/// What a client does when the server asks it to send its user to a page; whether the user agreed.
pub type OpenPage = Arc<dyn Fn(Url) -> BoxFuture<'static, bool> + Send + Sync>;

/// What the SDK's client can do for a server.
struct Abilities {
    open_page: Option<OpenPage>,
}

impl ClientHandler for Abilities {
    fn get_info(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        config.capabilities.elicitation = self
            .open_page
            .as_ref()
            .map(|_| ElicitationCapability::new().with_url(UrlElicitationCapability::new()));
        config
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let agreed = match (request, &self.open_page) {
            (ElicitRequestParams::UrlElicitationParams { url, .. }, Some(open)) => {
                let url = Url::parse(&url)
                    .map_err(|error| ErrorData::invalid_params(error.to_string(), None))?;
                open(url).await
            }
            _ => false,
        };
        Ok(ElicitResult::new(if agreed {
            ElicitationAction::Accept
        } else {
            ElicitationAction::Decline
        }))
    }
}

/// The SDK's client, connected with a bearer token.
pub struct SdkClient(RunningService<RoleClient, Abilities>);

impl SdkClient {
    /// Connects and goes through the handshake of the era.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect(url: &Url, token: &str, era: Era) -> Result<Self> {
        Self::connect_with(url, token, era, None).await
    }

    /// The same as a client that opens pages for its user (elicitation in URL mode).
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn connect_opening(
        url: &Url,
        token: &str,
        era: Era,
        open_page: OpenPage,
    ) -> Result<Self> {
        Self::connect_with(url, token, era, Some(open_page)).await
    }

    async fn connect_with(
        url: &Url,
        token: &str,
        era: Era,
        open_page: Option<OpenPage>,
    ) -> Result<Self> {
        let config = StreamableHttpClientTransportConfig::with_uri(url.as_str()).auth_header(token);
        let http = tls::client().build()?;
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let service = Abilities { open_page }
            .serve_with_lifecycle(transport, era.lifecycle())
            .await
            .with_context(|| format!("the SDK's client could not connect ({})", era.version()))?;
        Ok(Self(service))
    }

    /// The names of all tools, in the server's order.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn tools(&self) -> Result<Vec<String>> {
        let tools = self.0.list_all_tools().await?;
        Ok(tools
            .into_iter()
            .map(|tool| tool.name.into_owned())
            .collect())
    }

    /// Calls a tool; the result as JSON (`content`, `structuredContent`, `isError`).
    ///
    /// # Errors
    /// When the call fails as a call, which is not the same as a tool's own error.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Value> {
        let mut request = CallToolRequestParams::new(tool.to_owned());
        request.arguments = arguments.as_object().cloned();
        let result = self.0.call_tool(request).await?;
        Ok(serde_json::to_value(result)?)
    }

    /// Calls a tool that wants its user to open a page first, and says so with an error: the page.
    ///
    /// # Errors
    /// When it answers in another way.
    pub async fn call_wanting_a_page(&self, tool: &str) -> Result<Url> {
        let request = CallToolRequestParams::new(tool.to_owned());
        let error = match self.0.call_tool(request).await {
            Ok(result) => return Err(anyhow!("{result:?}")),
            Err(ServiceError::McpError(error)) => error,
            Err(other) => return Err(other.into()),
        };
        ensure!(error.code.0 == -32042, "{error:?}");
        let data = error.data.unwrap_or_default();
        let url = data["elicitations"][0]["url"].as_str();
        Ok(Url::parse(
            url.with_context(|| format!("no page: {data}"))?,
        )?)
    }

    /// The URIs of all resources.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn resources(&self) -> Result<Vec<String>> {
        let resources = self.0.list_all_resources().await?;
        Ok(resources
            .into_iter()
            .map(|resource| resource.uri.clone())
            .collect())
    }
}

/// Sends single JSON-RPC messages.
#[derive(Clone, Debug)]
pub struct McpPoster {
    http: Http,
    url: Url,
    token: Option<Arc<str>>,
    era: Era,
}

impl McpPoster {
    /// A poster to `url`; `token` is sent as a bearer token.
    #[must_use]
    pub fn new(http: Http, url: Url, token: Option<&str>, era: Era) -> Self {
        Self {
            http,
            url,
            token: token.map(Arc::from),
            era,
        }
    }

    /// The same poster with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(Arc::from(token)),
            ..self.clone()
        }
    }

    /// Sends a request; the HTTP answer as it came.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, method: &str, params: Value) -> Result<Answer> {
        self.http.send(self.request(method, params)).await
    }

    /// Calls a tool; the HTTP answer as it came.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn call_answer(&self, tool: &str, arguments: Value) -> Result<Answer> {
        self.post(
            "tools/call",
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    /// Calls a tool; the `result` member of the JSON-RPC answer.
    ///
    /// # Errors
    /// When the answer is an HTTP or JSON-RPC error.
    pub async fn call(&self, tool: &str, arguments: Value) -> Result<Value> {
        result(self.call_answer(tool, arguments).await?)
    }

    /// The names of all tools.
    ///
    /// # Errors
    /// When the answer is an HTTP or JSON-RPC error.
    pub async fn tools(&self) -> Result<Vec<String>> {
        let result = result(self.post("tools/list", json!({})).await?)?;
        let tools = result["tools"].as_array().context("no tools")?;
        Ok(tools
            .iter()
            .filter_map(|tool| tool["name"].as_str().map(str::to_owned))
            .collect())
    }

    /// The request for a JSON-RPC call, to be changed before it is sent.
    pub fn request(&self, method: &str, mut params: Value) -> RequestBuilder {
        let mut request = self
            .http
            .client()
            .post(self.url.clone())
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", self.era.version());
        if self.era == Era::Stateless {
            // SEP-2243: the method and the name of the thing are repeated in headers.
            request = request.header("mcp-method", method);
            if let Some(name) = params["name"].as_str().or_else(|| params["uri"].as_str()) {
                request = request.header("mcp-name", name);
            }
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": self.era.version(),
                "io.modelcontextprotocol/clientInfo": { "name": "harness", "version": "1.0.0" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            if let Some(params) = params.as_object_mut() {
                params.insert("_meta".to_owned(), meta);
            }
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        request.json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }))
    }
}

/// The `result` of a JSON-RPC answer, whether it came as JSON or as a server-sent event.
///
/// # Errors
/// When the answer is an HTTP or JSON-RPC error.
pub fn result(answer: Answer) -> Result<Value> {
    let answer = answer.success()?;
    let message = message(&answer)?;
    ensure!(
        message["error"].is_null(),
        "JSON-RPC error: {}",
        message["error"]
    );
    Ok(message["result"].clone())
}

/// The JSON-RPC message of an answer.
///
/// # Errors
/// When there is none.
pub fn message(answer: &Answer) -> Result<Value> {
    let event_stream = answer
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/event-stream"));
    if !event_stream {
        return answer.json();
    }
    answer
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str::<Map<String, Value>>(data.trim()).ok())
        .find(|message| message.contains_key("result") || message.contains_key("error"))
        .map(Value::Object)
        .with_context(|| format!("no JSON-RPC message: {}", answer.describe()))
}

/// All text of a tool result.
#[must_use]
pub fn text(result: &Value) -> String {
    let parts = result["content"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    parts
        .iter()
        .filter_map(|part| part["text"].as_str())
        .collect::<Vec<_>>()
        .join("\n")
}
