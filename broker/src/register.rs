//! Dynamic client registration (RFC 7591), gated by the whitelist.
//!
//! A stranger writes this document; what becomes of its members is [`crate::clients`]' rule. The answer
//! is the registration as it now stands, defaults included. Managing a registration later (RFC 7592)
//! is not here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker_client::oauth::{OAuthError, Scope};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::clients::{ClientMetadata, invalid, object, text};
use crate::crypto::Handle;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Catalog, Client, ClientId, ClientKind, ClientStatus, Outcome,
    RedirectUri, RegistrationPolicy, RequestInfo, TokenEndpointAuthMethod,
};
use crate::storage::Store;

/// The largest registration document, in bytes.
pub const LARGEST_DOCUMENT: usize = 16 * 1024;

/// The registration endpoint: what it needs.
pub struct RegistrationEndpoint {
    /// Where clients are kept.
    pub store: Store,
    /// The audit trail.
    pub audit: AuditLog,
    /// Time and randomness.
    pub ambient: Ambient,
    /// Who may register.
    pub policy: RegistrationPolicy,
    /// What scope a client that names none will get.
    pub catalog: Arc<Catalog>,
}

/// A registration as it now stands (RFC 7591 §3.2.1).
#[derive(Serialize)]
pub struct Registered {
    client_id: String,
    /// Seconds since the epoch.
    client_id_issued_at: i64,
    #[serde(flatten)]
    secret: Option<IssuedSecret>,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: &'static str,
    grant_types: Vec<&'static str>,
    response_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    #[serde(flatten)]
    metadata: Map<String, Value>,
}

#[derive(Serialize)]
struct IssuedSecret {
    client_secret: String,
    /// Seconds since the epoch; 0 says never.
    client_secret_expires_at: i64,
}

impl RegistrationEndpoint {
    /// Registers a client from the document that it sent.
    ///
    /// # Errors
    /// `access_denied` when nobody may register here; `invalid_redirect_uri` and
    /// `invalid_client_metadata` as RFC 7591 §3.2.2 says; recorded in the audit trail.
    pub async fn register(
        &self,
        body: &[u8],
        info: &RequestInfo,
    ) -> Result<Registered, OAuthError> {
        let event = AuditEvent::new(
            self.ambient.now(),
            AuditKind::ClientRegistered,
            Actor::Anonymous,
        )
        .during(info);
        match self.attempt(body, &event).await {
            Ok(registered) => Ok(registered),
            Err(error) => {
                let refused = AuditEvent {
                    outcome: Outcome::Refused(error.code()),
                    ..event
                };
                self.audit.record(refused).await.map_err(|failure| {
                    OAuthError::server_error("The broker could not write its audit trail.")
                        .because(failure)
                })?;
                Err(error)
            }
        }
    }

    async fn attempt(&self, body: &[u8], event: &AuditEvent) -> Result<Registered, OAuthError> {
        if self.policy == RegistrationPolicy::Closed {
            return Err(OAuthError::access_denied(
                "Clients cannot register themselves here. Ask the administrator of this server.",
            ));
        }
        let document = object(body).map_err(|error| {
            invalid("The body is not a JSON object with client metadata, each named once.")
                .because(error)
        })?;
        let asked = ClientMetadata::parse(&document)?;
        let auth_method = auth_method(&document)?;
        let secret =
            (auth_method != TokenEndpointAuthMethod::None).then(|| Handle::generate(&self.ambient));
        let client = self.client(asked, auth_method, secret.as_ref(), event)?;

        let mut registered = AuditEvent {
            client_id: Some(client.id.clone()),
            ..event.clone()
        };
        registered.details.insert(
            "redirect_uris".to_owned(),
            client
                .redirect_uris
                .iter()
                .map(RedirectUri::as_str)
                .collect(),
        );
        registered
            .details
            .insert("status".to_owned(), client.status.as_str().into());
        if let Some(name) = &client.name {
            registered
                .details
                .insert("client_name".to_owned(), name.as_str().into());
        }
        let transaction = self.store.begin().await?;
        transaction.insert_client(&client).await?;
        transaction.append_audit(&[registered]).await?;
        transaction.commit().await?;
        Ok(self.answer(client, secret))
    }

    fn client(
        &self,
        asked: ClientMetadata,
        auth_method: TokenEndpointAuthMethod,
        secret: Option<&Handle>,
        event: &AuditEvent,
    ) -> Result<Client, OAuthError> {
        let id = URL_SAFE_NO_PAD.encode(self.ambient.random::<16>());
        Ok(Client {
            id: ClientId::parse(id).map_err(|error| {
                OAuthError::server_error("The broker could not name the client.").because(error)
            })?,
            kind: ClientKind::Dynamic,
            status: ClientStatus::Pending,
            name: asked.name,
            redirect_uris: asked.redirect_uris,
            grant_types: asked.grant_types,
            auth_method,
            secrets: secret
                .map(|secret| secret.hash().into())
                .into_iter()
                .collect(),
            scope: asked.scope,
            serves: Vec::new(),
            exchange: Vec::new(),
            metadata: asked.description,
            registration_token: None,
            created_at: event.at,
            updated_at: event.at,
            version: 1,
        })
    }

    fn answer(&self, client: Client, secret: Option<Handle>) -> Registered {
        let default_scope = || {
            self.catalog
                .default_resource()
                .map(|resource| resource.default_scopes.clone())
        };
        Registered {
            client_id: client.id.into(),
            client_id_issued_at: client.created_at.as_secs(),
            secret: secret.map(|handle| IssuedSecret {
                client_secret: handle.expose().to_owned(),
                client_secret_expires_at: 0,
            }),
            redirect_uris: client
                .redirect_uris
                .iter()
                .map(|uri| uri.as_str().to_owned())
                .collect(),
            token_endpoint_auth_method: client.auth_method.as_str(),
            grant_types: client
                .grant_types
                .iter()
                .map(|grant| grant.as_str())
                .collect(),
            response_types: ["code"],
            client_name: client.name,
            scope: client.scope.or_else(default_scope),
            metadata: client.metadata,
        }
    }
}

fn auth_method(document: &Map<String, Value>) -> Result<TokenEndpointAuthMethod, OAuthError> {
    // RFC 7591 §2: the default when it is left out.
    let asked = text(document, "token_endpoint_auth_method")?.unwrap_or("client_secret_basic");
    TokenEndpointAuthMethod::parse(asked).ok_or_else(|| {
        invalid(
            "token_endpoint_auth_method must be none, client_secret_basic or client_secret_post.",
        )
    })
}
