//! The account watch: notices Nextcloud accounts that are disabled or gone, and ends what their users
//! began.
//!
//! Nextcloud tells nobody, and where it makes accounts by itself, a minted token brings a deleted one
//! back. So the broker asks about each user who has a live session or lets background jobs act for him,
//! once in an interval; one replica does it at a time. Reports of others ([`Store::suspect_account`])
//! only make it ask sooner.

use std::sync::Arc;
use std::time::Duration;

use crate::ambient::Ambient;
use crate::domain::{Actor, AuditEvent, AuditKind, EndReason, RequestInfo};
use crate::live::Live;
use crate::nextcloud::{Account, Nextcloud, NextcloudError};
use crate::offline_tokens::OfflineTokens;
use crate::storage::{Lease, Store, StoreError, WatchedAccount};

/// The most accounts asked about in one turn; with the pause between turns, the most in a second.
const BATCH: u64 = 20;

/// How long a replica that does not come back keeps the others from watching.
const LEASE: Duration = Duration::from_mins(1);

/// The lease's name.
const NAME: &str = "account watch";

/// Watches accounts. Cheap to clone.
#[derive(Clone)]
pub struct AccountWatch {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    live: Live,
    nextcloud: Nextcloud,
    offline_tokens: OfflineTokens,
    ambient: Ambient,
    interval: Duration,
    holder: [u8; 16],
}

/// Why a turn ended early.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// Nextcloud could not be asked.
    #[error("Nextcloud could not be asked about its accounts")]
    Nextcloud(#[from] NextcloudError),
}

/// In which way an account is not usable any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Disabled,
    Gone,
}

impl Loss {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Gone => "gone",
        }
    }
}

impl AccountWatch {
    /// Watches the accounts of `nextcloud`, asking about each once in `interval`.
    #[must_use]
    pub fn new(
        store: Store,
        live: Live,
        nextcloud: Nextcloud,
        offline_tokens: OfflineTokens,
        ambient: Ambient,
        interval: Duration,
    ) -> Self {
        let holder = ambient.random();
        Self {
            inner: Arc::new(Inner {
                store,
                live,
                nextcloud,
                offline_tokens,
                ambient,
                interval,
                holder,
            }),
        }
    }

    /// One turn: asks about the accounts that are due, unless another replica is at it.
    ///
    /// # Errors
    /// See [`WatchError`]; what was found until then counts.
    pub async fn turn(&self) -> Result<(), WatchError> {
        let inner = &*self.inner;
        let now = inner.ambient.now();
        let lease = Lease {
            holder: inner.holder,
            until: now.plus(LEASE),
        };
        if !inner.store.take_lease(NAME, lease, now).await? {
            return Ok(());
        }
        let before = now.minus(inner.interval);
        for account in inner.store.accounts_to_check(before, now, BATCH).await? {
            self.look_at(&account).await?;
        }
        Ok(())
    }

    async fn look_at(&self, account: &WatchedAccount) -> Result<(), WatchError> {
        let inner = &*self.inner;
        let loss = match inner.nextcloud.account(&account.uid).await {
            Ok(Account::Present) => {
                let now = inner.ambient.now();
                let seen = Some(account.uid.as_str());
                return Ok(inner.store.note_account(&account.sub, seen, now).await?);
            }
            Ok(Account::Disabled) => Loss::Disabled,
            Ok(Account::Absent) if account.was_seen => Loss::Gone,
            // It never was there: its first use may make it.
            Ok(Account::Absent) => {
                let now = inner.ambient.now();
                return Ok(inner.store.note_account(&account.sub, None, now).await?);
            }
            Err(error) if error.is_general() => return Err(error.into()),
            Err(error) => {
                // This one account must not keep the others from their turn.
                tracing::warn!(
                    sub = account.sub.as_str(),
                    error = &error as &dyn std::error::Error,
                    "it cannot be told whether an account is there"
                );
                let now = inner.ambient.now();
                return Ok(inner.store.note_account(&account.sub, None, now).await?);
            }
        };
        self.end(account, loss).await
    }

    /// Ends everything of the account's user, unless he has signed in since it was read.
    async fn end(&self, account: &WatchedAccount, loss: Loss) -> Result<(), WatchError> {
        let inner = &*self.inner;
        let now = inner.ambient.now();
        let transaction = inner.store.begin().await?;
        if !transaction.end_account(account, now).await? {
            return Ok(());
        }
        let tokens = transaction.offline_tokens_of(&account.sub, None).await?;
        let ended = transaction
            .end_all_of_user(&account.sub, EndReason::AccountGone, now)
            .await?;
        let mut event = AuditEvent::new(now, AuditKind::AccountEnded, Actor::Broker);
        event.sub = Some(account.sub.clone());
        event
            .details
            .insert("reason".to_owned(), loss.as_str().into());
        event
            .details
            .insert("nextcloud_uid".to_owned(), account.uid.as_str().into());
        ended.note(&mut event.details);
        event.details.insert(
            "withdrawn_offline_grants".to_owned(),
            ended.offline_grants.into(),
        );
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        inner.offline_tokens.revoke(tokens, &RequestInfo::default());
        tracing::info!(
            sub = account.sub.as_str(),
            reason = loss.as_str(),
            "a Nextcloud account is not usable any more; everything of its user ended"
        );
        Ok(inner.live.refresh().await?)
    }
}
