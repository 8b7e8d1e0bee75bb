//! Webhooks as they are to be at Nextcloud.
//!
//! A row is written before Nextcloud is asked and deleted after, so that whatever dies in between leaves
//! a row that says what is still to be done.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use super::entity::webhooks::registered_webhook::{Column, Entity, Model};
use super::row::{Row, to_json};
use super::{Repository, StoreError};
use crate::domain::{ClientId, HandleHash, Preset, Timestamp, Webhook, WebhookId};

const TABLE: &str = "registered_webhooks";

/// Which webhooks.
#[derive(Debug, Clone, Default)]
pub struct WebhookFilter {
    /// Only of this preset.
    pub preset: Option<Preset>,
    /// Only of this client.
    pub client_id: Option<ClientId>,
    /// Only those that are wanted.
    pub is_wanted: bool,
}

impl<C: ConnectionTrait> Repository<C> {
    /// Records a webhook that is wanted.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id is taken.
    pub async fn insert_webhook(&self, webhook: &Webhook) -> Result<(), StoreError> {
        Entity::insert(Model::from(webhook).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// The webhook.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhook(&self, id: &WebhookId) -> Result<Option<Webhook>, StoreError> {
        Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?
            .map(Webhook::try_from)
            .transpose()
    }

    /// The webhooks, by client, preset and event.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhooks(&self, filter: &WebhookFilter) -> Result<Vec<Webhook>, StoreError> {
        let mut query = Entity::find()
            .order_by_asc(Column::ClientId)
            .order_by_asc(Column::Preset)
            .order_by_asc(Column::Event);
        if let Some(preset) = filter.preset {
            query = query.filter(Column::Preset.eq(preset.as_str()));
        }
        if let Some(client_id) = &filter.client_id {
            query = query.filter(Column::ClientId.eq(client_id.as_str()));
        }
        if filter.is_wanted {
            query = query.filter(Column::Wanted.eq(true));
        }
        query
            .all(&self.connection)
            .await?
            .into_iter()
            .map(Webhook::try_from)
            .collect()
    }

    /// Whether something is to be done at Nextcloud.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_unsettled_webhooks(&self) -> Result<bool, StoreError> {
        let unsettled = sea_orm::Condition::any()
            .add(Column::Wanted.eq(false))
            .add(Column::NextcloudId.is_null());
        let found = Entity::find()
            .filter(unsettled)
            .one(&self.connection)
            .await?;
        Ok(found.is_some())
    }

    /// Gives a webhook a secret, and forgets what it was at Nextcloud: it is about to be registered
    /// there. False when it is not wanted any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rekey_webhook(
        &self,
        id: &WebhookId,
        secret: HandleHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::SecretHash, Expr::value(secret.as_bytes().to_vec()))
            .col_expr(Column::NextcloudId, Expr::value(None::<i64>))
            .col_expr(Column::UpdatedAt, Expr::value(now.as_millis()))
            .filter(Column::Id.eq(id.as_str()))
            .filter(Column::Wanted.eq(true))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Notes what number a webhook has at Nextcloud.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_webhook(
        &self,
        id: &WebhookId,
        nextcloud_id: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::NextcloudId, Expr::value(nextcloud_id))
            .col_expr(Column::UpdatedAt, Expr::value(now.as_millis()))
            .filter(Column::Id.eq(id.as_str()))
            .exec(&self.connection)
            .await?;
        Ok(())
    }

    /// Wants webhooks no more; returns how many. Their deliveries are refused from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unwant_webhooks(
        &self,
        filter: &WebhookFilter,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut update = Entity::update_many()
            .col_expr(Column::Wanted, Expr::value(false))
            .col_expr(Column::UpdatedAt, Expr::value(now.as_millis()))
            .filter(Column::Wanted.eq(true));
        if let Some(preset) = filter.preset {
            update = update.filter(Column::Preset.eq(preset.as_str()));
        }
        if let Some(client_id) = &filter.client_id {
            update = update.filter(Column::ClientId.eq(client_id.as_str()));
        }
        Ok(update.exec(&self.connection).await?.rows_affected)
    }

    /// Wants one webhook no more; false when it was so before, or there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unwant_webhook(&self, id: &WebhookId, now: Timestamp) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::Wanted, Expr::value(false))
            .col_expr(Column::UpdatedAt, Expr::value(now.as_millis()))
            .filter(Column::Id.eq(id.as_str()))
            .filter(Column::Wanted.eq(true))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Deletes a webhook that is not wanted; false when it is, or there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_webhook(&self, id: &WebhookId) -> Result<bool, StoreError> {
        let deleted = Entity::delete_many()
            .filter(Column::Id.eq(id.as_str()))
            .filter(Column::Wanted.eq(false))
            .exec(&self.connection)
            .await?;
        Ok(deleted.rows_affected == 1)
    }
}

impl From<&Webhook> for Model {
    fn from(webhook: &Webhook) -> Self {
        Self {
            id: webhook.id.to_string(),
            preset: webhook.preset.as_str().to_owned(),
            client_id: webhook.client_id.to_string(),
            event: webhook.event.clone(),
            users: to_json(&webhook.users),
            technical_accounts: to_json(&webhook.technical_accounts),
            wanted: webhook.is_wanted,
            nextcloud_id: webhook.nextcloud_id,
            secret_hash: webhook.secret.map(|hash| hash.as_bytes().to_vec()),
            created_at: webhook.created_at.as_millis(),
            updated_at: webhook.updated_at.as_millis(),
        }
    }
}

impl TryFrom<Model> for Webhook {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.id);
        let secret = match &model.secret_hash {
            Some(hash) => Some(row.hash("secret_hash", hash)?),
            None => None,
        };
        Ok(Self {
            id: row.parsed("id", WebhookId::parse(model.id.as_str()))?,
            preset: row.known("preset", Preset::parse(&model.preset))?,
            client_id: row.parsed("client_id", ClientId::parse(model.client_id.as_str()))?,
            users: row.json("users", &model.users)?,
            technical_accounts: row.json("technical_accounts", &model.technical_accounts)?,
            event: model.event,
            is_wanted: model.wanted,
            nextcloud_id: model.nextcloud_id,
            secret,
            created_at: Timestamp::from_millis(model.created_at),
            updated_at: Timestamp::from_millis(model.updated_at),
        })
    }
}
