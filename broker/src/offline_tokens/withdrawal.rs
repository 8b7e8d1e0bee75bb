//! Refresh tokens of offline grants that are over, taken back at the IdP (RFC 7009).
//!
//! After the withdrawal is committed, and as well as it can be done: an IdP that does not answer
//! does not keep anybody from withdrawing, and nobody holds the token any more. How it went is in
//! the audit.

use std::sync::Arc;

use broker_client::oauth::ErrorCode;
use broker_client::secret::Secret;
use tracing::Instrument as _;

use super::{OfflineTokens, REFRESH_TOKEN, context};
use crate::domain::{Actor, AuditEvent, AuditKind, Outcome, RequestInfo, Subject};
use crate::storage::SealedOfflineTokens;
use crate::upstream::{Revocation, Upstream};
use crate::upstream_tokens::open;

impl OfflineTokens {
    /// Has the IdP revoke tokens that were read before their withdrawal, which is committed now.
    /// Does not wait for it.
    pub fn revoke(&self, withdrawn: Vec<SealedOfflineTokens>, info: &RequestInfo) {
        for row in withdrawn {
            let parts = &self.inner.parts;
            let context = context(&row.grant, &row.sub, REFRESH_TOKEN);
            match open(&parts.cipher, context, &row.refresh_token) {
                Ok(token) => {
                    let mut event = self.revoked(&row.sub, info);
                    let id = row.grant.as_str();
                    event.details.insert("offline_grant".to_owned(), id.into());
                    self.revoke_one(token, event);
                }
                // Deleted all the same; the log says which key was missing.
                Err(error) => tracing::error!(
                    error = &error as &(dyn std::error::Error + 'static),
                    offline_grant = row.grant.as_str(),
                    "a refresh token could not be opened, and so not be revoked"
                ),
            }
        }
    }

    /// Has the IdP revoke a token of `sub` that is not kept. Does not wait for it.
    pub fn revoke_unkept(&self, token: Secret, sub: &Subject, info: &RequestInfo) {
        self.revoke_one(token, self.revoked(sub, info));
    }

    fn revoked(&self, sub: &Subject, info: &RequestInfo) -> AuditEvent {
        let now = self.inner.parts.ambient.now();
        let event = AuditEvent::new(now, AuditKind::UpstreamRevoked, Actor::Broker);
        AuditEvent {
            sub: Some(sub.clone()),
            ..event.during(info)
        }
    }

    pub(super) fn revoke_one(&self, token: Secret, event: AuditEvent) {
        let Some(upstream) = self.inner.parts.upstream.clone() else {
            return;
        };
        let audit = self.inner.parts.audit.clone();
        let revocation = async move {
            let event = ask(upstream, token, event).await;
            if let Err(error) = audit.record(event).await {
                tracing::error!(
                    error = &error as &(dyn std::error::Error + 'static),
                    "a revocation at the identity provider could not be recorded"
                );
            }
        };
        tokio::spawn(revocation.in_current_span());
    }
}

/// Asks, and writes down how it went.
async fn ask(upstream: Arc<Upstream>, token: Secret, mut event: AuditEvent) -> AuditEvent {
    let (outcome, result) = match upstream.revoke(&token).await {
        Ok(Revocation::Revoked) => (Outcome::Ok, "revoked"),
        Ok(Revocation::NotOffered) => (
            Outcome::Refused(ErrorCode::UnsupportedTokenType),
            "not_offered",
        ),
        Err(error) => {
            tracing::warn!(
                error = &error as &(dyn std::error::Error + 'static),
                "the identity provider did not revoke a refresh token"
            );
            let code = if error.is_transient() {
                ErrorCode::TemporarilyUnavailable
            } else {
                ErrorCode::ServerError
            };
            (Outcome::Refused(code), error.reason())
        }
    };
    event.outcome = outcome;
    event.details.insert("result".to_owned(), result.into());
    event
}
