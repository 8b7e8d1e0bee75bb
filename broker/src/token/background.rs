//! Background jobs: an offline grant exchanged (RFC 8693 with our own `subject_token_type`), and the
//! list of grants that a job may use.
//!
//! The wall between sessions and background jobs stands here and in [`super::exchange`]: a request
//! is one or the other from its first parameter on, a client is one or the other by its
//! registration, and each refuses what belongs to the other.

use broker_client::oauth::{OAuthError, Scope, TokenResponse};
use serde::Serialize;

use super::caller::{Target, downstream};
use super::exchange::requested_form;
use super::request::scope;
use super::{Form, TokenEndpoint, on_the_wire, recorded};
use crate::domain::{
    Actor, AuditEvent, AuditKind, Client, OfflineGrant, OfflineGrantId, OfflineState, RequestInfo,
};
use crate::exchange::{BackgroundJob, TokenForm};

/// The longest reason that we note, in characters.
const LONGEST_REASON: usize = 200;

/// How many grants a list has at most.
const PAGE: usize = 500;

/// A request with an offline grant.
pub(super) struct OfflineExchangeRequest {
    grant: String,
    form: TokenForm,
    target: Target,
    scope: Option<Scope>,
    reason: String,
}

impl OfflineExchangeRequest {
    /// Reads the parameters of RFC 8693 §2.1, and `reason`.
    pub(super) fn parse(form: &Form) -> Result<Self, OAuthError> {
        if form.get("actor_token").is_some() {
            return Err(OAuthError::invalid_request(
                "A background job acts for itself: there is no actor_token.",
            ));
        }
        Ok(Self {
            grant: form.require("subject_token")?.to_owned(),
            form: requested_form(form)?,
            target: Target::parse(form),
            scope: scope(form)?,
            reason: reason(form)?,
        })
    }
}

/// Why the job needs the token now, for the audit.
fn reason(form: &Form) -> Result<String, OAuthError> {
    let reason = form.require("reason")?;
    if reason.chars().count() <= LONGEST_REASON && !reason.chars().any(char::is_control) {
        Ok(reason.to_owned())
    } else {
        Err(OAuthError::invalid_request(
            "The reason must be one line of at most 200 characters.",
        ))
    }
}

/// The grants that a background client may use.
#[derive(Debug, Serialize)]
pub struct OfflineGrantList {
    offline_grants: Vec<OfflineGrantItem>,
    /// Pass as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An offline grant as a background client sees it.
#[derive(Debug, Serialize)]
struct OfflineGrantItem {
    /// The `subject_token` of an exchange.
    id: String,
    /// The user, as access tokens name him.
    sub: String,
    /// The `audience` of an exchange.
    downstream: String,
    scope: String,
    /// `active`, or `failing`: of no use until the user has allowed it again.
    state: &'static str,
    /// Seconds since 1970.
    granted_at: i64,
}

impl From<&OfflineGrant> for OfflineGrantItem {
    fn from(grant: &OfflineGrant) -> Self {
        Self {
            id: grant.id.to_string(),
            sub: grant.sub.to_string(),
            downstream: grant.downstream.to_string(),
            scope: grant.scope.to_string(),
            state: grant.state().as_str(),
            granted_at: grant.granted_at.as_secs(),
        }
    }
}

impl TokenEndpoint {
    /// Exchanges an offline grant for a token of its downstream.
    pub(super) async fn exchange_offline(
        &self,
        client: &Client,
        request: OfflineExchangeRequest,
        event: &mut AuditEvent,
    ) -> Result<TokenResponse, OAuthError> {
        event.scope = request.scope.as_ref().and_then(on_the_wire);
        event
            .details
            .insert("reason".to_owned(), request.reason.as_str().into());
        if !client.background {
            return Err(OAuthError::invalid_request(
                "An offline grant is for background clients; this client exchanges the access \
                 tokens of its callers.",
            ));
        }
        let grant = self.offline_grant(client, &request.grant, event).await?;
        let catalog = self.catalog.current();
        let downstream = downstream(&catalog, &request.target)?;
        event.downstream = Some(downstream.name.clone());
        if grant.downstream != downstream.name
            || !downstream.offline
            || !client.exchange.contains(&downstream.name)
        {
            return Err(OAuthError::invalid_target(
                "Background access to this downstream is not allowed for this grant and client.",
            ));
        }
        let scope = request.scope.as_ref().unwrap_or(&grant.scope);
        if !scope.is_subset_of(&grant.scope) {
            return Err(OAuthError::invalid_scope(
                "The scope is more than the user has allowed.",
            ));
        }
        let job = BackgroundJob {
            grant: &grant,
            client_id: &client.id,
            downstream,
            scope,
            now: event.at,
        };
        let issued = self.strategies.exchange_offline(&job).await?;
        self.hand_out(client, &issued, request.form, "offline", event)
            .await
    }

    /// The grant that the request names, if it still stands.
    async fn offline_grant(
        &self,
        client: &Client,
        id: &str,
        event: &mut AuditEvent,
    ) -> Result<OfflineGrant, OAuthError> {
        let unknown = || OAuthError::invalid_request("There is no such offline grant.");
        let id = OfflineGrantId::parse(id).map_err(|_| unknown())?;
        let grant = self
            .store
            .offline_grant_for(&client.id, &id)
            .await?
            .ok_or_else(unknown)?;
        event.sub = Some(grant.sub.clone());
        event
            .details
            .insert("offline_grant".to_owned(), grant.id.as_str().into());
        match grant.state() {
            OfflineState::Failing => Err(self.strategies.offline.ended(&grant.downstream)),
            OfflineState::Withdrawn => Err(OAuthError::invalid_request(
                "The user has withdrawn this offline grant.",
            )),
            OfflineState::Active | OfflineState::None | OfflineState::Pending => Ok(grant),
        }
    }

    /// Lists the standing grants at the downstreams that the client may exchange for.
    ///
    /// # Errors
    /// `invalid_client` as at the token endpoint; `unauthorized_client` for one that is no background
    /// client; `invalid_request` when `after` is no grant's id.
    pub async fn offline_grants(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        info: &RequestInfo,
    ) -> Result<OfflineGrantList, OAuthError> {
        let kind = AuditKind::ExchangeRefused;
        let mut event = AuditEvent::new(self.ambient.now(), kind, Actor::Anonymous).during(info);
        match self.list(form, authorization, &mut event).await {
            Ok(list) => Ok(list),
            Err(error) => Err(recorded(&self.audit, event, error).await),
        }
    }

    async fn list(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        event: &mut AuditEvent,
    ) -> Result<OfflineGrantList, OAuthError> {
        let form = form?;
        let client = self.clients.identify(&form, authorization, event).await?;
        if !client.background {
            return Err(OAuthError::unauthorized_client(
                "Only a background client has offline grants.",
            ));
        }
        let after = form
            .get("after")
            .map(OfflineGrantId::parse)
            .transpose()
            .map_err(|_| OAuthError::invalid_request("The parameter after is no grant's id."))?;
        let downstreams = self.catalog.current().offline_among(&client.exchange);
        let limit = u64::try_from(PAGE).unwrap_or(u64::MAX).saturating_add(1);
        let found = self
            .store
            .offline_grants_for(&client.id, &downstreams, after.as_ref(), limit)
            .await?;
        let offline_grants: Vec<_> = found
            .iter()
            .take(PAGE)
            .map(OfflineGrantItem::from)
            .collect();
        let next = offline_grants
            .last()
            .filter(|_| found.len() > PAGE)
            .map(|last| last.id.clone());
        Ok(OfflineGrantList {
            offline_grants,
            next,
        })
    }
}
