//! Webhooks of Nextcloud for background jobs: kept registered there, taken in, handed on.
//!
//! - `registration`: what the database wants is brought about at Nextcloud;
//! - `receive`: what Nextcloud sends is stored before it hears that it arrived;
//! - `forward`: what is stored is sent to the background client, signed, until it arrives.
//!
//! Nextcloud sends each event once, unsigned and in no order, and forgets it whatever becomes of it. So
//! what is handed on is a hint that something may have changed, never a fact to act upon unseen.
//! Works without any user's token: in every way that users get theirs. Of a person's events a client
//! hears while that person lets background jobs act for him; of a technical account's without it.

mod forward;
mod receive;
mod registration;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_client::http::HttpClient;
use url::Url;

pub use receive::{LARGEST_EVENT, ReceiveError};
pub use registration::{Look, SettleError};

use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::crypto::WebhookKey;
use crate::domain::{Client, ClientId, ClientStatus, Timestamp};
use crate::live::CatalogHandle;
use crate::nextcloud::Nextcloud;
use crate::storage::{Store, StoreError};

/// A background client that hears of events.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Where they are posted to.
    pub url: Url,
    /// What they are signed with: each signs, so that a receiver can change its secret.
    pub keys: Vec<WebhookKey>,
}

/// What the configuration decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where Nextcloud posts its events to.
    pub callback_url: String,
    /// Who may be told, by client id.
    pub receivers: BTreeMap<ClientId, Receiver>,
    /// How many deliveries may wait at once, dead letters included.
    pub queue: u64,
    /// How often a delivery is tried.
    pub attempts: u32,
    /// How long after the first failure it is tried again; each pause is four times the one before.
    pub retry_after: Duration,
}

/// Webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    with: Dependencies,
    settings: Settings,
}

/// What webhooks are made of.
pub struct Dependencies {
    /// Where they are kept.
    pub store: Store,
    /// Where refused events are recorded.
    pub audit: AuditLog,
    /// Where they are registered; `None` where there is no downstream.
    pub nextcloud: Option<Nextcloud>,
    /// The downstreams at which users may allow background jobs.
    pub catalog: CatalogHandle,
    /// What receivers are called with.
    pub http: HttpClient,
    /// The time; ids and secrets.
    pub ambient: Ambient,
}

impl Webhooks {
    /// Webhooks with these settings.
    #[must_use]
    pub fn new(with: Dependencies, settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner { with, settings }),
        }
    }

    /// Whether this client has a place where it can be told.
    #[must_use]
    pub fn has_receiver(&self, client_id: &ClientId) -> bool {
        self.inner.settings.receivers.contains_key(client_id)
    }

    /// The clients that can be told.
    pub fn receivers(&self) -> impl Iterator<Item = &ClientId> {
        self.inner.settings.receivers.keys()
    }
}

impl Inner {
    /// A client that may be told, and where.
    async fn receiver_of(
        &self,
        client_id: &ClientId,
    ) -> Result<Option<(Client, &Receiver)>, StoreError> {
        let Some(receiver) = self.settings.receivers.get(client_id) else {
            return Ok(None);
        };
        let client = self.with.store.client(client_id).await?;
        let may_be_told = client.filter(|it| it.background && it.status == ClientStatus::Approved);
        Ok(may_be_told.map(|client| (client, receiver)))
    }

    /// Whether the user of this uid lets background jobs act for him somewhere where the client may.
    async fn is_allowed_by(&self, uid: &str, client: &Client) -> Result<bool, StoreError> {
        let downstreams = self.with.catalog.current().offline_among(&client.exchange);
        let store = &self.with.store;
        store
            .has_offline_grant_for(&client.id, &downstreams, uid)
            .await
    }

    fn now(&self) -> Timestamp {
        self.with.ambient.now()
    }
}
