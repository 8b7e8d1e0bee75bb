//! `POST /oauth/background-access`, and `/withdraw` below it: the server of a resource asks how its
//! caller's background access stands (Flow 2), and withdraws it for him.
//!
//! It presents the caller's live token, as in an exchange, and what may not be exchanged is not told
//! either. Nothing here gives access: a grant's id goes to background clients only, and what opens it
//! is the user's own click on the page that the answer links to.

use broker_client::oauth::{AccessState, BackgroundAccess, OAuthError};
use url::form_urlencoded::Serializer;

use super::caller::{Caller, Presented};
use super::{Form, TokenEndpoint, on_the_wire, recorded};
use crate::domain::{
    Actor, AuditEvent, AuditKind, Catalog, Downstream, GrantType, OfflineGrant, OfflineState,
    Outcome, RequestInfo,
};

impl TokenEndpoint {
    /// Says how the caller's background access stands at a downstream.
    ///
    /// # Errors
    /// As an exchange of his token for that downstream has them; `invalid_target` also where there is no
    /// background access. Each is recorded.
    pub async fn background_access(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        info: &RequestInfo,
    ) -> Result<BackgroundAccess, OAuthError> {
        let kind = AuditKind::OfflineAskRefused;
        let mut event = AuditEvent::new(self.ambient.now(), kind, Actor::Anonymous).during(info);
        match self.tell(form, authorization, &mut event).await {
            Ok(access) => Ok(access),
            Err(error) => Err(recorded(&self.audit, event, error).await),
        }
    }

    /// Withdraws the caller's background access at a downstream, has the IdP revoke what it gave for it,
    /// and says how it stands then. Twice is as good as once.
    ///
    /// # Errors
    /// As [`Self::background_access`].
    pub async fn withdraw_background_access(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        info: &RequestInfo,
    ) -> Result<BackgroundAccess, OAuthError> {
        let kind = AuditKind::OfflineWithdrawn;
        let mut event = AuditEvent::new(self.ambient.now(), kind, Actor::Anonymous).during(info);
        match self.withdraw(form, authorization, &mut event, info).await {
            Ok(access) => Ok(access),
            Err(error) => Err(recorded(&self.audit, event, error).await),
        }
    }

    async fn tell(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        event: &mut AuditEvent,
    ) -> Result<BackgroundAccess, OAuthError> {
        let catalog = self.catalog.current();
        let (caller, downstream) = self.may_ask(&catalog, form?, authorization, event).await?;
        let grants = self.store.offline_grants_of(&caller.sub).await?;
        let pending = self
            .store
            .pending_offline_requests(&caller.sub, event.at)
            .await?;
        let is_pending = pending.contains(&downstream.name);
        Ok(self.access(&caller, downstream, &grants, is_pending))
    }

    async fn withdraw(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        event: &mut AuditEvent,
        info: &RequestInfo,
    ) -> Result<BackgroundAccess, OAuthError> {
        let catalog = self.catalog.current();
        let (caller, downstream) = self.may_ask(&catalog, form?, authorization, event).await?;
        let (sub, name) = (&caller.sub, &downstream.name);
        let transaction = self.store.begin().await?;
        let tokens = transaction.offline_tokens_of(sub, Some(name)).await?;
        let withdrawn = transaction
            .withdraw_offline_grants(sub, Some(name), event.at)
            .await?;
        let grants = transaction.offline_grants_of(sub).await?;
        if withdrawn > 0 {
            let done = AuditEvent {
                outcome: Outcome::Ok,
                ..event.clone()
            };
            transaction.append_audit(&[done]).await?;
        }
        // Also without a grant: whoever is on his way to allow one is called back.
        transaction.commit().await?;
        self.strategies.offline.revoke(tokens, info);
        Ok(self.access(&caller, downstream, &grants, false))
    }

    /// The checks that an exchange has too, and that there is something to ask.
    async fn may_ask<'a>(
        &self,
        catalog: &'a Catalog,
        form: Form,
        authorization: Option<&str>,
        event: &mut AuditEvent,
    ) -> Result<(Caller, &'a Downstream), OAuthError> {
        let client = self.clients.identify(&form, authorization, event).await?;
        if !client.may_use(GrantType::TokenExchange) {
            return Err(OAuthError::unauthorized_client(
                "Only a client that may exchange tokens asks for its callers.",
            ));
        }
        let presented = Presented::parse(&form)?;
        let (caller, downstream) = self.caller(catalog, &client, &presented, event).await?;
        if downstream.offline {
            Ok((caller, downstream))
        } else {
            Err(OAuthError::invalid_target(
                "This downstream has no background access.",
            ))
        }
    }

    fn access(
        &self,
        caller: &Caller,
        downstream: &Downstream,
        grants: &[OfflineGrant],
        is_pending: bool,
    ) -> BackgroundAccess {
        let grant = grants
            .iter()
            .find(|grant| grant.downstream == downstream.name);
        let state = OfflineState::of(grant, is_pending);
        let issuer = self.issuer.identifier.trim_end_matches('/');
        let query = Serializer::new(String::new())
            .append_pair("downstream", downstream.name.as_str())
            .append_pair("user", caller.sub.as_str())
            .finish();
        BackgroundAccess {
            downstream: downstream.name.to_string(),
            state: told(state),
            scope: grant
                .filter(|_| state == OfflineState::Active)
                .and_then(|grant| on_the_wire(&grant.scope)),
            since: grant.map(|grant| grant.since().as_secs()),
            authorization_uri: format!("{issuer}/oauth/authorize-nextcloud?{query}"),
        }
    }
}

const fn told(state: OfflineState) -> AccessState {
    match state {
        OfflineState::None => AccessState::None,
        OfflineState::Pending => AccessState::Pending,
        OfflineState::Active => AccessState::Active,
        OfflineState::Failing => AccessState::Failing,
        OfflineState::Withdrawn => AccessState::Withdrawn,
    }
}
