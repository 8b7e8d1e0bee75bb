//! What is stored is sent to the background client, signed as Standard Webhooks has it, until it arrives.
//!
//! A try that fails is repeated after a pause that grows; after the last one the delivery is a dead letter,
//! which an administrator sees, sends again or deletes. A client that is not approved any more, or has no
//! receiver any more, gets nothing: its deliveries are dead letters at once. What is about a user who does
//! not let background jobs act for him any more is deleted.

use std::sync::Arc;
use std::time::Duration;

use broker_client::http::HttpError;
use futures_util::future::join_all;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Inner, Receiver, Webhooks};
use crate::domain::{Delivery, Timestamp};
use crate::storage::{Lease, StoreError};

/// The most deliveries that one replica sends at once.
const BATCH: u64 = 16;

/// How long a replica that does not come back keeps a delivery. Longer than any try takes.
const LEASE: Duration = Duration::from_mins(1);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_hours(6);

/// How a try ended.
enum Tried {
    /// It has arrived, or its user does not want it to any more.
    Over,
    /// It did not arrive.
    Failed(Failed),
}

/// How a try ended that did not arrive.
enum Failed {
    /// It may arrive later.
    ForNow(String),
    /// It never will.
    ForGood(String),
}

impl Webhooks {
    /// How many deliveries are still tried, and how many are dead letters.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn deliveries(&self) -> Result<(u64, u64), StoreError> {
        let store = &self.inner.with.store;
        let dead = store.count_dead_deliveries().await?;
        let all = store.count_deliveries().await?;
        Ok((all.saturating_sub(dead), dead))
    }

    /// Sends what is due, as much as one replica sends at once; returns how many it tried.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forward(&self) -> Result<usize, StoreError> {
        let now = self.inner.now();
        let due = self.inner.with.store.due_deliveries(now, BATCH).await?;
        let tried = due.len();
        let sent = due.into_iter().map(|delivery| {
            let inner = Arc::clone(&self.inner);
            async move { inner.deliver(delivery).await }
        });
        for outcome in join_all(sent).await {
            outcome?;
        }
        Ok(tried)
    }
}

impl Inner {
    async fn deliver(&self, mut delivery: Delivery) -> Result<(), StoreError> {
        let now = self.now();
        let lease = Lease {
            holder: self.with.ambient.random(),
            until: now.plus(LEASE),
        };
        if !self
            .with
            .store
            .lease_delivery(&delivery, lease, now)
            .await?
        {
            return Ok(());
        }
        let failed = match self.try_once(&delivery).await? {
            Tried::Over => {
                self.with.store.delete_delivery(&delivery.id).await?;
                return Ok(());
            }
            Tried::Failed(failed) => failed,
        };
        delivery.attempts += 1;
        let (next, error) = match failed {
            Failed::ForNow(error) if delivery.attempts < self.settings.attempts => {
                let pause = self.pause_after(delivery.attempts);
                (Some(self.now().plus(pause)), error)
            }
            Failed::ForNow(error) | Failed::ForGood(error) => (None, error),
        };
        delivery.next_attempt_at = next;
        if next.is_none() {
            tracing::warn!(
                delivery = delivery.id.as_str(),
                client_id = delivery.client_id.as_str(),
                attempts = delivery.attempts,
                error,
                "a webhook could not be handed on; it is a dead letter now"
            );
        }
        delivery.last_error = Some(error);
        self.with.store.note_attempt(&delivery, lease).await
    }

    async fn try_once(&self, delivery: &Delivery) -> Result<Tried, StoreError> {
        let Some((client, receiver)) = self.receiver_of(&delivery.client_id).await? else {
            let error = "the client may not be told any more".to_owned();
            return Ok(Tried::Failed(Failed::ForGood(error)));
        };
        if let Some(uid) = &delivery.grant_of
            && !self.is_allowed_by(uid, &client).await?
        {
            // What a user has taken back is kept for nobody, administrators included.
            return Ok(Tried::Over);
        }
        Ok(match self.send(receiver, delivery).await {
            Ok(()) => Tried::Over,
            Err(failed) => Tried::Failed(failed),
        })
    }

    async fn send(&self, receiver: &Receiver, delivery: &Delivery) -> Result<(), Failed> {
        let body = payload(delivery);
        let headers = signed(receiver, delivery, self.now(), &body)
            .ok_or_else(|| Failed::ForGood("it cannot be signed".to_owned()))?;
        let answer = self
            .with
            .http
            .call(Method::POST, &receiver.url, headers, body.into_bytes())
            .await;
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(()),
            // Standard Webhooks: whoever says so wants no more.
            Ok(answer) if answer.status == StatusCode::GONE => {
                Err(Failed::ForGood("the receiver answers 410 Gone".to_owned()))
            }
            Ok(answer) => Err(Failed::ForNow(format!(
                "the receiver answers {}",
                answer.status
            ))),
            Err(error @ HttpError::Insecure) => Err(Failed::ForGood(error.to_string())),
            Err(error) => Err(Failed::ForNow(error.to_string())),
        }
    }

    /// The pause after this many failures.
    fn pause_after(&self, failures: u32) -> Duration {
        let factor = 4_u32.saturating_pow(failures.saturating_sub(1));
        self.settings
            .retry_after
            .saturating_mul(factor)
            .min(LONGEST_PAUSE)
    }
}

/// The body: what kind of event, when it came, and what Nextcloud said.
fn payload(delivery: &Delivery) -> String {
    let data: Value = serde_json::from_str(&delivery.body).unwrap_or(Value::Null);
    let at = OffsetDateTime::from_unix_timestamp(delivery.received_at.as_secs())
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok());
    json!({
        "type": format!("nextcloud.{}", delivery.preset.as_str()),
        "timestamp": at,
        "data": data,
    })
    .to_string()
}

/// The headers of Standard Webhooks 1.0: id, time, and a signature by each key over both and the body.
fn signed(
    receiver: &Receiver,
    delivery: &Delivery,
    now: Timestamp,
    body: &str,
) -> Option<HeaderMap> {
    let id = delivery.id.as_str();
    let keys = receiver.keys.iter();
    let signatures: Vec<_> = keys.map(|key| key.sign(id, now.as_secs(), body)).collect();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("webhook-id", id),
        ("webhook-timestamp", &now.as_secs().to_string()),
        ("webhook-signature", &signatures.join(" ")),
    ] {
        let value = HeaderValue::from_str(value).ok()?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Some(headers)
}
