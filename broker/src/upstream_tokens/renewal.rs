//! New tokens in time, asked for once however many want them: a session's, or an offline grant's.
//!
//! Two locks stand before the IdP: a turn in this process, then the lease of the row, which counts
//! for all replicas. The new tokens are committed before any of them is used. A refusal is for
//! good; an IdP that is not well is asked again, with growing pauses, while the patience lasts.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_client::secret::Secret;
use moka::future::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep};

use super::{AccessToken, Failure};
use crate::ambient::Ambient;
use crate::crypto::{Cipher, CipherError, SealingContext};
use crate::domain::Timestamp;
use crate::storage::{Lease, StoreError};
use crate::upstream::{TokenError, TokenSet, Upstream};

/// New tokens are asked for this long before the old ones end, so that what is handed out lasts for
/// a call; at most half of a life, where lives are shorter.
const AHEAD: Duration = Duration::from_secs(30);

/// What is believed when the IdP does not say how long its access token lives.
const UNSAID: Duration = Duration::from_mins(5);

/// How long a lease counts: longer than its holder can be busy, patience and the IdP's timeout
/// together, so that only a process that died loses it.
const LEASE: Duration = Duration::from_secs(30);

/// How often one looks whether another replica is done.
const LOOK: Duration = Duration::from_millis(50);

/// The first pause before an IdP that is not well is asked again; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);

/// When stored tokens end, and when new ones are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// When the access token ends, if the IdP said so.
    pub(crate) expires_at: Option<Timestamp>,
    /// From when on new ones are asked for.
    pub(crate) renew_at: Option<Timestamp>,
}

impl Life {
    /// Of tokens that came at `now`.
    pub(crate) fn of(tokens: &TokenSet, now: Timestamp) -> Self {
        let unsaid = tokens.refresh_token.is_some().then_some(UNSAID);
        let lifetime = tokens.lifetime.or(unsaid);
        Self {
            expires_at: lifetime.map(|life| now.plus(life)),
            renew_at: lifetime.map(|life| now.plus(life.saturating_sub(AHEAD.min(life / 2)))),
        }
    }

    /// Whether it is time for new ones.
    pub(crate) fn is_due(self, now: Timestamp) -> bool {
        self.renew_at.is_some_and(|at| now >= at)
    }

    /// Whether the access token is of no use any more.
    fn is_expired(self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
    }
}

/// Opens a sealed token.
pub(crate) fn open(
    cipher: &Cipher,
    context: SealingContext<'_>,
    sealed: &[u8],
) -> Result<Secret, Failure> {
    let opened = cipher.open(context, sealed).map_err(Failure::Sealed)?;
    let text = std::str::from_utf8(&opened).map_err(|_| Failure::Sealed(CipherError::Damaged));
    Ok(Secret::from(text?))
}

/// Who in this process renews which tokens: the others wait here and not at the database.
#[derive(Clone)]
pub(crate) struct Turns<K>(Cache<K, Arc<Mutex<()>>>);

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Turns<K> {
    /// Nobody's turn yet.
    pub(crate) fn new() -> Self {
        Self(
            Cache::builder()
                .max_capacity(10_000)
                .time_to_idle(Duration::from_mins(1))
                .build(),
        )
    }

    /// Waits until no other caller in this process renews the tokens of `key`.
    pub(crate) async fn turn(&self, key: &K) -> OwnedMutexGuard<()> {
        let lock = self.0.get_with_by_ref(key, async { Arc::default() });
        lock.await.lock_owned().await
    }
}

/// One set of stored tokens, and what it takes to renew it.
#[async_trait]
pub(crate) trait Renewable: Send + Sync {
    /// The row as it is stored.
    type Row: Send + Sync;

    /// The row as it is now.
    async fn row(&self) -> Result<Self::Row, Failure>;

    /// When it ends.
    fn life(&self, row: &Self::Row) -> Life;

    /// Its access token.
    fn open(&self, row: &Self::Row) -> Result<AccessToken, Failure>;

    /// Its refresh token, if the IdP gave one.
    fn refresh_token(&self, row: &Self::Row) -> Result<Option<Secret>, Failure>;

    /// Takes the lease of the row, if it is as it was read and nobody else holds one.
    async fn lease(
        &self,
        row: &Self::Row,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Gives the lease back without new tokens.
    async fn release(&self, row: &Self::Row, lease: Lease) -> Result<(), StoreError>;

    /// Commits the new tokens, and only then hands the access token out.
    async fn store(
        &self,
        row: &Self::Row,
        lease: Lease,
        renewed: &TokenSet,
    ) -> Result<AccessToken, Failure>;

    /// Records that the IdP refused for good.
    async fn refused(&self, row: &Self::Row, lease: Lease) -> Result<(), StoreError>;

    /// Time and randomness.
    fn ambient(&self) -> &Ambient;

    /// Whom to ask.
    fn upstream(&self) -> &Upstream;
}

/// The access token, renewed by this process or by another one; `patience` is how long an IdP that
/// is not well is asked. To be called when it is the caller's turn.
pub(crate) async fn renew<R: Renewable>(
    tokens: &R,
    patience: Duration,
) -> Result<AccessToken, Failure> {
    let deadline = Instant::now() + patience;
    loop {
        // Again, now that it is our turn: another may have done it.
        let row = tokens.row().await?;
        let now = tokens.ambient().now();
        let life = tokens.life(&row);
        if !life.is_due(now) {
            return tokens.open(&row);
        }
        // The old token while it lives; afterwards the failure to get a new one.
        let while_it_lasts = |failure| {
            if life.is_expired(tokens.ambient().now()) {
                Err(failure)
            } else {
                tokens.open(&row)
            }
        };
        let Some(refresh_token) = tokens.refresh_token(&row)? else {
            return while_it_lasts(Failure::Expired);
        };
        let lease = Lease {
            holder: tokens.ambient().random(),
            until: now.plus(LEASE),
        };
        if tokens.lease(&row, lease, now).await? {
            let error = match ask(tokens.upstream(), &refresh_token, deadline).await {
                Ok(renewed) => return tokens.store(&row, lease, &renewed).await,
                Err(error) => error,
            };
            tracing::warn!(
                error = &error as &(dyn std::error::Error + 'static),
                "the identity provider gave no new tokens"
            );
            if matches!(error, Failure::Ended(_)) {
                tokens.refused(&row, lease).await?;
            }
            tokens.release(&row, lease).await?;
            return match error {
                Failure::Unavailable(_) => while_it_lasts(error),
                Failure::NoKey
                | Failure::Missing
                | Failure::Expired
                | Failure::Ended(_)
                | Failure::Misconfigured(_)
                | Failure::Sealed(_)
                | Failure::Store(_) => Err(error),
            };
        }
        if Instant::now() >= deadline {
            return while_it_lasts(Failure::Unavailable(None));
        }
        sleep(LOOK).await;
    }
}

/// Asks the IdP until it decides or the patience ends.
async fn ask(
    upstream: &Upstream,
    refresh_token: &Secret,
    deadline: Instant,
) -> Result<TokenSet, Failure> {
    let mut pause = PAUSE;
    loop {
        let error = match upstream.refresh(refresh_token).await {
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
