//! An MCP-like server that protects itself with the broker.
//!
//! `cargo run --example protected_server -- RESOURCE ISSUER CLIENT_ID CLIENT_SECRET`, for example
//! `… http://127.0.0.1:4290/mcp http://127.0.0.1:4280 my-server secret`.
//!
//! `app` is all that is specific to the protection; the rest is a server with one tool.
//! `docs/protect-an-mcp-server.md` shows this file.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use broker_client::BoxError;
use broker_client::bearer::{Caller, ProtectedResource};
use broker_client::exchange::{ExchangeRequest, TokenExchanger};
use broker_client::http::{ClientAuthentication, HttpClient, Options};
use broker_client::oauth::Scope;
use serde_json::{Value, json};

/// What the handlers share.
#[derive(Clone)]
struct Server {
    resource: ProtectedResource,
    exchanger: TokenExchanger,
    /// What the tool needs.
    required: Scope,
}

/// The protected server: everything on `/mcp` needs an access token, the metadata is open.
pub(crate) fn app(
    resource: &str,
    issuer: &str,
    credentials: ClientAuthentication,
) -> Result<Router, BoxError> {
    let required: Scope = "notes.read".parse()?;
    let resource = ProtectedResource::builder(resource, issuer)
        .name("Example tools")
        .scopes(required.clone())
        .build()?;
    let http = HttpClient::new(&Options::default())?;
    let exchanger = TokenExchanger::new(http, resource.discovery(), credentials);
    let server = Server {
        resource: resource.clone(),
        exchanger,
        required,
    };
    Ok(Router::new()
        .route("/mcp", post(call_tool))
        .with_state(server)
        .layer(resource.layer())
        .merge(resource.metadata_router()))
}

/// The one tool: asks the broker for a token for Nextcloud and tells how long it lives.
async fn call_tool(
    State(server): State<Server>,
    caller: Caller,
    Json(call): Json<Value>,
) -> Response {
    if !caller.has(&server.required) {
        let challenge = server.resource.challenge();
        return challenge
            .insufficient_scope(&server.required, "This tool reads notes.")
            .into_response();
    }
    let request = ExchangeRequest {
        scope: Some(&server.required),
        tool: Some("notes_list"),
        ..ExchangeRequest::new(caller.subject_token(), "nextcloud")
    };
    let (text, is_error) = match server.exchanger.exchange(request).await {
        Ok(token) => (
            format!(
                "{} may read for {} s",
                caller.claims().sub,
                token.expires_in
            ),
            false,
        ),
        Err(error) => (error.to_string(), true),
    };
    Json(json!({
        "jsonrpc": "2.0",
        "id": call.get("id"),
        "result": { "content": [{ "type": "text", "text": text }], "isError": is_error },
    }))
    .into_response()
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [resource, issuer, client_id, client_secret] = arguments.as_slice() else {
        return Err("expected: RESOURCE ISSUER CLIENT_ID CLIENT_SECRET".into());
    };
    let credentials = ClientAuthentication::Basic {
        client_id: client_id.clone(),
        client_secret: client_secret.as_str().into(),
    };
    let app = app(resource, issuer, credentials)?;
    // Without TCP_NODELAY, small answers wait for the client's delayed acknowledgement.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4290")
        .await?
        .tap_io(|stream| {
            stream.set_nodelay(true).unwrap_or_default();
        });
    axum::serve(listener, app).await?;
    Ok(())
}
