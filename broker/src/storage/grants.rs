//! Grants (sessions).

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::entity::grant::{Column, Entity, Model};
use super::page::behind;
use super::row::Row;
use super::{Page, Position, Repository, StoreError};
use crate::domain::{ClientId, EndReason, Grant, GrantId, ResourceUri, Subject, Timestamp};

const TABLE: &str = "grants";

/// Which grants to list.
#[derive(Debug, Clone, Default)]
pub struct GrantFilter {
    /// Only of this user.
    pub sub: Option<Subject>,
    /// Only of this client.
    pub client_id: Option<ClientId>,
    /// Only for this resource.
    pub resource: Option<ResourceUri>,
    /// Only those that live at this moment.
    pub live_at: Option<Timestamp>,
}

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

    /// Lists at most `limit` grants, newest first, behind `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_grants(
        &self,
        filter: &GrantFilter,
        after: Option<&Position>,
        limit: u64,
    ) -> Result<Page<Grant>, StoreError> {
        let mut query = Entity::find()
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .limit(limit.saturating_add(1));
        if let Some(sub) = &filter.sub {
            query = query.filter(Column::Sub.eq(sub.as_str()));
        }
        if let Some(client_id) = &filter.client_id {
            query = query.filter(Column::ClientId.eq(client_id.as_str()));
        }
        if let Some(resource) = &filter.resource {
            query = query.filter(Column::Resource.eq(resource.as_str()));
        }
        if let Some(now) = filter.live_at {
            query = query
                .filter(Column::EndedAt.is_null())
                .filter(Column::ExpiresAt.gt(now.as_millis()));
        }
        if let Some(after) = after {
            query = query.filter(behind(Column::CreatedAt, Column::Id, after));
        }
        let grants = query
            .all(&self.connection)
            .await?
            .into_iter()
            .map(Grant::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Page::of(grants, limit, |grant: &Grant| Position {
            at: grant.created_at,
            id: grant.id.to_string(),
        }))
    }

    /// How many grants are live at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_live_grants(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(Entity::find()
            .filter(Column::EndedAt.is_null())
            .filter(Column::ExpiresAt.gt(now.as_millis()))
            .count(&self.connection)
            .await?)
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
