//! Deliveries that wait or failed for good: see them, send them again, drop them.

use serde::{Deserialize, Serialize};

use super::audit::rfc3339;
use super::{AdminApi, AdminError, Administrator, page};
use crate::domain::{AuditEvent, AuditKind, ClientId, Delivery, DeliveryId};
use crate::storage::DeliveryFilter;

/// Which deliveries to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryQuery {
    /// How many, 1 to 500; default 50.
    pub limit: Option<u64>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// Only to this client.
    pub client_id: Option<String>,
    /// `waiting`: still tried; `dead`: not tried any more. Default: both.
    pub state: Option<String>,
}

/// A page of deliveries, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DeliveryList {
    items: Vec<DeliveryItem>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A delivery. What it says is not shown: it is about somebody's files and appointments.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DeliveryItem {
    /// Its id, the receiver's `webhook-id`.
    delivery_id: String,
    /// Who is told.
    client_id: String,
    /// The preset.
    preset: &'static str,
    /// Nextcloud's class of the event.
    event: String,
    /// `waiting` or `dead`.
    state: &'static str,
    /// How often it was tried.
    attempts: u32,
    /// When it came: RFC 3339, UTC.
    received_at: String,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    /// Why the last try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl From<&Delivery> for DeliveryItem {
    fn from(delivery: &Delivery) -> Self {
        Self {
            delivery_id: delivery.id.to_string(),
            client_id: delivery.client_id.to_string(),
            preset: delivery.preset.as_str(),
            event: delivery.event.clone(),
            state: if delivery.next_attempt_at.is_some() {
                "waiting"
            } else {
                "dead"
            },
            attempts: delivery.attempts,
            received_at: rfc3339(delivery.received_at),
            next_attempt_at: delivery.next_attempt_at.map(rfc3339),
            last_error: delivery.last_error.clone(),
        }
    }
}

impl AdminApi {
    /// Lists deliveries.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when a parameter does not fit.
    pub async fn webhook_deliveries(
        &self,
        query: DeliveryQuery,
    ) -> Result<DeliveryList, AdminError> {
        let limit = page::limit(query.limit)?;
        let after = page::position(query.cursor.as_deref())?;
        let filter = DeliveryFilter {
            client_id: page::id("client_id", query.client_id, ClientId::parse)?,
            is_dead: page::id("state", query.state, |word| match word.as_str() {
                "dead" => Ok(true),
                "waiting" => Ok(false),
                _ => Err(()),
            })?,
        };
        let page = self
            .store
            .list_deliveries(&filter, after.as_ref(), limit)
            .await?;
        Ok(DeliveryList {
            items: page.items.iter().map(DeliveryItem::from).collect(),
            next_cursor: page.next.as_ref().map(page::cursor),
        })
    }

    /// Has a delivery tried again, from the first try on.
    ///
    /// # Errors
    /// [`AdminError::NotFound`]; [`AdminError::Conflict`] while it is being sent.
    pub async fn redeliver(
        &self,
        by: &Administrator,
        id: &str,
    ) -> Result<DeliveryItem, AdminError> {
        let id = DeliveryId::parse(id).map_err(|_| NO_DELIVERY)?;
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        let mut delivery = transaction.delivery(&id).await?.ok_or(NO_DELIVERY)?;
        if !transaction.redeliver(&id, now).await? {
            return Err(AdminError::Conflict("The delivery is just being sent."));
        }
        let event = about(by.does(AuditKind::WebhookRedelivered, now), &delivery);
        self.commit(transaction, &[event]).await?;
        delivery.attempts = 0;
        delivery.next_attempt_at = Some(now);
        Ok(DeliveryItem::from(&delivery))
    }

    /// Drops a delivery.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn delete_delivery(&self, by: &Administrator, id: &str) -> Result<(), AdminError> {
        let id = DeliveryId::parse(id).map_err(|_| NO_DELIVERY)?;
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        let delivery = transaction.delivery(&id).await?.ok_or(NO_DELIVERY)?;
        transaction.delete_delivery(&id).await?;
        let event = about(by.does(AuditKind::WebhookDropped, now), &delivery);
        self.commit(transaction, &[event]).await
    }
}

fn about(mut event: AuditEvent, delivery: &Delivery) -> AuditEvent {
    event.client_id = Some(delivery.client_id.clone());
    event
        .details
        .insert("delivery".to_owned(), delivery.id.as_str().into());
    event
}

const NO_DELIVERY: AdminError = AdminError::NotFound("delivery");
