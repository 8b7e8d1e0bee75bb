//! What the database wants is brought about at Nextcloud.
//!
//! The row comes first: whoever dies between Nextcloud's answer and the note of it leaves a row without a
//! number, and at Nextcloud a webhook that no row names. Both are settled later: the nameless one is
//! deleted, the row registered anew with a new secret. One replica settles at a time.

use std::time::Duration;

use broker_client::secret::Secret;

use super::{Inner, Webhooks};
use crate::crypto::Handle;
use crate::domain::Webhook;
use crate::nextcloud::{NewHook, NextcloudError};
use crate::storage::{Lease, StoreError, WebhookFilter};

/// How long a replica that does not come back keeps the others from settling.
const LEASE: Duration = Duration::from_mins(2);

/// The lease's name.
const NAME: &str = "webhook registrations";

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// What is known not to be settled; Nextcloud is asked nothing when there is nothing.
    Unsettled,
    /// Everything: Nextcloud is asked what it has, and what differs is repaired.
    Everything,
}

/// Why webhooks could not be settled; what was done until then counts.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The database failed.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// Nextcloud did not do it.
    #[error("Nextcloud did not do what was asked of its webhooks")]
    Nextcloud(#[from] NextcloudError),
}

impl Webhooks {
    /// Settles webhooks, unless another replica is at it: that one finds the same rows.
    ///
    /// # Errors
    /// See [`SettleError`].
    pub async fn settle(&self, look: Look) -> Result<(), SettleError> {
        let inner = &*self.inner;
        let Some(nextcloud) = &inner.with.nextcloud else {
            return Ok(());
        };
        if look == Look::Unsettled && !inner.with.store.has_unsettled_webhooks().await? {
            return Ok(());
        }
        if !nextcloud.has_administrator() {
            return Err(NextcloudError::NoAdministrator.into());
        }
        let now = inner.now();
        let lease = Lease {
            // Of this turn: another one of this process must not join in.
            holder: inner.with.ambient.random(),
            until: now.plus(LEASE),
        };
        if !inner.with.store.take_lease(NAME, lease, now).await? {
            return Ok(());
        }
        let outcome = inner.settle_all().await;
        inner.with.store.release_lease(NAME, lease).await?;
        outcome
    }
}

impl Inner {
    async fn settle_all(&self) -> Result<(), SettleError> {
        let Some(nextcloud) = &self.with.nextcloud else {
            return Ok(());
        };
        let mut there = nextcloud.hooks(&self.settings.callback_url).await?;
        for webhook in self.with.store.webhooks(&WebhookFilter::default()).await? {
            let hook = webhook.nextcloud_id.and_then(|id| there.remove(&id));
            let is_right = hook
                .as_ref()
                .is_some_and(|hook| hook.is_for(&webhook.event, &webhook.uids()));
            if webhook.is_wanted && is_right {
                continue;
            }
            if let Some(hook) = hook {
                nextcloud.delete_hook(hook.id).await?;
            }
            if webhook.is_wanted {
                self.register(&webhook).await?;
            } else {
                self.with.store.delete_webhook(&webhook.id).await?;
            }
        }
        // Ours by their address, but of no row: left behind by whoever died in between.
        for id in there.into_keys() {
            nextcloud.delete_hook(id).await?;
        }
        Ok(())
    }

    async fn register(&self, webhook: &Webhook) -> Result<(), SettleError> {
        let Some(nextcloud) = &self.with.nextcloud else {
            return Ok(());
        };
        let secret = Handle::generate(&self.with.ambient);
        let now = self.now();
        // First, so that the very first delivery is already known.
        if !self
            .with
            .store
            .rekey_webhook(&webhook.id, secret.hash(), now)
            .await?
        {
            return Ok(());
        }
        let authorization = format!("Bearer {}.{}", webhook.id, secret.expose());
        let id = nextcloud
            .register_hook(&NewHook {
                uri: &self.settings.callback_url,
                event: &webhook.event,
                users: &webhook.uids(),
                authorization: &Secret::from(authorization),
            })
            .await?;
        tracing::info!(
            preset = webhook.preset.as_str(),
            event = webhook.event,
            client_id = webhook.client_id.as_str(),
            "a webhook was registered at Nextcloud"
        );
        Ok(self
            .with
            .store
            .note_webhook(&webhook.id, id, self.now())
            .await?)
    }
}
