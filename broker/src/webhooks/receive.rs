//! `POST /webhooks/nextcloud`: an event of Nextcloud is stored, or refused.
//!
//! Nextcloud's deliveries are not signed; each carries the secret of its registration. What does not is
//! refused before its body is looked at. What was stored is answered 2xx, nothing else is.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Inner, Webhooks};
use crate::crypto;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Condition, Delivery, DeliveryId, Outcome, RequestInfo, TooOften,
    Webhook, WebhookId,
};
use crate::storage::StoreError;

/// The largest event, in bytes: a calendar event comes with all of its text.
pub const LARGEST_EVENT: usize = 256 * 1024;

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// It does not carry the secret of a webhook that is wanted.
    #[error("The request does not carry the secret of a registered webhook.")]
    Unauthenticated,
    /// It is no event of that webhook.
    #[error("The body is not an event of this webhook.")]
    Event,
    /// Too many wait. Nextcloud does not send it again.
    #[error("Too many deliveries are waiting.")]
    Full,
    /// Its sender was refused too often, and does not carry the secret now either.
    #[error(transparent)]
    TooOften(#[from] TooOften),
    /// It could not be stored, or the refusal not recorded.
    #[error("The database did not answer.")]
    Store(#[from] Arc<StoreError>),
}

impl From<StoreError> for ReceiveError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl Webhooks {
    /// Stores an event for the client whose webhook brought it. One that the client may not hear of is
    /// dropped: its user is none that the webhook is for, or does not let background jobs act for him.
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn receive(
        &self,
        authorization: Option<&str>,
        body: &[u8],
        info: &RequestInfo,
    ) -> Result<(), ReceiveError> {
        let inner = &*self.inner;
        let Some(webhook) = inner.sender(authorization).await? else {
            return Err(inner.refused(info).await?);
        };
        let event: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| ReceiveError::Event)?;
        let class = event.get("event").and_then(|event| event.get("class"));
        if class.and_then(Value::as_str) != Some(webhook.event.as_str()) {
            return Err(ReceiveError::Event);
        }
        let uid = event.get("user").and_then(|user| user.get("uid"));
        let uid = uid.and_then(Value::as_str);
        let Some(grant_of) = inner.may_hear(&webhook, uid).await? else {
            return Ok(());
        };
        if inner.with.store.count_deliveries().await? >= inner.settings.queue {
            return Err(ReceiveError::Full);
        }
        let now = inner.now();
        let id = uuid::Builder::from_random_bytes(inner.with.ambient.random()).into_uuid();
        let delivery = Delivery {
            id: DeliveryId::parse(id.simple().to_string()).map_err(|_| ReceiveError::Event)?,
            client_id: webhook.client_id,
            preset: webhook.preset,
            grant_of,
            event: webhook.event,
            body: Value::Object(event).to_string(),
            received_at: now,
            attempts: 0,
            next_attempt_at: Some(now),
            last_error: None,
        };
        Ok(inner.with.store.insert_delivery(&delivery).await?)
    }
}

impl Inner {
    /// The webhook whose secret the header carries.
    async fn sender(&self, authorization: Option<&str>) -> Result<Option<Webhook>, StoreError> {
        let credential = authorization.and_then(|header| header.strip_prefix("Bearer "));
        let Some((id, secret)) = credential.and_then(|credential| credential.split_once('.'))
        else {
            return Ok(None);
        };
        let Ok(id) = WebhookId::parse(id) else {
            return Ok(None);
        };
        let webhook = self.with.store.webhook(&id).await?;
        Ok(webhook.filter(|webhook| {
            let presented = crypto::hash(secret);
            let is_its = webhook
                .secret
                .is_some_and(|known| crypto::same(known.as_bytes(), presented.as_bytes()));
            is_its && webhook.is_wanted
        }))
    }

    /// Whether the client may hear of an event of this user now, and whose grant that takes, if anybody's.
    async fn may_hear(
        &self,
        webhook: &Webhook,
        uid: Option<&str>,
    ) -> Result<Option<Option<String>>, StoreError> {
        let Some((client, _)) = self.receiver_of(&webhook.client_id).await? else {
            return Ok(None);
        };
        Ok(match webhook.condition(uid) {
            Condition::Never => None,
            Condition::Always => Some(None),
            Condition::GrantOf(uid) => {
                let is_allowed = self.is_allowed_by(&uid, &client).await?;
                is_allowed.then_some(Some(uid))
            }
        })
    }

    async fn refused(&self, info: &RequestInfo) -> Result<ReceiveError, ReceiveError> {
        let kind = AuditKind::WebhookRefused;
        let mut event = AuditEvent::new(self.now(), kind, Actor::Anonymous).during(info);
        // A flood must not fill the trail.
        if let Some(too_often) = event.too_often {
            return Ok(too_often.into());
        }
        event.outcome = Outcome::Refused(broker_client::oauth::ErrorCode::InvalidToken);
        self.with.audit.record(event).await?;
        Ok(ReceiveError::Unauthenticated)
    }
}
