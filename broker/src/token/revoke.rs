//! `POST /oauth/revoke` (RFC 7009): a client ends the session of a token it holds.
//!
//! Revoking an access token and revoking a refresh token are the same here: both belong to a grant,
//! and the grant ends. A token that nobody knows is as good as revoked.

use std::sync::Arc;

use broker_client::oauth::OAuthError;

use super::{AccessTokens, ClientAuthenticator, Form, concerns, end_grant, recorded, unrecorded};
use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::crypto;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Client, EndReason, Grant, GrantId, Outcome, RequestInfo,
};
use crate::live::Live;
use crate::storage::Store;

/// The revocation endpoint: what it needs.
pub struct RevocationEndpoint {
    /// Grants and refresh tokens.
    pub store: Store,
    /// Ended grants, in memory.
    pub live: Live,
    /// The audit trail.
    pub audit: AuditLog,
    /// Who is asking.
    pub clients: ClientAuthenticator,
    /// Verifies our own access tokens.
    pub verifier: Arc<AccessTokens>,
    /// Time and randomness.
    pub ambient: Ambient,
}

impl RevocationEndpoint {
    /// Ends the session of the token, if there is one.
    ///
    /// # Errors
    /// `invalid_client` and `invalid_request` as at the token endpoint; `invalid_grant` when the
    /// token is another client's (RFC 7009 §2.1: refused, and the client is told).
    pub async fn revoke(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        info: &RequestInfo,
    ) -> Result<(), OAuthError> {
        let mut event = AuditEvent::new(
            self.ambient.now(),
            AuditKind::TokenRevoked,
            Actor::Anonymous,
        )
        .during(info);
        match self.attempt(form, authorization, &mut event).await {
            Ok(()) => Ok(()),
            Err(error) => Err(recorded(&self.audit, event, error).await),
        }
    }

    async fn attempt(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        event: &mut AuditEvent,
    ) -> Result<(), OAuthError> {
        let form = form?;
        let client = self.clients.identify(&form, authorization, event).await?;
        // `token_type_hint` would only say where to look first; both places are cheap.
        let Some(grant) = self.grant_of(form.require("token")?).await? else {
            return Ok(());
        };
        concerns(event, &grant);
        self.end(&client, &grant, event).await
    }

    async fn end(
        &self,
        client: &Client,
        grant: &Grant,
        event: &AuditEvent,
    ) -> Result<(), OAuthError> {
        if grant.client_id != client.id {
            return Err(OAuthError::invalid_grant(
                "The token was issued to another client.",
            ));
        }
        end_grant(&self.store, &self.live, grant, EndReason::Revoked, event).await?;
        let revoked = AuditEvent {
            outcome: Outcome::Ok,
            ..event.clone()
        };
        self.audit.record(revoked).await.map_err(unrecorded)
    }

    /// The grant that a refresh token or an access token belongs to.
    async fn grant_of(&self, token: &str) -> Result<Option<Grant>, OAuthError> {
        let id = match self.store.refresh_token(&crypto::hash(token)).await? {
            Some(row) => Some(row.grant),
            None => self
                .verifier
                .verify(token)
                .await
                .ok()
                .and_then(|claims| claims.sid.clone())
                .and_then(|sid| GrantId::parse(sid).ok()),
        };
        match id {
            Some(id) => Ok(self.store.grant(&id).await?),
            None => Ok(None),
        }
    }
}
