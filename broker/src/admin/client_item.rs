//! A client as administrators see it; its secrets are not among it.

use serde::Serialize;
use serde_json::{Map, Value};

use super::audit::rfc3339;
use super::change::note;
use crate::domain::{AuditEvent, Client, ResourceUri};

/// A client.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ClientItem {
    /// Its identifier; may be a URL.
    client_id: String,
    /// How it came to be registered: `preregistered`, `dynamic` or `url`.
    kind: &'static str,
    /// The whitelist's word: `pending`, `approved` or `blocked`.
    status: &'static str,
    /// The name it gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    /// Where its logins may return to.
    redirect_uris: Vec<String>,
    /// The grants it may use.
    grant_types: Vec<&'static str>,
    /// How it proves itself at the token endpoint.
    token_endpoint_auth_method: &'static str,
    /// What it asks for when a request names no scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The resources that it is the server of.
    serves: Vec<String>,
    /// The downstreams that it may ask tokens for.
    exchange: Vec<String>,
    /// Whether it is a background job.
    background: bool,
    /// Its secrets, the newest first; two while one is being replaced.
    secrets: Vec<SecretItem>,
    /// The rest of its metadata (RFC 7591 §2).
    metadata: Map<String, Value>,
    /// When it was registered: RFC 3339, UTC.
    created_at: String,
    /// When it last changed.
    updated_at: String,
    /// Counts its changes.
    version: i64,
}

/// That there is a secret, and no more.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(super) struct SecretItem {
    /// Until when it is good; absent: until it is replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

impl From<&Client> for ClientItem {
    fn from(client: &Client) -> Self {
        Self {
            client_id: client.id.to_string(),
            kind: client.kind.as_str(),
            status: client.status.as_str(),
            client_name: client.name.clone(),
            redirect_uris: client
                .redirect_uris
                .iter()
                .map(|uri| uri.as_str().to_owned())
                .collect(),
            grant_types: client
                .grant_types
                .iter()
                .map(|grant| grant.as_str())
                .collect(),
            token_endpoint_auth_method: client.auth_method.as_str(),
            scope: client.scope.as_ref().map(ToString::to_string),
            serves: client.serves.iter().map(ResourceUri::to_string).collect(),
            exchange: client.exchange.iter().map(ToString::to_string).collect(),
            background: client.background,
            secrets: client
                .secrets
                .iter()
                .map(|secret| SecretItem {
                    expires_at: secret.expires_at.map(rfc3339),
                })
                .collect(),
            metadata: client.metadata.clone(),
            created_at: rfc3339(client.created_at),
            updated_at: rfc3339(client.updated_at),
            version: client.version,
        }
    }
}

/// Notes in `event` what a change of a client changed.
pub(super) fn note_change(event: &mut AuditEvent, before: Option<&Client>, after: Option<&Client>) {
    event.client_id = after.or(before).map(|client| client.id.clone());
    note(
        event,
        before.map(ClientItem::from),
        after.map(ClientItem::from),
    );
}
