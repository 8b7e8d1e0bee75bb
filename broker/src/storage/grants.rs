//! Grants (sessions).

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};

use super::entity::grant::{Column, Entity, Model};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::{ClientId, EndReason, Grant, GrantId, ResourceUri, Subject, Timestamp};

const TABLE: &str = "grants";

impl<C: ConnectionTrait> Repository<C> {
    /// Records a new grant.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id is taken.
    pub async fn insert_grant(&self, grant: &Grant) -> Result<(), StoreError> {
        Entity::insert(Model::from(grant).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// The grant, ended ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn grant(&self, id: &GrantId) -> Result<Option<Grant>, StoreError> {
        Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?
            .map(Grant::try_from)
            .transpose()
    }

    /// Ends a grant and destroys the identity provider's tokens that it kept; false when it had
    /// ended before, or there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_grant(
        &self,
        id: &GrantId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::EndedAt, Expr::value(now.as_millis()))
            .col_expr(Column::EndReason, Expr::value(reason.as_str()))
            .filter(Column::Id.eq(id.as_str()))
            .filter(Column::EndedAt.is_null())
            .exec(&self.connection)
            .await?;
        self.destroy_upstream_tokens(Column::Id.eq(id.as_str()))
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Grants ended at `since` or later, with when: what [`crate::live`] follows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn grants_ended_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<(GrantId, Timestamp)>, StoreError> {
        let rows: Vec<(String, i64)> = Entity::find()
            .select_only()
            .columns([Column::Id, Column::EndedAt])
            .filter(Column::EndedAt.gte(since.as_millis()))
            .into_tuple()
            .all(&self.connection)
            .await?;
        rows.into_iter()
            .map(|(id, ended)| {
                let grant = Row::new(TABLE, &id).parsed("id", GrantId::parse(id.as_str()))?;
                Ok((grant, Timestamp::from_millis(ended)))
            })
            .collect()
    }
}

impl From<&Grant> for Model {
    fn from(grant: &Grant) -> Self {
        Self {
            id: grant.id.to_string(),
            sub: grant.sub.to_string(),
            client_id: grant.client_id.to_string(),
            resource: grant.resource.to_string(),
            scope: grant.scope.to_string(),
            created_at: grant.created_at.as_millis(),
            expires_at: grant.expires_at.as_millis(),
            ended_at: grant.ended.map(|(at, _)| at.as_millis()),
            end_reason: grant.ended.map(|(_, reason)| reason.as_str().to_owned()),
        }
    }
}

impl TryFrom<Model> for Grant {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.id);
        let ended = match model.ended_at {
            None => None,
            Some(at) => {
                let reason = model.end_reason.as_deref().and_then(EndReason::parse);
                Some((Timestamp::from_millis(at), row.known("end_reason", reason)?))
            }
        };
        Ok(Self {
            id: row.parsed("id", GrantId::parse(model.id.as_str()))?,
            sub: row.parsed("sub", Subject::parse(model.sub.as_str()))?,
            client_id: row.parsed("client_id", ClientId::parse(model.client_id.as_str()))?,
            resource: row.parsed("resource", ResourceUri::parse(&model.resource))?,
            scope: row.scope("scope", &model.scope)?,
            created_at: Timestamp::from_millis(model.created_at),
            expires_at: Timestamp::from_millis(model.expires_at),
            ended,
        })
    }
}
