//! The renewal of a session's tokens: which row, and what is written when it ends one way or the
//! other.

use async_trait::async_trait;
use broker_client::oauth::ErrorCode;
use broker_client::secret::Secret;

use super::renewal::{Life, Renewable};
use super::{ACCESS_TOKEN, AccessToken, Failure, REFRESH_TOKEN, UpstreamTokens};
use crate::ambient::Ambient;
use crate::domain::Timestamp;
use crate::domain::{Actor, AuditEvent, AuditKind, GrantId, Outcome, Subject};
use crate::storage::{Lease, SealedTokens, StoreError};
use crate::upstream::{TokenSet, Upstream};

/// The tokens of one session.
pub(super) struct OfSession {
    pub(super) tokens: UpstreamTokens,
    pub(super) grant: GrantId,
    pub(super) sub: Subject,
}

impl OfSession {
    fn event(&self) -> AuditEvent {
        let now = self.ambient().now();
        let mut event = AuditEvent::new(now, AuditKind::UpstreamRenewed, Actor::Broker);
        event.sub = Some(self.sub.clone());
        event.grant = Some(self.grant.clone());
        event
    }
}

#[async_trait]
impl Renewable for OfSession {
    type Row = SealedTokens;

    async fn row(&self) -> Result<SealedTokens, Failure> {
        let row = self.tokens.inner.store.upstream_tokens(&self.grant).await?;
        // Another user's row would not open either; this says it before it is tried.
        row.filter(|row| row.sub == self.sub)
            .ok_or(Failure::Missing)
    }

    fn life(&self, row: &SealedTokens) -> Life {
        Life {
            expires_at: row.expires_at,
            renew_at: row.renew_at,
        }
    }

    fn open(&self, row: &SealedTokens) -> Result<AccessToken, Failure> {
        let inner = &self.tokens.inner;
        Ok(AccessToken {
            token: inner.secret(row, ACCESS_TOKEN, &row.access_token)?,
            expires_at: row.expires_at,
        })
    }

    fn refresh_token(&self, row: &SealedTokens) -> Result<Option<Secret>, Failure> {
        let sealed = row.refresh_token.as_ref();
        sealed
            .map(|sealed| self.tokens.inner.secret(row, REFRESH_TOKEN, sealed))
            .transpose()
    }

    async fn lease(
        &self,
        row: &SealedTokens,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let store = &self.tokens.inner.store;
        store
            .lease_upstream_tokens(&row.flow, row.version, lease, now)
            .await
    }

    async fn release(&self, row: &SealedTokens, lease: Lease) -> Result<(), StoreError> {
        let store = &self.tokens.inner.store;
        store.release_upstream_tokens(&row.flow, lease).await
    }

    async fn store(
        &self,
        row: &SealedTokens,
        lease: Lease,
        renewed: &TokenSet,
    ) -> Result<AccessToken, Failure> {
        let inner = &self.tokens.inner;
        let sealed = inner
            .sealed(&row.flow, &row.sub, renewed)
            .map_err(Failure::Sealed)?;
        let next = SealedTokens {
            version: row.version + 1,
            ..sealed
        };
        let transaction = inner.store.begin().await?;
        if !transaction.renew_upstream_tokens(&next, lease).await? {
            // The session ended while the IdP was asked, and its tokens with it.
            return Err(Failure::Missing);
        }
        transaction.append_audit(&[self.event()]).await?;
        transaction.commit().await?;
        Ok(AccessToken {
            token: renewed.access_token.clone(),
            expires_at: next.expires_at,
        })
    }

    /// Whoever asked for the token ends the session; here it is noted that the IdP was asked.
    async fn refused(&self, _: &SealedTokens, _: Lease) -> Result<(), StoreError> {
        let mut event = self.event();
        event.outcome = Outcome::Refused(ErrorCode::InvalidGrant);
        let transaction = self.tokens.inner.store.begin().await?;
        transaction.append_audit(&[event]).await?;
        transaction.commit().await
    }

    fn ambient(&self) -> &Ambient {
        &self.tokens.inner.ambient
    }

    fn upstream(&self) -> &Upstream {
        &self.tokens.inner.upstream
    }
}
