//! How often clients are registered and whether they are used: what limits and expiry go by.

use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};

use super::entity::{client, client_use, grant, registration_attempt};
use super::{Repository, StoreError};
use crate::domain::{Client, ClientId, ClientKind, ClientStatus, Timestamp};

impl<C: ConnectionTrait> Repository<C> {
    /// Counts one more attempt of `address` in the window that began at `since`; returns how many
    /// there were, this one included. Attempts of all replicas are counted together.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_registration_attempt(
        &self,
        address: &str,
        since: Timestamp,
    ) -> Result<u64, StoreError> {
        use registration_attempt::{Column, Entity, Model};
        let first = Model {
            address: address.to_owned(),
            since: since.as_millis(),
            attempts: 1,
        };
        Entity::insert(first.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::Address, Column::Since])
                    .value(
                        Column::Attempts,
                        Expr::col((Entity, Column::Attempts)).add(1),
                    )
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        let counted = Entity::find_by_id((address.to_owned(), since.as_millis()))
            .one(&self.connection)
            .await?;
        let attempts = counted.map_or(1, |counted| counted.attempts);
        Ok(u64::try_from(attempts).unwrap_or_default())
    }

    /// Deletes the counts of windows that began before `oldest`; returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_registration_attempts(&self, oldest: Timestamp) -> Result<u64, StoreError> {
        let deleted = registration_attempt::Entity::delete_many()
            .filter(registration_attempt::Column::Since.lt(oldest.as_millis()))
            .exec(&self.connection)
            .await?;
        Ok(deleted.rows_affected)
    }

    /// Notes that somebody logged in with the client, which is there.
    ///
    /// # Errors
    /// When the database fails, or there is no such client.
    pub async fn record_client_use(&self, id: &ClientId, now: Timestamp) -> Result<(), StoreError> {
        use client_use::{Column, Entity, Model};
        let model = Model {
            client_id: id.to_string(),
            last_used_at: now.as_millis(),
        };
        Entity::insert(model.into_active_model())
            .on_conflict(
                OnConflict::column(Column::ClientId)
                    .update_column(Column::LastUsedAt)
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        Ok(())
    }

    /// At most `limit` clients that no administrator has decided on, that are older than `before`
    /// and not used: registered by themselves and never logged in with, or known by their URL and
    /// not logged in with since. None that has a session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unused_clients(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<Client>, StoreError> {
        use client::Column;
        let id = || Expr::col((client::Entity, Column::Id));
        let used = Query::select()
            .column(client_use::Column::ClientId)
            .from(client_use::Entity)
            .and_where(Expr::col(client_use::Column::ClientId).eq(id()))
            .cond_where(
                Condition::any()
                    .add(Expr::col((client::Entity, Column::Kind)).eq(ClientKind::Dynamic.as_str()))
                    .add(Expr::col(client_use::Column::LastUsedAt).gte(before.as_millis())),
            )
            .take();
        let session = Query::select()
            .column(grant::Column::Id)
            .from(grant::Entity)
            .and_where(Expr::col(grant::Column::ClientId).eq(id()))
            .and_where(Expr::col(grant::Column::EndedAt).is_null())
            .and_where(Expr::col(grant::Column::ExpiresAt).gt(now.as_millis()))
            .take();
        client::Entity::find()
            .filter(
                Column::Kind.is_in([ClientKind::Dynamic, ClientKind::Url].map(ClientKind::as_str)),
            )
            .filter(Column::Status.eq(ClientStatus::Pending.as_str()))
            .filter(Column::CreatedAt.lt(before.as_millis()))
            .filter(Expr::exists(used).not())
            .filter(Expr::exists(session).not())
            .limit(limit)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(Client::try_from)
            .collect()
    }
}
