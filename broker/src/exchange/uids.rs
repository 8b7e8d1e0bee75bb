//! The Nextcloud uid of a user, in memory.
//!
//! It is no claim of the MCP access token, which clients and MCP servers see; so it comes from the
//! database, once a minute and user at most, however many exchanges there are. A uid that changes
//! at the identity provider counts with the next login, within that minute.
//!
//! A uid that Nextcloud might take for another account is refused here, whatever the login brought.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::domain::{EmailUids, Subject, UnsafeUid, User, check_nextcloud_uid};
use crate::storage::{Store, StoreError};

/// How long a uid is believed.
const FRESH: Duration = Duration::from_mins(1);

/// How many users are kept; beyond, the least used is asked for again.
const USERS: u64 = 100_000;

/// Why a uid cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum UidError {
    /// The login did not give the configured claim, so the user has none.
    #[error("the user has no Nextcloud uid")]
    Missing,
    /// Nextcloud might take it for somebody else's.
    #[error("the user's Nextcloud uid is not safe to use")]
    Unsafe(#[from] UnsafeUid),
    /// An older user has the same uid but for upper and lower case, which are one to Nextcloud.
    #[error("an older user has this Nextcloud uid in other case")]
    Twin,
    /// The account was found disabled or gone, and its user has not signed in since. His sessions ended
    /// with it; this is for whatever a race may have left.
    #[error("the user's Nextcloud account is disabled or gone")]
    AccountEnded,
    /// The database failed.
    #[error("the user could not be read")]
    Store(#[from] StoreError),
}

/// Uids by subject; one read for many who ask at once. Cheap to clone.
#[derive(Clone)]
pub struct Uids {
    store: Store,
    email: EmailUids,
    known: Cache<Subject, Arc<str>>,
}

impl Uids {
    /// Reads uids from `store`.
    #[must_use]
    pub fn new(store: Store, email: EmailUids) -> Self {
        Self {
            store,
            email,
            known: Cache::builder()
                .max_capacity(USERS)
                .time_to_live(FRESH)
                .build(),
        }
    }

    /// The exact uid of `sub`. That there is none is not remembered: the next login may bring one.
    ///
    /// # Errors
    /// See [`UidError`].
    pub async fn uid(&self, sub: &Subject) -> Result<Arc<str>, Arc<UidError>> {
        self.known.try_get_with_by_ref(sub, self.read(sub)).await
    }

    async fn read(&self, sub: &Subject) -> Result<Arc<str>, UidError> {
        let user = self.store.user(sub).await?.ok_or(UidError::Missing)?;
        let User {
            nextcloud_uid: Some(uid),
            ..
        } = &user
        else {
            return Err(UidError::Missing);
        };
        check_nextcloud_uid(uid, self.email)?;
        if self.store.is_account_ended(sub).await? {
            return Err(UidError::AccountEnded);
        }
        if self.store.has_older_uid_twin(&user).await? {
            return Err(UidError::Twin);
        }
        Ok(Arc::from(uid.as_str()))
    }
}
