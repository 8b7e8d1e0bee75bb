//! Deliveries on their way to background clients. Each is sent by one replica at a time: whoever takes its
//! lease by a conditional UPDATE.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};

use super::entity::webhooks::webhook_delivery::{Column, Entity, Model};
use super::page::behind;
use super::row::Row;
use super::{Lease, Page, Position, Repository, StoreError};
use crate::domain::{ClientId, Delivery, DeliveryId, Preset, Timestamp};

const TABLE: &str = "webhook_deliveries";

/// Which deliveries an administrator lists.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only of this client.
    pub client_id: Option<ClientId>,
    /// Only dead letters, or only those that are still tried.
    pub is_dead: Option<bool>,
}

impl<C: ConnectionTrait> Repository<C> {
    /// Records a delivery.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id is taken.
    pub async fn insert_delivery(&self, delivery: &Delivery) -> Result<(), StoreError> {
        Entity::insert(Model::from(delivery).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// How many deliveries there are, dead letters included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_deliveries(&self) -> Result<u64, StoreError> {
        Ok(Entity::find().count(&self.connection).await?)
    }

    /// How many of them are dead letters.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_dead_deliveries(&self) -> Result<u64, StoreError> {
        let dead = Entity::find().filter(Column::NextAttemptAt.is_null());
        Ok(dead.count(&self.connection).await?)
    }

    /// At most `limit` deliveries that are due and that nobody is sending.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_deliveries(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<Delivery>, StoreError> {
        Entity::find()
            .filter(Column::NextAttemptAt.lte(now.as_millis()))
            .filter(free(now))
            .order_by_asc(Column::NextAttemptAt)
            .limit(limit)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(Delivery::try_from)
            .collect()
    }

    /// Takes the lease of a delivery, if it still has had so many attempts, and nobody else holds one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease_delivery(
        &self,
        delivery: &Delivery,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::LeaseHolder, Expr::value(lease.holder.to_vec()))
            .col_expr(Column::LeaseUntil, Expr::value(lease.until.as_millis()))
            .filter(Column::Id.eq(delivery.id.as_str()))
            .filter(Column::Attempts.eq(attempts(delivery)))
            .filter(Column::NextAttemptAt.lte(now.as_millis()))
            .filter(free(now))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Writes how a try ended that was not the last, or was; and gives the lease back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_attempt(&self, delivery: &Delivery, lease: Lease) -> Result<(), StoreError> {
        let next = delivery.next_attempt_at.map(Timestamp::as_millis);
        Entity::update_many()
            .col_expr(Column::Attempts, Expr::value(attempts(delivery)))
            .col_expr(Column::NextAttemptAt, Expr::value(next))
            .col_expr(Column::LastError, Expr::value(delivery.last_error.clone()))
            .col_expr(Column::LeaseHolder, Expr::value(None::<Vec<u8>>))
            .col_expr(Column::LeaseUntil, Expr::value(None::<i64>))
            .filter(Column::Id.eq(delivery.id.as_str()))
            .filter(Column::LeaseHolder.eq(lease.holder.to_vec()))
            .exec(&self.connection)
            .await?;
        Ok(())
    }

    /// The delivery.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delivery(&self, id: &DeliveryId) -> Result<Option<Delivery>, StoreError> {
        Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?
            .map(Delivery::try_from)
            .transpose()
    }

    /// Has a delivery tried again from the beginning; false when there is none, or it is being sent.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn redeliver(&self, id: &DeliveryId, now: Timestamp) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::Attempts, Expr::value(0_i32))
            .col_expr(Column::NextAttemptAt, Expr::value(now.as_millis()))
            .filter(Column::Id.eq(id.as_str()))
            .filter(free(now))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Deletes a delivery: it has arrived, or nobody wants it. False when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_delivery(&self, id: &DeliveryId) -> Result<bool, StoreError> {
        let deleted = Entity::delete_by_id(id.as_str())
            .exec(&self.connection)
            .await?;
        Ok(deleted.rows_affected == 1)
    }

    /// Lists at most `limit` deliveries, newest first, behind `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        after: Option<&Position>,
        limit: u64,
    ) -> Result<Page<Delivery>, StoreError> {
        let mut query = Entity::find()
            .order_by_desc(Column::ReceivedAt)
            .order_by_desc(Column::Id)
            .limit(limit.saturating_add(1));
        if let Some(client_id) = &filter.client_id {
            query = query.filter(Column::ClientId.eq(client_id.as_str()));
        }
        query = match filter.is_dead {
            Some(true) => query.filter(Column::NextAttemptAt.is_null()),
            Some(false) => query.filter(Column::NextAttemptAt.is_not_null()),
            None => query,
        };
        if let Some(after) = after {
            query = query.filter(behind(Column::ReceivedAt, Column::Id, after));
        }
        let deliveries = query
            .all(&self.connection)
            .await?
            .into_iter()
            .map(Delivery::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Page::of(deliveries, limit, |delivery: &Delivery| {
            Position {
                at: delivery.received_at,
                id: delivery.id.to_string(),
            }
        }))
    }
}

fn free(now: Timestamp) -> Condition {
    Condition::any()
        .add(Column::LeaseUntil.is_null())
        .add(Column::LeaseUntil.lte(now.as_millis()))
}

fn attempts(delivery: &Delivery) -> i32 {
    i32::try_from(delivery.attempts).unwrap_or(i32::MAX)
}

impl From<&Delivery> for Model {
    fn from(delivery: &Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            client_id: delivery.client_id.to_string(),
            preset: delivery.preset.as_str().to_owned(),
            grant_of: delivery.grant_of.clone(),
            event: delivery.event.clone(),
            body: delivery.body.clone(),
            received_at: delivery.received_at.as_millis(),
            attempts: attempts(delivery),
            next_attempt_at: delivery.next_attempt_at.map(Timestamp::as_millis),
            last_error: delivery.last_error.clone(),
            lease_holder: None,
            lease_until: None,
        }
    }
}

impl TryFrom<Model> for Delivery {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.id);
        Ok(Self {
            id: row.parsed("id", DeliveryId::parse(model.id.as_str()))?,
            client_id: row.parsed("client_id", ClientId::parse(model.client_id.as_str()))?,
            preset: row.known("preset", Preset::parse(&model.preset))?,
            attempts: row.parsed("attempts", u32::try_from(model.attempts))?,
            grant_of: model.grant_of,
            event: model.event,
            body: model.body,
            received_at: Timestamp::from_millis(model.received_at),
            next_attempt_at: model.next_attempt_at.map(Timestamp::from_millis),
            last_error: model.last_error,
        })
    }
}
