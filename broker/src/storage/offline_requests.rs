//! Users on their way to allow background access at the identity provider.

use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::entity::offline_request::{Column, Entity, Model};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::{DownstreamName, OfflineRequest, OfflineRequestId, Subject, Timestamp};

const TABLE: &str = "offline_requests";

impl<C: ConnectionTrait> Repository<C> {
    /// Records that a user is on his way, in place of an earlier way to the same downstream.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_offline_request(&self, request: &OfflineRequest) -> Result<(), StoreError> {
        let model = Model {
            id: request.id.to_string(),
            sub: request.sub.to_string(),
            downstream: request.downstream.to_string(),
            scope: request.scope.to_string(),
            expires_at: request.expires_at.as_millis(),
            answered_at: None,
        };
        Entity::insert(model.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::Sub, Column::Downstream])
                    .update_columns([
                        Column::Id,
                        Column::Scope,
                        Column::ExpiresAt,
                        Column::AnsweredAt,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        Ok(())
    }

    /// The request that the provider's answer belongs to, if it is this user's, not too old and was
    /// not answered before. It counts as answered from now on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn answer_offline_request(
        &self,
        id: &OfflineRequestId,
        sub: &Subject,
        now: Timestamp,
    ) -> Result<Option<OfflineRequest>, StoreError> {
        let answered = Entity::update_many()
            .col_expr(Column::AnsweredAt, Expr::value(now.as_millis()))
            .filter(Column::Id.eq(id.as_str()))
            .filter(Column::Sub.eq(sub.as_str()))
            .filter(Column::ExpiresAt.gt(now.as_millis()))
            .filter(Column::AnsweredAt.is_null())
            .exec(&self.connection)
            .await?;
        if answered.rows_affected != 1 {
            return Ok(None);
        }
        Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?
            .map(OfflineRequest::try_from)
            .transpose()
    }

    /// Ends a request; false when it was ended meanwhile: withdrawn, or replaced by a later one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_offline_request(&self, id: &OfflineRequestId) -> Result<bool, StoreError> {
        let deleted = Entity::delete_by_id(id.as_str())
            .exec(&self.connection)
            .await?;
        Ok(deleted.rows_affected == 1)
    }

    /// Ends what a user has begun, at one downstream or at all.
    ///
    /// # Errors
    /// When the database fails.
    pub(super) async fn end_offline_requests_of(
        &self,
        sub: &Subject,
        downstream: Option<&DownstreamName>,
    ) -> Result<(), StoreError> {
        let mut delete = Entity::delete_many().filter(Column::Sub.eq(sub.as_str()));
        if let Some(downstream) = downstream {
            delete = delete.filter(Column::Downstream.eq(downstream.as_str()));
        }
        delete.exec(&self.connection).await?;
        Ok(())
    }

    /// The downstreams that a user is on his way to at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pending_offline_requests(
        &self,
        sub: &Subject,
        now: Timestamp,
    ) -> Result<Vec<DownstreamName>, StoreError> {
        Entity::find()
            .filter(Column::Sub.eq(sub.as_str()))
            .filter(Column::ExpiresAt.gt(now.as_millis()))
            .all(&self.connection)
            .await?
            .into_iter()
            .map(|model| OfflineRequest::try_from(model).map(|request| request.downstream))
            .collect()
    }
}

impl TryFrom<Model> for OfflineRequest {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.id);
        Ok(Self {
            id: row.parsed("id", OfflineRequestId::parse(model.id.as_str()))?,
            sub: row.parsed("sub", Subject::parse(model.sub.as_str()))?,
            downstream: row.parsed(
                "downstream",
                DownstreamName::parse(model.downstream.as_str()),
            )?,
            scope: row.scope("scope", &model.scope)?,
            expires_at: Timestamp::from_millis(model.expires_at),
        })
    }
}
