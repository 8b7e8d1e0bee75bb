//! `POST /oauth/backchannel-logout` (OpenID Connect Back-Channel Logout 1.0): the identity provider says
//! that a user is logged out there, and his sessions here end.
//!
//! What he allowed for the time he is away stays (§2.7): logging out is being away. But the account
//! watch looks at his account at once, since he may have been logged out because it is disabled.

use std::sync::Arc;
use std::time::Duration;

use broker_client::oauth::OAuthError;

use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::crypto;
use crate::domain::{
    Actor, AuditEvent, AuditKind, EndReason, Outcome, RequestInfo, Subject, Timestamp,
};
use crate::live::Live;
use crate::storage::Store;
use crate::upstream::{LogoutToken, LogoutTokenError, Upstream};

/// How long a token that has expired may still be accepted, by clocks that differ.
const LEEWAY: Duration = Duration::from_mins(1);

/// The endpoint: what it needs.
pub struct LogoutEndpoint {
    /// Sessions.
    pub store: Store,
    /// Ended sessions, in memory.
    pub live: Live,
    /// The audit trail.
    pub audit: AuditLog,
    /// Who says so.
    pub upstream: Arc<Upstream>,
    /// Time and randomness.
    pub ambient: Ambient,
}

impl LogoutEndpoint {
    /// Ends the sessions of the user that the logout token names. One who is not known here has none.
    ///
    /// # Errors
    /// `invalid_request` when the token is not believed, or was used before; `temporarily_unavailable`
    /// when the provider's keys cannot be had.
    pub async fn log_out(
        &self,
        logout_token: Result<String, OAuthError>,
        info: &RequestInfo,
    ) -> Result<(), OAuthError> {
        let kind = AuditKind::UpstreamLogout;
        let mut event = AuditEvent::new(self.ambient.now(), kind, Actor::Anonymous).during(info);
        let error = match self.attempt(logout_token, &mut event).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        // A flood must not fill the trail.
        if let Some(too_often) = event.too_often {
            return Err(too_often.into());
        }
        event.outcome = Outcome::Refused(error.code());
        match self.audit.record(event).await {
            Ok(()) => Err(error),
            Err(failure) => Err(OAuthError::server_error(
                "The broker could not write its audit trail. Try again in a moment.",
            )
            .because(failure)),
        }
    }

    async fn attempt(
        &self,
        logout_token: Result<String, OAuthError>,
        event: &mut AuditEvent,
    ) -> Result<(), OAuthError> {
        let verified = self.upstream.verify_logout_token(&logout_token?).await;
        let token = verified.map_err(|error| {
            event
                .details
                .insert("reason".to_owned(), error.reason().into());
            refusal(error)
        })?;
        let Some(sub) = self.user(&token, event.at).await? else {
            return Ok(());
        };
        event.sub = Some(sub.clone());
        self.spend(&token).await?;

        let transaction = self.store.begin().await?;
        let ended = transaction
            .end_sessions_of_user(&sub, EndReason::UpstreamEnded, event.at)
            .await?;
        transaction.suspect_account(&sub, event.at).await?;
        ended.note(&mut event.details);
        transaction
            .append_audit(std::slice::from_ref(event))
            .await?;
        transaction.commit().await?;
        Ok(self.live.refresh().await?)
    }

    /// Whose sessions are meant. Two names must be one person's.
    async fn user(
        &self,
        token: &LogoutToken,
        now: Timestamp,
    ) -> Result<Option<Subject>, OAuthError> {
        let named = token
            .subject
            .as_deref()
            .map(|subject| crypto::subject_for(self.upstream.issuer(), subject));
        let of_session = match &token.session {
            Some(sid) => self.store.user_of_upstream_session(sid, now).await?,
            None => None,
        };
        match (named, of_session) {
            (Some(named), Some(other)) if named != other => Err(OAuthError::invalid_request(
                "The logout token's sid is not a session of its sub.",
            )),
            (Some(named), _) => Ok(Some(named)),
            (None, of_session) => Ok(of_session),
        }
    }

    /// A token counts once, at whichever replica.
    async fn spend(&self, token: &LogoutToken) -> Result<(), OAuthError> {
        let name = format!("logout {} {}", self.upstream.issuer(), token.jti);
        let until = token.expires_at.plus(LEEWAY);
        if self
            .store
            .spend_client_assertion(&crypto::hash(&name), until)
            .await?
        {
            Ok(())
        } else {
            Err(OAuthError::invalid_request(
                "The logout token was used before.",
            ))
        }
    }
}

fn refusal(error: LogoutTokenError) -> OAuthError {
    use broker_client::verify::VerifyError;
    match &error {
        LogoutTokenError::Verify(VerifyError::Keys(_) | VerifyError::UnknownKey) => {
            OAuthError::temporarily_unavailable(
                "The keys of the identity provider cannot be had at the moment.",
            )
        }
        LogoutTokenError::Verify(_)
        | LogoutTokenError::Unsupported
        | LogoutTokenError::Kind
        | LogoutTokenError::Nobody => OAuthError::invalid_request(
            "The logout_token is not a logout token of the identity provider for this broker.",
        ),
    }
    .because(error)
}
