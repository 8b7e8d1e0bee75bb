//! What a client does with its registration later (RFC 7592): read it, replace it, delete it.
//!
//! It proves itself by its registration access token. A token that is wrong and a client that is not
//! there look the same from outside. What administrators decided is not the client's to change: a
//! client that changes what it was approved for waits for approval again.

use std::collections::BTreeSet;

use broker_client::oauth::OAuthError;
use broker_client::secret::Secret;
use serde_json::Value;

use super::access::{bearer, wrong};
use super::answer::{Issued, Registered};
use super::document::Asked;
use super::{Refused, RegistrationEndpoint};
use crate::clients::{has_secret, invalid, summary};
use crate::crypto;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Client, ClientId, ClientKind, ClientSecret, ClientStatus,
    EndReason, RedirectUri, RequestInfo, Timestamp,
};
use crate::storage::{ConsentsOf, StoreError, Transaction};

/// How often a change is tried again that somebody else was faster with.
const TRIES: usize = 3;

/// Members that only we write (RFC 7592 §2.2).
const OURS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// Descriptive members by which a person tells who the client is.
const TELLING: [&str; 2] = ["client_uri", "logo_uri"];

/// A request for the registration of a client.
pub struct Managed<'a> {
    /// The `client_id` in its address.
    pub client_id: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// Where it came from.
    pub info: &'a RequestInfo,
}

impl RegistrationEndpoint {
    /// The registration as it stands (RFC 7592 §2.1). It holds no client secret: we do not know it.
    ///
    /// # Errors
    /// See [`Refused`]; recorded in the audit trail.
    pub async fn read(&self, request: &Managed<'_>) -> Result<Registered, Refused> {
        let event = self.managing(AuditKind::ClientReadRefused, request);
        let read = async {
            let token = sent_token(request)?;
            let client = match parsed_id(request) {
                Some(id) => self.store.client(&id).await?,
                None => None,
            };
            let client = own(client, &token)?;
            let issued = Issued {
                secret: None,
                registration_token: token,
            };
            Ok(self.answer(client, issued))
        };
        match read.await {
            Ok(registered) => Ok(registered),
            Err(refused) => Err(self.recorded(event, refused).await),
        }
    }

    /// Replaces the registration by what the document says (RFC 7592 §2.2). The registration access
    /// token is a new one afterwards, and so is the client secret, unless the document has it.
    ///
    /// # Errors
    /// See [`Refused`]; recorded in the audit trail.
    pub async fn update(&self, request: &Managed<'_>, body: &[u8]) -> Result<Registered, Refused> {
        let event = self.managing(AuditKind::ClientUpdated, request);
        match self.try_update(request, body, &event).await {
            Ok(registered) => Ok(registered),
            Err(refused) => Err(self.recorded(event, refused).await),
        }
    }

    /// Deletes the registration and ends everything that the client began (RFC 7592 §2.3).
    ///
    /// # Errors
    /// See [`Refused`]; recorded in the audit trail.
    pub async fn delete(&self, request: &Managed<'_>) -> Result<(), Refused> {
        let event = self.managing(AuditKind::ClientDeleted, request);
        match self.try_delete(request, &event).await {
            Ok(()) => Ok(()),
            Err(refused) => Err(self.recorded(event, refused).await),
        }
    }

    async fn try_update(
        &self,
        request: &Managed<'_>,
        body: &[u8],
        event: &AuditEvent,
    ) -> Result<Registered, Refused> {
        let token = sent_token(request)?;
        for _ in 0..TRIES {
            let transaction = self.store.begin().await?;
            let stored = stored(&transaction, request, &token).await?;
            let asked = Asked::read(body)?;
            check(&asked, &stored)?;
            let (secret, secrets) = self.secret_after(&asked, &stored, event.at)?;
            let issued = Issued {
                secret,
                registration_token: self.secret(),
            };
            let next = Client {
                secrets,
                registration_token: Some(issued.registration_token_hash()),
                updated_at: event.at,
                version: stored.version + 1,
                ..revised(&stored, asked)
            };
            if !transaction.update_client(&next, stored.version).await? {
                continue;
            }
            let mut event = event.clone();
            if next.redirect_uris != stored.redirect_uris {
                // A code on its way must not go to an address that is given up.
                let logins = transaction.end_logins_of_client(&stored.id).await?;
                event
                    .details
                    .insert("logins_ended".to_owned(), logins.into());
            }
            if next.redirect_uris != stored.redirect_uris || next.status != stored.status {
                // Users allowed it to what it was.
                let consents = transaction
                    .withdraw_consents(ConsentsOf::Client(&stored.id))
                    .await?;
                event
                    .details
                    .insert("consents_withdrawn".to_owned(), consents.into());
            }
            event.details.insert("before".to_owned(), summary(&stored));
            event.details.insert("after".to_owned(), summary(&next));
            transaction.append_audit(&[event]).await?;
            transaction.commit().await?;
            // So that the secret in the answer works here at once.
            self.live.refresh().await?;
            return Ok(self.answer(next, issued));
        }
        Err(StoreError::Conflict { table: "clients" }.into())
    }

    async fn try_delete(&self, request: &Managed<'_>, event: &AuditEvent) -> Result<(), Refused> {
        let token = sent_token(request)?;
        for _ in 0..TRIES {
            let transaction = self.store.begin().await?;
            let stored = stored(&transaction, request, &token).await?;
            let ended = transaction
                .end_all_of_client(&stored.id, EndReason::ClientBlocked, event.at)
                .await?;
            if !transaction
                .delete_client(&stored.id, stored.version, event.at)
                .await?
            {
                continue;
            }
            let mut event = event.clone();
            let details = &mut event.details;
            details.insert("before".to_owned(), summary(&stored));
            details.insert("grants_ended".to_owned(), ended.grants.into());
            details.insert("logins_ended".to_owned(), ended.logins.into());
            transaction.append_audit(&[event]).await?;
            transaction.commit().await?;
            self.live.refresh().await?;
            return Ok(());
        }
        Err(StoreError::Conflict { table: "clients" }.into())
    }

    /// The client secret after an update, to answer and to store: the one that the client has, if
    /// it said which, else a new one.
    fn secret_after(
        &self,
        asked: &Asked,
        stored: &Client,
        now: Timestamp,
    ) -> Result<(Option<Secret>, Vec<ClientSecret>), OAuthError> {
        let sent = match asked.document.get("client_secret") {
            None | Some(Value::Null) => None,
            Some(Value::String(secret)) => Some(Secret::from(secret.as_str())),
            Some(_) => return Err(invalid("client_secret must be a text.")),
        };
        match sent {
            // RFC 7592 §2.2: it may be repeated, never chosen.
            Some(secret) if !has_secret(stored, &secret, now) => Err(invalid(
                "client_secret must be the secret of the client, or left out.",
            )),
            _ if !asked.wants_secret() => Ok((None, Vec::new())),
            Some(secret) => Ok((Some(secret), stored.secrets.clone())),
            None => {
                let secret = self.secret();
                let hash = crypto::hash(secret.expose());
                Ok((Some(secret), vec![hash.into()]))
            }
        }
    }

    fn managing(&self, kind: AuditKind, request: &Managed<'_>) -> AuditEvent {
        let actor = Actor::Client(request.client_id.to_owned());
        let mut event = AuditEvent::new(self.ambient.now(), kind, actor).during(request.info);
        event.client_id = parsed_id(request);
        event
    }
}

/// The registration access token of a request, which must have one.
fn sent_token(request: &Managed<'_>) -> Result<Secret, Refused> {
    bearer(request.authorization)?.ok_or_else(|| Refused::Token {
        error: OAuthError::invalid_token(
            "Send the registration_access_token of the client as bearer token.",
        ),
        was_sent: false,
    })
}

/// The id in the request's address; anything else is the id of no client.
fn parsed_id(request: &Managed<'_>) -> Option<ClientId> {
    ClientId::parse(request.client_id).ok()
}

/// The client of the request, as it is in this transaction, if the token is its own.
async fn stored(
    transaction: &Transaction,
    request: &Managed<'_>,
    token: &Secret,
) -> Result<Client, Refused> {
    let client = match parsed_id(request) {
        Some(id) => transaction.client(&id).await?,
        None => None,
    };
    own(client, token)
}

/// The client, if there is one and the token is its own.
fn own(client: Option<Client>, token: &Secret) -> Result<Client, Refused> {
    let presented = crypto::hash(token.expose());
    let is_its_own = |client: &Client| {
        client.kind == ClientKind::Dynamic
            && client
                .registration_token
                .is_some_and(|own| crypto::same(own.as_bytes(), presented.as_bytes()))
    };
    let client = client
        .filter(is_its_own)
        .ok_or_else(|| wrong("The registration access token is not the one of this client."))?;
    // Otherwise it could delete the record of its being blocked, or wait under another name.
    if client.status == ClientStatus::Blocked {
        return Err(Refused::Forbidden(OAuthError::access_denied(
            "The client is blocked. Ask the administrator of this server.",
        )));
    }
    Ok(client)
}

/// What RFC 7592 §2.2 asks of an update besides good metadata.
fn check(asked: &Asked, stored: &Client) -> Result<(), OAuthError> {
    if asked.document.get("client_id").and_then(Value::as_str) != Some(stored.id.as_str()) {
        return Err(invalid(
            "client_id must be the client_id of the registration.",
        ));
    }
    match OURS
        .iter()
        .find(|member| asked.document.contains_key(**member))
    {
        Some(member) => Err(invalid(format!("{member} must be left out of an update."))),
        None => Ok(()),
    }
}

/// The client as the document wants it. What administrators decide stays, but for an approval of
/// what is there no more.
fn revised(stored: &Client, asked: Asked) -> Client {
    let mut next = Client {
        name: asked.metadata.name,
        redirect_uris: asked.metadata.redirect_uris,
        grant_types: asked.metadata.grant_types,
        auth_method: asked.auth_method,
        scope: asked.metadata.scope,
        metadata: asked.metadata.description,
        ..stored.clone()
    };
    if stored.status == ClientStatus::Approved && !is_as_approved(&next, stored) {
        next.status = ClientStatus::Pending;
    }
    next
}

/// Whether an administrator who approved `stored` would see nothing else in `next`: the same name
/// and addresses, no redirect URI more, the same way to prove itself.
fn is_as_approved(next: &Client, stored: &Client) -> bool {
    let known: BTreeSet<&str> = stored
        .redirect_uris
        .iter()
        .map(RedirectUri::as_str)
        .collect();
    next.name == stored.name
        && next.auth_method == stored.auth_method
        && next
            .redirect_uris
            .iter()
            .all(|uri| known.contains(uri.as_str()))
        && TELLING
            .iter()
            .all(|member| next.metadata.get(*member) == stored.metadata.get(*member))
}
