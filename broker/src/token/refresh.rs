//! `grant_type=refresh_token` (RFC 6749 §6, RFC 9700 §4.14).
//!
//! `oxide_auth`'s machine referees: the token must be this client's, the scope may only narrow.
//! [`crate::domain::RefreshToken::presented`] says what the presentation means; here it is carried
//! out. The successor follows from the token and a stored salt, so a repetition gets the same one,
//! and of many parallel requests one rotates and the others repeat.

use std::borrow::Cow;

use broker_client::oauth::{OAuthError, Scope, TokenResponse};
use oxide_auth::code_grant::error::{AccessTokenError, AccessTokenErrorType};
use oxide_auth::code_grant::refresh::{self, Input, Output, Refresh};
use oxide_auth::primitives::grant::{self as referee, Extensions};
use url::Url;

use super::code::machine_grant;
use super::request::RefreshRequest;
use super::{Lifetimes, TokenEndpoint, concerns, on_the_wire, unrecorded};
use crate::crypto::{self, Handle};
use crate::domain::{
    AuditEvent, AuditKind, Client, EndReason, Grant, HandleHash, Outcome, Presented, RefreshToken,
    Rotation, Timestamp,
};

/// How often a request looks again after another one changed the token under its hands. Once is
/// enough: a spent token never becomes unspent.
const LOOKS: usize = 2;

/// The first refresh token of a grant, or the next one: it lives for the sliding time, but never
/// beyond the grant.
pub(super) fn first(
    hash: HandleHash,
    grant: &Grant,
    now: Timestamp,
    lifetimes: Lifetimes,
) -> RefreshToken {
    RefreshToken {
        hash,
        grant: grant.id.clone(),
        issued_at: now,
        expires_at: now.plus(lifetimes.refresh_token).min(grant.expires_at),
        rotation: None,
    }
}

impl TokenEndpoint {
    /// Renews an access token and rotates the refresh token.
    pub(super) async fn refresh(
        &self,
        client: &Client,
        request: RefreshRequest,
        event: &mut AuditEvent,
    ) -> Result<TokenResponse, OAuthError> {
        let presented = request.refresh_token.expose();
        let hash = crypto::hash(presented);
        for _ in 0..LOOKS {
            let token = self.store.refresh_token(&hash).await?.ok_or_else(unknown)?;
            let grant = self.store.grant(&token.grant).await?.ok_or_else(unknown)?;
            concerns(event, &grant);
            let scope = judge(client, &request, &grant)?;
            self.check_resource(&grant, &request.resources)?;
            if !grant.is_live(event.at) {
                let why = grant.ended.map(|(_, reason)| reason.as_str());
                event
                    .details
                    .insert("ended".to_owned(), why.unwrap_or("max_age").into());
                return Err(OAuthError::invalid_grant(
                    "The session has ended. Log in again.",
                ));
            }
            let successor = match &token.rotation {
                Some(rotation) => self.store.refresh_token(&rotation.successor).await?,
                None => None,
            };
            let grace = self.lifetimes.refresh_grace;
            match token.presented(successor.as_ref(), event.at, grace) {
                Presented::Fresh => {
                    let rotated = self
                        .rotate(presented, &token, &grant, &scope, event)
                        .await?;
                    if let Some(response) = rotated {
                        return Ok(response);
                    }
                    // Another request rotated it between our look and our try: look again.
                }
                Presented::Repeated(rotation) => {
                    return self
                        .repeat(presented, &rotation, &grant, &scope, event)
                        .await;
                }
                Presented::Reused => {
                    event.kind = AuditKind::RefreshReused;
                    self.end_grant(&grant, EndReason::RefreshReused, event)
                        .await?;
                    return Err(OAuthError::invalid_grant(
                        "The refresh token was used before, and so was its successor. \
                         The session has been ended; log in again.",
                    ));
                }
                Presented::Stale => {
                    return Err(OAuthError::invalid_grant(
                        "The refresh token was used before; use the one that was answered then.",
                    ));
                }
                Presented::Expired => {
                    return Err(OAuthError::invalid_grant(
                        "The refresh token has expired. Log in again.",
                    ));
                }
            }
        }
        Err(OAuthError::server_error(
            "The refresh token changed while it was used. Try again.",
        ))
    }

    /// Spends the token and records its successor and the audit row, all or nothing. `None` when it
    /// was spent meanwhile.
    async fn rotate(
        &self,
        presented: &str,
        token: &RefreshToken,
        grant: &Grant,
        scope: &Scope,
        event: &AuditEvent,
    ) -> Result<Option<TokenResponse>, OAuthError> {
        let salt = self.ambient.random::<32>();
        let successor = Handle::successor(presented, &salt);
        let rotation = Rotation {
            at: event.at,
            salt,
            successor: successor.hash(),
        };
        let response = self.renewed(grant, scope, &successor)?;

        let transaction = self.store.begin().await?;
        if !transaction
            .spend_refresh_token(&token.hash, &rotation)
            .await?
        {
            return Ok(None);
        }
        let next = first(rotation.successor, grant, event.at, self.lifetimes);
        transaction.insert_refresh_token(&next).await?;
        transaction.append_audit(&[refreshed(event, scope)]).await?;
        transaction.commit().await?;
        Ok(Some(response))
    }

    /// Answers a repetition with the successor of the first time and a new access token.
    async fn repeat(
        &self,
        presented: &str,
        rotation: &Rotation,
        grant: &Grant,
        scope: &Scope,
        event: &AuditEvent,
    ) -> Result<TokenResponse, OAuthError> {
        let successor = Handle::successor(presented, &rotation.salt);
        let response = self.renewed(grant, scope, &successor)?;
        let mut repeated = refreshed(event, scope);
        repeated.details.insert("repeated".to_owned(), true.into());
        self.audit.record(repeated).await.map_err(unrecorded)?;
        Ok(response)
    }

    fn renewed(
        &self,
        grant: &Grant,
        scope: &Scope,
        successor: &Handle,
    ) -> Result<TokenResponse, OAuthError> {
        let access = self.issuer.access_token(grant, scope)?;
        Ok(TokenResponse {
            access_token: access.token,
            token_type: "Bearer".to_owned(),
            expires_in: access.expires_in,
            scope: on_the_wire(scope),
            refresh_token: Some(successor.expose().to_owned()),
            id_token: None,
            issued_token_type: None,
        })
    }
}

fn unknown() -> OAuthError {
    OAuthError::invalid_grant("The refresh token is not known. Log in again.")
}

fn refreshed(event: &AuditEvent, scope: &Scope) -> AuditEvent {
    AuditEvent {
        kind: AuditKind::TokenRefreshed,
        outcome: Outcome::Ok,
        scope: on_the_wire(scope),
        ..event.clone()
    }
}

/// The request as `oxide_auth` asks about it. The client is authenticated already, so the machine
/// gets its name and no secret, and compares it with the grant's.
struct Question<'a> {
    client_id: &'a str,
    refresh_token: &'a str,
}

impl refresh::Request for Question<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn refresh_token(&self) -> Option<Cow<'_, str>> {
        Some(self.refresh_token.into())
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        // Handed over with the grant, in `judge`.
        None
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some("refresh_token".into())
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((self.client_id.into(), Cow::Borrowed(&[])))
    }

    fn extension(&self, _key: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// The scope of the new access token, if `client` may renew `grant` at all. A narrower scope holds
/// for this token only; the grant keeps its own (RFC 6749 §6).
fn judge(client: &Client, request: &RefreshRequest, grant: &Grant) -> Result<Scope, OAuthError> {
    let asked = request.scope.as_ref().map(Scope::to_string);
    let mut machine = Refresh::new(&Question {
        client_id: client.id.as_str(),
        refresh_token: request.refresh_token.expose(),
    });
    let mut input = Input::None;
    loop {
        input = match machine.advance(input) {
            Output::Unauthenticated { .. } => Input::Authenticated { scope: None },
            Output::RecoverRefresh { .. } => Input::Recovered {
                scope: asked.as_deref().map(Cow::Borrowed),
                grant: Some(Box::new(recovered(grant)?)),
            },
            Output::Refresh { grant, .. } => {
                return grant.scope.to_string().parse().map_err(|error| {
                    OAuthError::server_error("The scope cannot be read back.").because(error)
                });
            }
            Output::Ok(_) => return Err(OAuthError::server_error("The broker lost its place.")),
            Output::Err(mut error) => {
                return Err(match error.description().map(AccessTokenError::kind) {
                    Some(AccessTokenErrorType::InvalidScope) => OAuthError::invalid_scope(
                        "The scope is more than was granted. Log in again to ask for more.",
                    ),
                    // With a well-formed request and a grant that does not expire for it, the
                    // machine has one reason left.
                    _ => {
                        OAuthError::invalid_grant("The refresh token was issued to another client.")
                    }
                });
            }
        };
    }
}

fn recovered(grant: &Grant) -> Result<referee::Grant, OAuthError> {
    // A refresh has no redirect URI; the machine wants one and never looks at it.
    let nowhere = Url::parse("about:blank")
        .map_err(|error| OAuthError::server_error("The grant cannot be judged.").because(error))?;
    machine_grant(&grant.client_id, &grant.scope, nowhere, Extensions::new())
}
