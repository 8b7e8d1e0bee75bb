//! The Nextcloud uid of a user, in memory.
//!
//! It is no claim of the MCP access token, which clients and MCP servers see; so it comes from the
//! database, once a minute and user at most, however many exchanges there are. A uid that changes
//! at the identity provider counts with the next login, within that minute.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::domain::Subject;
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
    /// The database failed.
    #[error("the user could not be read")]
    Store(#[source] StoreError),
}

/// Uids by subject; one read for many who ask at once. Cheap to clone.
#[derive(Clone)]
pub struct Uids {
    store: Store,
    known: Cache<Subject, Arc<str>>,
}

impl Uids {
    /// Reads uids from `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            store,
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
        self.known
            .try_get_with_by_ref(sub, async {
                let user = self.store.user(sub).await.map_err(UidError::Store)?;
                user.and_then(|user| user.nextcloud_uid)
                    .map(Arc::from)
                    .ok_or(UidError::Missing)
            })
            .await
    }
}
