//! `POST /oauth/token`, and what else is done with tokens: revoke, introspect, ask who it is.
//!
//! Every token request goes through the phases in [`TokenEndpoint::answer`]: which grant, which
//! client, may it, then the grant's own rules. A grant's file holds only what is particular to it,
//! so none can forget a shared step. Refusals are recorded here, in one place; a success is recorded
//! by its grant, with what it did or before the answer leaves.

mod access_tokens;
mod assertion;
mod background;
mod background_access;
mod caller;
mod client_auth;
mod client_credentials;
mod code;
mod exchange;
mod form;
mod introspect;
mod issue;
mod refresh;
mod request;
mod revoke;
mod userinfo;

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker_client::oauth::{OAuthError, Scope, TokenResponse};

pub use access_tokens::AccessTokens;
pub use assertion::{Assertions, ServiceAccount};
pub use background::OfflineGrantList;
pub use client_auth::ClientAuthenticator;
pub use form::Form;
pub use introspect::{Introspection, IntrospectionEndpoint};
pub use issue::Issuer;
pub use revoke::RevocationEndpoint;
pub use userinfo::{UserInfo, UserInfoEndpoint};

use self::request::TokenRequest;
use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::domain::{
    Actor, AuditEvent, AuditKind, EndReason, Grant, GrantType, Outcome, RequestInfo,
};
use crate::exchange::Strategies;
use crate::live::{CatalogHandle, Live};
use crate::metrics::Metrics;
use crate::storage::Store;

/// How long things live.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// A refresh token that is not used (sliding).
    pub refresh_token: Duration,
    /// A grant, however often it is renewed (absolute).
    pub refresh_token_absolute: Duration,
    /// How long after its first use a refresh token may be repeated.
    pub refresh_grace: Duration,
}

/// The token endpoint: what it needs.
pub struct TokenEndpoint {
    /// Codes, grants, refresh tokens.
    pub store: Store,
    /// Ended grants, in memory.
    pub live: Live,
    /// The audit trail.
    pub audit: AuditLog,
    /// The resources and downstreams of this installation.
    pub catalog: CatalogHandle,
    /// Who is asking.
    pub clients: ClientAuthenticator,
    /// Makes access tokens.
    pub issuer: Issuer,
    /// Verifies our own access tokens, presented as subject or actor.
    pub verifier: Arc<AccessTokens>,
    /// What a subject token may become.
    pub strategies: Strategies,
    /// Time and randomness.
    pub ambient: Ambient,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// Counts and measures.
    pub metrics: Metrics,
}

impl TokenEndpoint {
    /// Answers a token request; `authorization` is the header of that name.
    ///
    /// # Errors
    /// As RFC 6749 §5.2, RFC 8707 §2 and RFC 8693 §2.2.2 say; recorded in the audit trail.
    pub async fn answer(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        info: &RequestInfo,
    ) -> Result<TokenResponse, OAuthError> {
        let mut event = AuditEvent::new(
            self.ambient.now(),
            AuditKind::TokenRefused,
            Actor::Anonymous,
        )
        .during(info);
        let started = Instant::now();
        let grant = form
            .as_ref()
            .ok()
            .and_then(|form| request::grant_type(form).ok());
        let outcome = match self.attempt(form, authorization, &mut event).await {
            Ok(response) => Ok(response),
            Err(error) => Err(recorded(&self.audit, event, error).await),
        };
        self.metrics
            .token_request(grant, &outcome, started.elapsed());
        outcome
    }

    /// The phases. `event` learns what the request turns out to be about, for the audit.
    async fn attempt(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        event: &mut AuditEvent,
    ) -> Result<TokenResponse, OAuthError> {
        let form = form?;
        let grant = request::grant_type(&form)?;
        if grant == GrantType::TokenExchange {
            event.kind = AuditKind::ExchangeRefused;
        }
        let client = self.clients.identify(&form, authorization, event).await?;
        if !client.may_use(grant) {
            return Err(OAuthError::unauthorized_client(
                "The client is not registered for this grant type.",
            ));
        }
        match TokenRequest::parse(grant, &form)? {
            TokenRequest::AuthorizationCode(request) => self.redeem(&client, request, event).await,
            TokenRequest::RefreshToken(request) => self.refresh(&client, request, event).await,
            TokenRequest::TokenExchange(request) => {
                let started = Instant::now();
                let outcome = self.exchange(&client, request, event).await;
                self.exchanged(None, event, &outcome, started.elapsed());
                outcome
            }
            TokenRequest::ClientCredentials(request) => {
                self.for_itself(&client, request, event).await
            }
            TokenRequest::OfflineExchange(request) => {
                let started = Instant::now();
                let outcome = self.exchange_offline(&client, request, event).await;
                self.exchanged(Some("offline"), event, &outcome, started.elapsed());
                outcome
            }
        }
    }

    /// Counts an exchange, if the request got as far as naming one of our downstreams. Without a
    /// `strategy` it was the downstream's own.
    fn exchanged(
        &self,
        strategy: Option<&'static str>,
        event: &AuditEvent,
        outcome: &Result<TokenResponse, OAuthError>,
        took: Duration,
    ) {
        let Some(name) = &event.downstream else {
            return;
        };
        let catalog = self.catalog.current();
        let own = || {
            catalog
                .downstream(name)
                .map(|entry| entry.strategy.as_str())
        };
        if let Some(strategy) = strategy.or_else(own) {
            self.metrics.exchange(strategy, name, outcome, took);
        }
    }

    /// Whether the resource of a grant is still served; the request may name it again but not change
    /// it (RFC 8707 §2.2).
    fn check_resource(&self, grant: &Grant, named: &[String]) -> Result<(), OAuthError> {
        let catalog = self.catalog.current();
        let resource = catalog.resource(&grant.resource).ok_or_else(|| {
            OAuthError::invalid_target("The resource of this grant is not served any more.")
        })?;
        let is_the_same = |named: &String| {
            let found = catalog.resource_named(named);
            found.is_some_and(|found| found.id == resource.id)
        };
        if named.iter().all(is_the_same) {
            Ok(())
        } else {
            Err(OAuthError::invalid_target(
                "The resource is not the one that was granted.",
            ))
        }
    }

    /// Ends a grant because one of its secrets came back; this stands although the request fails.
    async fn end_grant(
        &self,
        grant: &Grant,
        reason: EndReason,
        event: &AuditEvent,
    ) -> Result<(), OAuthError> {
        end_grant(&self.store, &self.live, grant, reason, event).await
    }
}

/// Notes what the request turns out to be about.
fn concerns(event: &mut AuditEvent, grant: &Grant) {
    event.sub = Some(grant.sub.clone());
    event.grant = Some(grant.id.clone());
    event.resource = Some(grant.resource.clone());
}

/// Ends `grant`, with its audit row in the same transaction, and lets this replica know at once.
async fn end_grant(
    store: &Store,
    live: &Live,
    grant: &Grant,
    reason: EndReason,
    cause: &AuditEvent,
) -> Result<(), OAuthError> {
    let transaction = store.begin().await?;
    if transaction.end_grant(&grant.id, reason, cause.at).await? {
        let mut event = AuditEvent {
            kind: AuditKind::GrantEnded,
            outcome: Outcome::Ok,
            ..cause.clone()
        };
        concerns(&mut event, grant);
        event
            .details
            .insert("reason".to_owned(), reason.as_str().into());
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        live.refresh().await?;
    }
    Ok(())
}

/// Records a refusal before it is answered, and returns it.
async fn recorded(audit: &AuditLog, mut event: AuditEvent, error: OAuthError) -> OAuthError {
    // A flood must not fill the trail, nor learn anything: the first in a minute has its row.
    if let Some(too_often) = event.too_often {
        return too_often.into();
    }
    event.outcome = Outcome::Refused(error.code());
    // The same code has many causes, and whoever asks "why?" later has only this row.
    event
        .details
        .insert("description".to_owned(), error.description().into());
    match audit.record(event).await {
        Ok(()) => error,
        // Whoever was refused is not told the reason before the trail has it.
        Err(failure) => unrecorded(failure),
    }
}

/// The answer when the audit trail cannot be written: nothing goes out unrecorded.
fn unrecorded(failure: Arc<crate::storage::StoreError>) -> OAuthError {
    OAuthError::server_error("The broker could not write its audit trail. Try again in a moment.")
        .because(failure)
}

/// A scope as an answer carries it: RFC 6749 §3.3 has no empty one.
fn on_the_wire(scope: &Scope) -> Option<String> {
    Some(scope.to_string()).filter(|scope| !scope.is_empty())
}
