//! New tokens in time, asked for once however many want them.
//!
//! Two locks stand before the IdP: a turn in this process, then the lease of the row, which counts
//! for all replicas. The new tokens are committed before any of them is used. A refusal is for
//! good; an IdP that is not well is asked again, with growing pauses, while the patience lasts.

use std::time::Duration;

use broker_client::oauth::ErrorCode;
use tokio::time::{Instant, sleep};

use super::{AccessToken, Failure, Inner, REFRESH_TOKEN, UpstreamTokens};
use crate::domain::{Actor, AuditEvent, AuditKind, GrantId, Outcome, Subject, Timestamp};
use crate::storage::{Lease, SealedTokens};
use crate::upstream::{TokenError, TokenSet};

/// How long a lease counts: longer than its holder can be busy, patience and the IdP's timeout
/// together, so that only a process that died loses it.
const LEASE: Duration = Duration::from_secs(30);

/// How often one looks whether another replica is done.
const LOOK: Duration = Duration::from_millis(50);

/// The first pause before an IdP that is not well is asked again; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// The access token of `grant`, renewed by this process or by another one.
pub(super) async fn renew(
    tokens: UpstreamTokens,
    grant: GrantId,
    sub: Subject,
) -> Result<AccessToken, Failure> {
    let _turn = tokens.turn(&grant).await;
    let inner = &*tokens.inner;
    let deadline = Instant::now() + inner.keeping.patience;
    loop {
        // Again, now that it is our turn: another may have done it.
        let row = inner.row(&grant, &sub).await?;
        let now = inner.ambient.now();
        if !row.is_due(now) {
            return inner.open(&row);
        }
        if row.refresh_token.is_none() {
            return inner.while_it_lasts(&row, now, Failure::Expired);
        }
        let lease = Lease {
            holder: inner.ambient.random(),
            until: now.plus(LEASE),
        };
        let is_ours = inner
            .store
            .lease_upstream_tokens(&row.flow, row.version, lease, now)
            .await?;
        if is_ours {
            return inner.renew_leased(&row, &grant, lease, deadline).await;
        }
        if Instant::now() >= deadline {
            return inner.while_it_lasts(&row, now, Failure::Unavailable(None));
        }
        sleep(LOOK).await;
    }
}

impl Inner {
    /// The old token while it lives; afterwards the failure to get a new one.
    fn while_it_lasts(
        &self,
        row: &SealedTokens,
        now: Timestamp,
        failure: Failure,
    ) -> Result<AccessToken, Failure> {
        if row.is_expired(now) {
            Err(failure)
        } else {
            self.open(row)
        }
    }

    async fn renew_leased(
        &self,
        row: &SealedTokens,
        grant: &GrantId,
        lease: Lease,
        deadline: Instant,
    ) -> Result<AccessToken, Failure> {
        let error = match self.ask(row, deadline).await {
            Ok(renewed) => return self.store_renewed(row, grant, lease, &renewed).await,
            Err(failure) => failure,
        };
        self.store.release_upstream_tokens(&row.flow, lease).await?;
        tracing::warn!(
            grant = grant.as_str(),
            error = &error as &(dyn std::error::Error + 'static),
            "the identity provider gave no new tokens"
        );
        let now = self.ambient.now();
        match error {
            Failure::Unavailable(_) => self.while_it_lasts(row, now, error),
            Failure::Ended(_) => {
                let mut event = renewed_event(row, grant, now);
                event.outcome = Outcome::Refused(ErrorCode::InvalidGrant);
                let transaction = self.store.begin().await?;
                transaction.append_audit(&[event]).await?;
                transaction.commit().await?;
                Err(error)
            }
            Failure::NoKey
            | Failure::Missing
            | Failure::Expired
            | Failure::Misconfigured(_)
            | Failure::Sealed(_)
            | Failure::Store(_) => Err(error),
        }
    }

    /// Asks the IdP until it decides or the patience ends.
    async fn ask(&self, row: &SealedTokens, deadline: Instant) -> Result<TokenSet, Failure> {
        let sealed = row.refresh_token.as_deref().ok_or(Failure::Expired)?;
        let refresh_token = self.secret(row, REFRESH_TOKEN, sealed)?;
        let mut pause = PAUSE;
        loop {
            let error = match self.upstream.refresh(&refresh_token).await {
                Ok(renewed) => return Ok(renewed),
                Err(error) => error,
            };
            if matches!(error, TokenError::Grant) {
                return Err(Failure::Ended(error));
            }
            if !error.is_transient() {
                return Err(Failure::Misconfigured(error));
            }
            if Instant::now() + pause >= deadline {
                return Err(Failure::Unavailable(Some(error)));
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    /// Commits the new tokens, and only then hands the access token out.
    async fn store_renewed(
        &self,
        row: &SealedTokens,
        grant: &GrantId,
        lease: Lease,
        renewed: &TokenSet,
    ) -> Result<AccessToken, Failure> {
        let sealed = self
            .sealed(&row.flow, &row.sub, renewed)
            .map_err(Failure::Sealed)?;
        let next = SealedTokens {
            version: row.version + 1,
            ..sealed
        };
        let event = renewed_event(row, grant, self.ambient.now());
        let transaction = self.store.begin().await?;
        if !transaction.renew_upstream_tokens(&next, lease).await? {
            // The session ended while the IdP was asked, and its tokens with it.
            return Err(Failure::Missing);
        }
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        Ok(AccessToken {
            token: renewed.access_token.clone(),
            expires_at: next.expires_at,
        })
    }
}

fn renewed_event(row: &SealedTokens, grant: &GrantId, now: Timestamp) -> AuditEvent {
    let mut event = AuditEvent::new(now, AuditKind::UpstreamRenewed, Actor::Broker);
    event.sub = Some(row.sub.clone());
    event.grant = Some(grant.clone());
    event
}
