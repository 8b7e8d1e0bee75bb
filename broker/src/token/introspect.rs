//! `POST /oauth/introspect` (RFC 7662): what a token is worth right now.
//!
//! Told to the client that the token was issued to, and of an access token also to the server of the
//! resource that it is for. Everybody else hears what he would hear of a token that does not exist.
//! Unlike a signature, the answer knows of sessions that were ended and clients that were blocked.

use std::sync::Arc;

use broker_client::oauth::{OAuthError, Scope};
use broker_client::verify::{Claims, VerifyError};
use serde::Serialize;

use super::{AccessTokens, ClientAuthenticator, Form, recorded, unrecorded};
use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::crypto;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Client, ClientId, GrantId, Outcome, RequestInfo, ResourceUri,
};
use crate::live::Live;
use crate::storage::Store;

/// The introspection endpoint: what it needs.
pub struct IntrospectionEndpoint {
    /// Grants and refresh tokens.
    pub store: Store,
    /// Ended grants, in memory.
    pub live: Live,
    /// The audit trail.
    pub audit: AuditLog,
    /// Who is asking, and whether the token's client may still be used.
    pub clients: ClientAuthenticator,
    /// Verifies our own access tokens.
    pub verifier: Arc<AccessTokens>,
    /// The time.
    pub ambient: Ambient,
    /// Our issuer identifier.
    pub issuer: String,
}

/// What a token is worth (RFC 7662 §2.2). A token that is worth nothing has no other member.
#[derive(Debug, Default, Serialize)]
pub struct Introspection {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<Scope>,
    /// `Bearer`, for an access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// Seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// Seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
}

/// A live token, and whom it concerns.
struct Found {
    client_id: ClientId,
    /// The resource whose server may know, if one may.
    resource: Option<ResourceUri>,
    answer: Introspection,
}

impl IntrospectionEndpoint {
    /// Says what the token in the form is worth.
    ///
    /// # Errors
    /// `invalid_client` and `invalid_request` as at the token endpoint; `temporarily_unavailable`
    /// when this replica cannot know whether the session was ended.
    pub async fn introspect(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        info: &RequestInfo,
    ) -> Result<Introspection, OAuthError> {
        let mut event = AuditEvent::new(
            self.ambient.now(),
            AuditKind::IntrospectionRefused,
            Actor::Anonymous,
        )
        .during(info);
        match self.attempt(form, authorization, &mut event).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(recorded(&self.audit, event, error).await),
        }
    }

    async fn attempt(
        &self,
        form: Result<Form, OAuthError>,
        authorization: Option<&str>,
        event: &mut AuditEvent,
    ) -> Result<Introspection, OAuthError> {
        let form = form?;
        let client = self.clients.identify(&form, authorization, event).await?;
        // RFC 7662 §2.1: a name alone would let anybody try tokens here.
        if !client.is_confidential() {
            return Err(OAuthError::invalid_client(
                "Only a client that authenticates with a secret or a key may ask.",
            ));
        }
        // `token_type_hint` would only say where to look first; both places are cheap.
        let token = form.require("token")?;
        let found = match self.refresh_token(token, event).await? {
            Some(found) => Some(found),
            None => self.access_token(token).await?,
        };
        let Some(found) = found else {
            return Ok(Introspection::default());
        };
        if !self.is_usable(&found.client_id).await? {
            return Ok(Introspection::default());
        }
        if may_know(&client, &found) {
            return Ok(found.answer);
        }
        // It looks like no token to the one who asks; to an administrator it looks like a leak.
        let mut hidden = AuditEvent {
            outcome: Outcome::Refused(broker_client::oauth::ErrorCode::AccessDenied),
            resource: found.resource,
            ..event.clone()
        };
        hidden
            .details
            .insert("token_client".to_owned(), found.client_id.as_str().into());
        self.audit.record(hidden).await.map_err(unrecorded)?;
        Ok(Introspection::default())
    }

    async fn refresh_token(
        &self,
        token: &str,
        event: &AuditEvent,
    ) -> Result<Option<Found>, OAuthError> {
        let Some(row) = self.store.refresh_token(&crypto::hash(token)).await? else {
            return Ok(None);
        };
        let Some(grant) = self.store.grant(&row.grant).await? else {
            return Ok(None);
        };
        if row.rotation.is_some() || event.at >= row.expires_at || !grant.is_live(event.at) {
            return Ok(None);
        }
        Ok(Some(Found {
            client_id: grant.client_id.clone(),
            // Refresh tokens are between the client and us.
            resource: None,
            answer: Introspection {
                active: true,
                iss: Some(self.issuer.clone()),
                sub: Some(grant.sub.to_string()),
                client_id: Some(grant.client_id.to_string()),
                scope: Some(grant.scope),
                iat: Some(row.issued_at.as_secs()),
                exp: Some(row.expires_at.as_secs()),
                sid: Some(grant.id.to_string()),
                ..Introspection::default()
            },
        }))
    }

    async fn access_token(&self, token: &str) -> Result<Option<Found>, OAuthError> {
        let claims = match self.verifier.verify(token).await {
            Ok(claims) => claims,
            Err(error @ VerifyError::Keys(_)) => {
                return Err(
                    OAuthError::server_error("The broker could not read its keys.").because(error),
                );
            }
            Err(_) => return Ok(None),
        };
        if let Some(sid) = &claims.sid {
            let Ok(grant) = GrantId::parse(sid.as_str()) else {
                return Ok(None);
            };
            let ended = self.live.is_ended(&grant).map_err(|error| {
                OAuthError::temporarily_unavailable(
                    "The broker cannot tell whether the session was ended. Try again in a moment.",
                )
                .because(error)
            })?;
            if ended {
                return Ok(None);
            }
        }
        Ok(self.found(&claims))
    }

    fn found(&self, claims: &Claims) -> Option<Found> {
        // Our access tokens have one audience (RFC 8707).
        let resource = ResourceUri::parse(claims.aud.first()?).ok()?;
        Some(Found {
            client_id: ClientId::parse(claims.client_id.as_str()).ok()?,
            answer: Introspection {
                active: true,
                iss: Some(self.issuer.clone()),
                sub: Some(claims.sub.clone()),
                aud: Some(resource.to_string()),
                client_id: Some(claims.client_id.clone()),
                scope: Some(claims.scope.clone()),
                token_type: Some("Bearer"),
                iat: i64::try_from(claims.iat).ok(),
                exp: i64::try_from(claims.exp).ok(),
                jti: Some(claims.jti.clone()),
                sid: claims.sid.clone(),
            },
            resource: Some(resource),
        })
    }

    /// Whether the token's client may be used now. A blocked client's tokens are worth nothing.
    async fn is_usable(&self, id: &ClientId) -> Result<bool, OAuthError> {
        let clients = &self.clients.clients;
        let client = clients.known(id).await?;
        Ok(client.is_some_and(|client| clients.admit(&client).is_ok()))
    }
}

/// Whether the token concerns `client`: it is its own, or for a resource that it serves.
fn may_know(client: &Client, found: &Found) -> bool {
    client.id == found.client_id
        || found
            .resource
            .as_ref()
            .is_some_and(|resource| client.serves.contains(resource))
}
