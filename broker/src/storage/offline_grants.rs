//! Offline grants.
//!
//! What background jobs read goes through [`of_background_client`]: to any other client the
//! statement finds nothing, whatever was decided before it.

use sea_orm::sea_query::{Expr, OnConflict, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::entity::offline_grant::{Column, Entity, Model};
use super::entity::{client, user};
use super::page::behind;
use super::row::Row;
use super::{Page, Position, Repository, StoreError};
use crate::domain::{
    ClientId, ClientStatus, DownstreamName, FailingReason, OfflineGrant, OfflineGrantId,
    OfflineState, Subject, Timestamp,
};

const TABLE: &str = "offline_grants";

/// Which grants an administrator lists.
#[derive(Debug, Clone, Default)]
pub struct OfflineGrantFilter {
    /// Only of this user.
    pub sub: Option<Subject>,
    /// Only at this downstream.
    pub downstream: Option<DownstreamName>,
    /// Only those that stand, working or not.
    pub only_standing: bool,
}

impl<C: ConnectionTrait> Repository<C> {
    /// Lists at most `limit` grants for an administrator, newest first, behind `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_offline_grants(
        &self,
        filter: &OfflineGrantFilter,
        after: Option<&Position>,
        limit: u64,
    ) -> Result<Page<OfflineGrant>, StoreError> {
        let mut query = Entity::find()
            .order_by_desc(Column::GrantedAt)
            .order_by_desc(Column::Id)
            .limit(limit.saturating_add(1));
        if let Some(sub) = &filter.sub {
            query = query.filter(Column::Sub.eq(sub.as_str()));
        }
        if let Some(downstream) = &filter.downstream {
            query = query.filter(Column::Downstream.eq(downstream.as_str()));
        }
        if filter.only_standing {
            query = query.filter(Column::WithdrawnAt.is_null());
        }
        if let Some(after) = after {
            query = query.filter(behind(Column::GrantedAt, Column::Id, after));
        }
        let grants = query
            .all(&self.connection)
            .await?
            .into_iter()
            .map(OfflineGrant::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Page::of(grants, limit, |grant: &OfflineGrant| Position {
            at: grant.granted_at,
            id: grant.id.to_string(),
        }))
    }

    /// The grant, withdrawn or not, for an administrator.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn offline_grant(
        &self,
        id: &OfflineGrantId,
    ) -> Result<Option<OfflineGrant>, StoreError> {
        Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?
            .map(OfflineGrant::try_from)
            .transpose()
    }

    /// What a user has answered, withdrawn grants included, one for each downstream.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn offline_grants_of(&self, sub: &Subject) -> Result<Vec<OfflineGrant>, StoreError> {
        Entity::find()
            .filter(Column::Sub.eq(sub.as_str()))
            .order_by_asc(Column::Downstream)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(OfflineGrant::try_from)
            .collect()
    }

    /// Where a user's background access at a downstream stands, and his grant there, if he ever gave
    /// one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn offline_state(
        &self,
        sub: &Subject,
        downstream: &DownstreamName,
        now: Timestamp,
    ) -> Result<(OfflineState, Option<OfflineGrant>), StoreError> {
        let grants = self.offline_grants_of(sub).await?;
        let grant = grants
            .into_iter()
            .find(|grant| grant.downstream == *downstream);
        let pending = self.pending_offline_requests(sub, now).await?;
        let state = OfflineState::of(grant.as_ref(), pending.contains(downstream));
        Ok((state, grant))
    }

    /// Records a grant, in place of an earlier one of the same user at the same downstream.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_offline_grant(&self, grant: &OfflineGrant) -> Result<(), StoreError> {
        let model = Model {
            id: grant.id.to_string(),
            sub: grant.sub.to_string(),
            downstream: grant.downstream.to_string(),
            scope: grant.scope.to_string(),
            granted_at: grant.granted_at.as_millis(),
            withdrawn_at: grant.withdrawn_at.map(Timestamp::as_millis),
            failing_since: grant.failing.map(|(since, _)| since.as_millis()),
            failing_reason: grant.failing.map(|(_, reason)| reason.as_str().to_owned()),
        };
        Entity::insert(model.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::Sub, Column::Downstream])
                    .update_columns([
                        Column::Id,
                        Column::Scope,
                        Column::GrantedAt,
                        Column::WithdrawnAt,
                        Column::FailingSince,
                        Column::FailingReason,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        Ok(())
    }

    /// Withdraws what a user granted, at one downstream or at all; returns how many grants. Their
    /// tokens are deleted, and who is on his way to allow one comes too late. To be called in a
    /// transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withdraw_offline_grants(
        &self,
        sub: &Subject,
        downstream: Option<&DownstreamName>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.end_offline_requests_of(sub, downstream).await?;
        self.destroy_offline_tokens_of(sub, downstream).await?;
        let mut update = Entity::update_many()
            .col_expr(Column::WithdrawnAt, Expr::value(now.as_millis()))
            .filter(Column::Sub.eq(sub.as_str()))
            .filter(Column::WithdrawnAt.is_null());
        if let Some(downstream) = downstream {
            update = update.filter(Column::Downstream.eq(downstream.as_str()));
        }
        Ok(update.exec(&self.connection).await?.rows_affected)
    }

    /// The grant, withdrawn or not, as the background client `client_id` may see it: to any other
    /// client there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn offline_grant_for(
        &self,
        client_id: &ClientId,
        id: &OfflineGrantId,
    ) -> Result<Option<OfflineGrant>, StoreError> {
        Entity::find_by_id(id.as_str())
            .filter(Expr::exists(of_background_client(client_id)))
            .one(&self.connection)
            .await?
            .map(OfflineGrant::try_from)
            .transpose()
    }

    /// At most `limit` standing grants at these downstreams, by id, behind `after`, as the background
    /// client `client_id` may see them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn offline_grants_for(
        &self,
        client_id: &ClientId,
        downstreams: &[DownstreamName],
        after: Option<&OfflineGrantId>,
        limit: u64,
    ) -> Result<Vec<OfflineGrant>, StoreError> {
        let names = downstreams.iter().map(DownstreamName::as_str);
        let mut query = Entity::find()
            .filter(Expr::exists(of_background_client(client_id)))
            .filter(Column::Downstream.is_in(names))
            .filter(Column::WithdrawnAt.is_null())
            .order_by_asc(Column::Id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(Column::Id.gt(after.as_str()));
        }
        query
            .all(&self.connection)
            .await?
            .into_iter()
            .map(OfflineGrant::try_from)
            .collect()
    }

    /// Whether the user of this Nextcloud uid has a working grant at one of these downstreams, as the
    /// background client `client_id` may see it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_offline_grant_for(
        &self,
        client_id: &ClientId,
        downstreams: &[DownstreamName],
        uid: &str,
    ) -> Result<bool, StoreError> {
        let names = downstreams.iter().map(DownstreamName::as_str);
        let user = Query::select()
            .column(user::Column::Sub)
            .from(user::Entity)
            .and_where(user::Column::NextcloudUid.eq(uid))
            .and_where(user::Column::AccountEndedAt.is_null())
            .take();
        let found = Entity::find()
            .filter(Expr::exists(of_background_client(client_id)))
            .filter(Column::Downstream.is_in(names))
            .filter(Column::WithdrawnAt.is_null())
            .filter(Column::FailingSince.is_null())
            .filter(Column::Sub.in_subquery(user))
            .one(&self.connection)
            .await?;
        Ok(found.is_some())
    }
}

/// The client, if it is an approved background job.
fn of_background_client(id: &ClientId) -> SelectStatement {
    Query::select()
        .column(client::Column::Id)
        .from(client::Entity)
        .and_where(client::Column::Id.eq(id.as_str()))
        .and_where(client::Column::Background.eq(true))
        .and_where(client::Column::Status.eq(ClientStatus::Approved.as_str()))
        .take()
}

impl TryFrom<Model> for OfflineGrant {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.id);
        Ok(Self {
            id: row.parsed("id", OfflineGrantId::parse(model.id.as_str()))?,
            sub: row.parsed("sub", Subject::parse(model.sub.as_str()))?,
            downstream: row.parsed(
                "downstream",
                DownstreamName::parse(model.downstream.as_str()),
            )?,
            scope: row.scope("scope", &model.scope)?,
            granted_at: Timestamp::from_millis(model.granted_at),
            failing: model
                .failing_since
                .map(|since| {
                    let reason = model.failing_reason.as_deref();
                    let reason = reason.and_then(FailingReason::parse);
                    let reason = row.known("failing_reason", reason)?;
                    Ok::<_, StoreError>((Timestamp::from_millis(since), reason))
                })
                .transpose()?,
            withdrawn_at: model.withdrawn_at.map(Timestamp::from_millis),
        })
    }
}
