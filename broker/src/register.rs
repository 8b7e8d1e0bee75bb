//! Dynamic client registration (RFC 7591) and its management (RFC 7592), gated by the whitelist.
//!
//! A stranger writes this document; what becomes of its members is [`crate::clients`]' rule. The answer
//! is the registration as it now stands, defaults included, with the token by which the client can
//! read, change and delete it later ([`manage`]). An administrator's initial access token ([`access`])
//! makes a client approved from the start; everybody else is a stranger and counted ([`limits`]).

mod access;
mod answer;
mod document;
mod limits;
mod manage;
mod refused;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker_client::oauth::OAuthError;
use broker_client::secret::Secret;

pub use answer::Registered;
pub use limits::Limits;
pub use manage::Managed;
pub use refused::Refused;

use self::answer::Issued;
use self::document::Asked;
use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::crypto::Handle;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Client, ClientId, ClientKind, ClientStatus, Outcome, RedirectUri,
    RegistrationPolicy, RequestInfo,
};
use crate::live::{CatalogHandle, Live};
use crate::storage::{RegistrationToken, Store};

/// The largest registration document, in bytes.
pub const LARGEST_DOCUMENT: usize = 16 * 1024;

/// The registration endpoint: what it needs.
pub struct RegistrationEndpoint {
    /// Where clients are kept.
    pub store: Store,
    /// What this replica knows of clients and sessions, to be brought up to date.
    pub live: Live,
    /// The audit trail.
    pub audit: AuditLog,
    /// Time and randomness.
    pub ambient: Ambient,
    /// Who may register.
    pub policy: RegistrationPolicy,
    /// How much strangers may register.
    pub limits: Limits,
    /// What scope a client that names none will get.
    pub catalog: CatalogHandle,
    /// Our issuer, below which a registration has its address.
    pub issuer: String,
}

impl RegistrationEndpoint {
    /// Registers a client from the document that it sent; `authorization` is the header of that
    /// name, which may hold an initial access token.
    ///
    /// # Errors
    /// See [`Refused`]; recorded in the audit trail.
    pub async fn register(
        &self,
        authorization: Option<&str>,
        body: &[u8],
        info: &RequestInfo,
    ) -> Result<Registered, Refused> {
        let event = AuditEvent::new(
            self.ambient.now(),
            AuditKind::ClientRegistered,
            Actor::Anonymous,
        )
        .during(info);
        match self.attempt(authorization, body, &event).await {
            Ok(registered) => Ok(registered),
            Err(refused) => Err(self.recorded(event, refused).await),
        }
    }

    async fn attempt(
        &self,
        authorization: Option<&str>,
        body: &[u8],
        event: &AuditEvent,
    ) -> Result<Registered, Refused> {
        let token = self.initial_access_token(authorization, event).await?;
        if token.is_none() && self.policy == RegistrationPolicy::Closed {
            return Err(Refused::Forbidden(OAuthError::access_denied(
                "Clients cannot register themselves here. Ask the administrator of this server.",
            )));
        }
        let asked = Asked::read(body)?;
        let issued = Issued {
            secret: asked.wants_secret().then(|| self.secret()),
            registration_token: self.secret(),
        };
        let client = self.client(asked, &issued, token.as_ref(), event)?;

        let transaction = self.store.begin().await?;
        match &token {
            Some(token) => access::spend(&transaction, token, event.at).await?,
            None => self.limits.check_total(&transaction).await?,
        }
        transaction.insert_client(&client).await?;
        let event = registered(event, &client, token.as_ref());
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        Ok(self.answer(client, issued))
    }

    fn client(
        &self,
        asked: Asked,
        issued: &Issued,
        token: Option<&RegistrationToken>,
        event: &AuditEvent,
    ) -> Result<Client, OAuthError> {
        let id = URL_SAFE_NO_PAD.encode(self.ambient.random::<16>());
        Ok(Client {
            id: ClientId::parse(id).map_err(|error| {
                OAuthError::server_error("The broker could not name the client.").because(error)
            })?,
            kind: ClientKind::Dynamic,
            status: match token {
                Some(_) => ClientStatus::Approved,
                None => ClientStatus::Pending,
            },
            name: asked.metadata.name,
            redirect_uris: asked.metadata.redirect_uris,
            grant_types: asked.metadata.grant_types,
            auth_method: asked.auth_method,
            secrets: issued.stored_secrets(),
            scope: asked.metadata.scope,
            serves: Vec::new(),
            exchange: Vec::new(),
            background: false,
            metadata: asked.metadata.description,
            registration_token: Some(issued.registration_token_hash()),
            created_at: event.at,
            updated_at: event.at,
            version: 1,
        })
    }

    /// A new secret to hand out.
    fn secret(&self) -> Secret {
        Secret::new(Handle::generate(&self.ambient).expose())
    }

    /// Writes the row of a refusal, where it is worth one, and gives the refusal back.
    async fn recorded(&self, event: AuditEvent, refused: Refused) -> Refused {
        if !refused.is_worth_a_row() {
            return refused;
        }
        let row = AuditEvent {
            outcome: Outcome::Refused(refused.error().code()),
            ..event
        };
        match self.audit.record(row).await {
            Ok(()) => refused,
            Err(failure) => Refused::Request(
                OAuthError::server_error("The broker could not write its audit trail.")
                    .because(failure),
            ),
        }
    }
}

/// The row of a registration.
fn registered(
    event: &AuditEvent,
    client: &Client,
    token: Option<&RegistrationToken>,
) -> AuditEvent {
    let mut event = AuditEvent {
        client_id: Some(client.id.clone()),
        ..event.clone()
    };
    let details = &mut event.details;
    details.insert(
        "redirect_uris".to_owned(),
        client
            .redirect_uris
            .iter()
            .map(RedirectUri::as_str)
            .collect(),
    );
    details.insert("status".to_owned(), client.status.as_str().into());
    if let Some(name) = &client.name {
        details.insert("client_name".to_owned(), name.as_str().into());
    }
    if let Some(token) = token {
        details.insert("registration_token".to_owned(), token.name.as_str().into());
    }
    event
}
