//! What each replica must know within a second, held in memory: which grants were ended, the
//! confidential clients that exchange tokens, and the protected resources.
//!
//! A task polls the database several times a second with one small query each; the exchange path
//! reads memory only. When polling fails for longer than a second, every question is [`Outdated`]: a
//! replica that cannot hear of revocations must not hand out tokens.

mod catalog;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;

pub use catalog::CatalogHandle;

use crate::ambient::Ambient;
use crate::domain::{Catalog, Client, ClientId, Downstream, GrantId, Resource, Timestamp};
use crate::storage::{Store, StoreError};

/// The longest life an access token may be configured to have. An ended grant is remembered for
/// so long (and [`MARGIN`]), then none of its tokens is left.
pub const LONGEST_ACCESS_TOKEN: Duration = Duration::from_hours(1);

/// The oldest snapshot that decisions are made on.
const TOLERANCE: Duration = Duration::from_secs(1);

/// How far each poll reaches back beyond the one before. A row carries the clock of the replica
/// that wrote it, which may be behind ours, and appears when its transaction commits, which may
/// take a while; both together must stay below this.
const OVERLAP: Duration = Duration::from_secs(30);

/// Beyond a token's life: clocks of other replicas, and the leeway of verification.
const MARGIN: Duration = Duration::from_mins(1);

/// The snapshot. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    ambient: Ambient,
    ended: RwLock<HashMap<GrantId, Timestamp>>,
    clients: RwLock<HashMap<ClientId, Arc<Client>>>,
    catalog: CatalogHandle,
    /// The version of the resources in `catalog`, or of some before them.
    catalog_version: AtomicI64,
    /// When the last successful poll began, in milliseconds since the epoch.
    as_of: AtomicI64,
    /// One poll at a time: an older answer must not overwrite a newer one.
    polling: Mutex<()>,
}

/// The snapshot is older than a second: revocations may have been missed.
#[derive(Debug, thiserror::Error)]
#[error("the database has not answered for more than a second, so revocations may be missing")]
pub struct Outdated;

impl Live {
    /// Reads the first snapshot; `downstreams` are the configured ones, which stay.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(
        store: Store,
        ambient: Ambient,
        downstreams: Vec<Downstream>,
    ) -> Result<Self, StoreError> {
        let now = ambient.now();
        let clients = store
            .confidential_clients()
            .await?
            .into_iter()
            .map(|client| (client.id.clone(), Arc::new(client)))
            .collect();
        let ended = store.grants_ended_since(oldest_of_use(now)).await?;
        // The version first: resources newer than it are read once more.
        let catalog_version = store.catalog_version().await?;
        let resources = resources(&store).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                ambient,
                ended: RwLock::new(ended.into_iter().collect()),
                clients: RwLock::new(clients),
                catalog: CatalogHandle::new(Catalog::new(resources, downstreams)),
                catalog_version: AtomicI64::new(catalog_version),
                as_of: AtomicI64::new(now.as_millis()),
                polling: Mutex::new(()),
            }),
        })
    }

    /// Reads what changed since the last time. The poll task calls it; so does whoever ended a
    /// grant on this replica, to see it at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let inner = &*self.inner;
        let _one_at_a_time = inner.polling.lock().await;
        // The snapshot is as old as the question, not as the answer.
        let now = inner.ambient.now();
        let since = self.as_of().min(now).minus(OVERLAP);
        let ended = inner.store.grants_ended_since(since).await?;
        let deleted = inner.store.clients_deleted_since(since).await?;
        let changed = inner.store.clients_changed_since(since).await?;
        let catalog_version = inner.store.catalog_version().await?;
        if catalog_version != inner.catalog_version.load(Ordering::Acquire) {
            let resources = resources(&inner.store).await?;
            inner.catalog.replace_resources(resources);
            inner
                .catalog_version
                .store(catalog_version, Ordering::Release);
        }

        {
            let mut known = inner.ended.write().unwrap_or_else(PoisonError::into_inner);
            known.extend(ended);
            let oldest = oldest_of_use(now);
            known.retain(|_, at| *at >= oldest);
        }
        if !(deleted.is_empty() && changed.is_empty()) {
            let mut known = inner
                .clients
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            for id in deleted {
                known.remove(&id);
            }
            // Afterwards: one that was deleted and registered anew meanwhile is there.
            for client in changed {
                if client.is_confidential() {
                    known.insert(client.id.clone(), Arc::new(client));
                } else {
                    known.remove(&client.id);
                }
            }
        }
        inner.as_of.store(now.as_millis(), Ordering::Release);
        Ok(())
    }

    /// Whether the snapshot is young enough to decide upon.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let (as_of, now) = (self.as_of(), self.inner.ambient.now());
        // Either way: after the clock was set back, "later than now" proves nothing.
        now.since(as_of) <= TOLERANCE && as_of.since(now) <= TOLERANCE
    }

    /// How old the snapshot is.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.inner.ambient.now().since(self.as_of())
    }

    /// Whether the grant was ended before its time, at least while a token of it may live.
    ///
    /// # Errors
    /// [`Outdated`] when this replica cannot know.
    pub fn is_ended(&self, grant: &GrantId) -> Result<bool, Outdated> {
        self.check()?;
        let ended = self.inner.ended.read();
        Ok(ended
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(grant))
    }

    /// The confidential client, if there is one of this id; blocked ones included.
    ///
    /// # Errors
    /// [`Outdated`] when this replica cannot know.
    pub fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, Outdated> {
        self.check()?;
        let clients = self.inner.clients.read();
        Ok(clients
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned())
    }

    /// The resources and downstreams, followed as they change.
    #[must_use]
    pub fn catalog(&self) -> CatalogHandle {
        self.inner.catalog.clone()
    }

    fn check(&self) -> Result<(), Outdated> {
        if self.is_current() {
            Ok(())
        } else {
            Err(Outdated)
        }
    }

    fn as_of(&self) -> Timestamp {
        Timestamp::from_millis(self.inner.as_of.load(Ordering::Acquire))
    }
}

async fn resources(store: &Store) -> Result<Vec<Resource>, StoreError> {
    let stored = store.resources().await?;
    Ok(stored.into_iter().map(|stored| stored.resource).collect())
}

/// Grants that were ended before this moment have no living token left.
fn oldest_of_use(now: Timestamp) -> Timestamp {
    now.minus(LONGEST_ACCESS_TOKEN).minus(MARGIN)
}
