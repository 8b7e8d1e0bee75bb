//! The renewal of an offline grant's tokens: which row, and what is written when it ends one way or
//! the other.
//!
//! A lease that is over and was never given back says that its holder died between asking the IdP
//! and storing the answer. Whoever comes next asks again with the old token: an IdP that does not rotate
//! takes it, and nothing is lost; else the grant is marked as failing, with that reason.

use std::sync::Arc;

use async_trait::async_trait;
use broker_client::oauth::ErrorCode;
use broker_client::secret::Secret;

use super::{ACCESS_TOKEN, KeepError, OfflineTokens, REFRESH_TOKEN, context};
use crate::ambient::Ambient;
use crate::domain::{
    Actor, AuditEvent, AuditKind, FailingReason, OfflineGrant, Outcome, Timestamp,
};
use crate::storage::{Lease, SealedOfflineTokens, StoreError};
use crate::upstream::{TokenSet, Upstream};
use crate::upstream_tokens::{AccessToken, Failure, Life, Renewable, open};

/// The tokens of one offline grant, which was read before.
pub(super) struct OfOfflineGrant {
    pub(super) tokens: OfflineTokens,
    pub(super) upstream: Arc<Upstream>,
    pub(super) grant: OfflineGrant,
}

impl OfOfflineGrant {
    fn event(&self, kind: AuditKind) -> AuditEvent {
        let mut event = AuditEvent::new(self.ambient().now(), kind, Actor::Broker);
        event.sub = Some(self.grant.sub.clone());
        event.downstream = Some(self.grant.downstream.clone());
        let id = self.grant.id.as_str();
        event.details.insert("offline_grant".to_owned(), id.into());
        event
    }

    fn secret(
        &self,
        row: &SealedOfflineTokens,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<Secret, Failure> {
        let cipher = &self.tokens.inner.parts.cipher;
        open(cipher, context(&row.grant, &row.sub, column), sealed)
    }
}

#[async_trait]
impl Renewable for OfOfflineGrant {
    type Row = SealedOfflineTokens;

    async fn row(&self) -> Result<SealedOfflineTokens, Failure> {
        let store = &self.tokens.inner.parts.store;
        let row = store.offline_tokens(&self.grant.id).await?;
        // Another user's row would not open either; this says it before it is tried.
        row.filter(|row| row.sub == self.grant.sub)
            .ok_or(Failure::Missing)
    }

    fn life(&self, row: &SealedOfflineTokens) -> Life {
        Life {
            expires_at: row.expires_at,
            renew_at: row.renew_at,
        }
    }

    fn open(&self, row: &SealedOfflineTokens) -> Result<AccessToken, Failure> {
        Ok(AccessToken {
            token: self.secret(row, ACCESS_TOKEN, &row.access_token)?,
            expires_at: row.expires_at,
        })
    }

    fn refresh_token(&self, row: &SealedOfflineTokens) -> Result<Option<Secret>, Failure> {
        self.secret(row, REFRESH_TOKEN, &row.refresh_token)
            .map(Some)
    }

    async fn lease(
        &self,
        row: &SealedOfflineTokens,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let store = &self.tokens.inner.parts.store;
        store
            .lease_offline_tokens(&row.grant, row.version, lease, now)
            .await
    }

    async fn release(&self, row: &SealedOfflineTokens, lease: Lease) -> Result<(), StoreError> {
        // That an answer was lost stays to be seen until the IdP has said what it makes of it.
        let store = &self.tokens.inner.parts.store;
        store
            .release_offline_tokens(&row.grant, lease, row.leased_until)
            .await
    }

    async fn store(
        &self,
        row: &SealedOfflineTokens,
        lease: Lease,
        renewed: &TokenSet,
    ) -> Result<AccessToken, Failure> {
        let next = self
            .tokens
            .sealed(&self.grant, renewed, row.version + 1)
            .map_err(|error| match error {
                KeepError::NoRefreshToken => Failure::Missing,
                KeepError::Sealing(error) => Failure::Sealed(error),
                KeepError::Store(error) => Failure::Store(error),
            })?;
        let transaction = self.tokens.inner.parts.store.begin().await?;
        if !transaction.renew_offline_tokens(&next, lease).await? {
            let replaced = transaction.offline_tokens(&row.grant).await?.is_some();
            drop(transaction);
            if replaced {
                // Allowed again while the IdP was asked: the new tokens are there for the next call.
                return Err(Failure::Unavailable(None));
            }
            // Withdrawn while the IdP was asked: what it gave must not live on there.
            if let Some(refresh_token) = &renewed.refresh_token {
                let event = self.event(AuditKind::UpstreamRevoked);
                self.tokens.revoke_one(refresh_token.clone(), event);
            }
            return Err(Failure::Missing);
        }
        let event = self.event(AuditKind::UpstreamRenewed);
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        Ok(AccessToken {
            token: renewed.access_token.clone(),
            expires_at: next.expires_at,
        })
    }

    async fn refused(&self, row: &SealedOfflineTokens, lease: Lease) -> Result<(), StoreError> {
        let reason = match row.leased_until {
            Some(_) => FailingReason::Interrupted,
            None => FailingReason::Refused,
        };
        let now = self.ambient().now();
        let transaction = self.tokens.inner.parts.store.begin().await?;
        let is_ours = transaction
            .fail_offline_grant(&row.grant, lease, reason, now)
            .await?;
        if !is_ours {
            return Ok(());
        }
        let mut event = self.event(AuditKind::OfflineFailing);
        event.outcome = Outcome::Refused(ErrorCode::InvalidGrant);
        let reason = reason.as_str();
        event.details.insert("reason".to_owned(), reason.into());
        transaction.append_audit(&[event]).await?;
        transaction.commit().await
    }

    fn ambient(&self) -> &Ambient {
        &self.tokens.inner.parts.ambient
    }

    fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}
