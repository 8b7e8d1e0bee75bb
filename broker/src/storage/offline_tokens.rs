//! The identity provider's tokens of offline grants, as sealed rows. Who opens them is
//! [`crate::offline_tokens`].
//!
//! A table of its own: nothing that reads the tokens of sessions finds one of these.

use sea_orm::sea_query::{Expr, OnConflict, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::entity::offline_grant;
use super::entity::offline_tokens::{Column, Entity, Model};
use super::lease::{Leasable, Lease, Renewed, millis};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::{DownstreamName, FailingReason, OfflineGrantId, Subject, Timestamp};

const TABLE: &str = "offline_tokens";

const ROWS: Leasable = Leasable {
    table: TABLE,
    key: "offline_grant",
};

/// The tokens of one offline grant. Has no `Debug` on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedOfflineTokens {
    /// Whose they are; names the row.
    pub grant: OfflineGrantId,
    /// The user.
    pub sub: Subject,
    /// The access token, sealed.
    pub access_token: Vec<u8>,
    /// The refresh token, sealed.
    pub refresh_token: Vec<u8>,
    /// When the access token ends.
    pub expires_at: Option<Timestamp>,
    /// From when on new ones are asked for.
    pub renew_at: Option<Timestamp>,
    /// How often they were renewed or replaced.
    pub version: i64,
    /// Until when somebody has the lease. One that is over was never given back: its holder died
    /// between asking the provider and storing the answer.
    pub leased_until: Option<Timestamp>,
}

impl<C: ConnectionTrait> Repository<C> {
    /// Records the tokens of a grant, in place of earlier ones; whoever renews those comes too late.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_offline_tokens(
        &self,
        tokens: &SealedOfflineTokens,
    ) -> Result<(), StoreError> {
        let earlier = self.offline_tokens(&tokens.grant).await?;
        let model = Model {
            offline_grant: tokens.grant.to_string(),
            sub: tokens.sub.to_string(),
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            expires_at: millis(tokens.expires_at),
            renew_at: millis(tokens.renew_at),
            version: earlier.map_or(tokens.version, |earlier| earlier.version + 1),
            lease_holder: None,
            lease_until: None,
        };
        Entity::insert(model.into_active_model())
            .on_conflict(
                OnConflict::column(Column::OfflineGrant)
                    .update_columns([
                        Column::Sub,
                        Column::AccessToken,
                        Column::RefreshToken,
                        Column::ExpiresAt,
                        Column::RenewAt,
                        Column::Version,
                        Column::LeaseHolder,
                        Column::LeaseUntil,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        Ok(())
    }

    /// The tokens of a grant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn offline_tokens(
        &self,
        grant: &OfflineGrantId,
    ) -> Result<Option<SealedOfflineTokens>, StoreError> {
        Entity::find_by_id(grant.as_str())
            .one(&self.connection)
            .await?
            .map(SealedOfflineTokens::try_from)
            .transpose()
    }

    /// The tokens of a user's grants, at one downstream or at all.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn offline_tokens_of(
        &self,
        sub: &Subject,
        downstream: Option<&DownstreamName>,
    ) -> Result<Vec<SealedOfflineTokens>, StoreError> {
        Entity::find()
            .filter(Column::OfflineGrant.in_subquery(of_user(sub, downstream)))
            .all(&self.connection)
            .await?
            .into_iter()
            .map(SealedOfflineTokens::try_from)
            .collect()
    }

    /// Deletes the tokens of a user's grants, at one downstream or at all.
    pub(super) async fn destroy_offline_tokens_of(
        &self,
        sub: &Subject,
        downstream: Option<&DownstreamName>,
    ) -> Result<(), StoreError> {
        Entity::delete_many()
            .filter(Column::OfflineGrant.in_subquery(of_user(sub, downstream)))
            .exec(&self.connection)
            .await?;
        Ok(())
    }

    /// Takes the lease of the row, if it is still at `version` and nobody else holds one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease_offline_tokens(
        &self,
        grant: &OfflineGrantId,
        version: i64,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.lease(ROWS, grant.as_str(), version, lease, now).await
    }

    /// Writes what the holder of the lease brought, and gives the lease back; false when it is not
    /// the holder any more, or the grant was withdrawn.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_offline_tokens(
        &self,
        next: &SealedOfflineTokens,
        lease: Lease,
    ) -> Result<bool, StoreError> {
        let renewed = Renewed {
            access_token: &next.access_token,
            refresh_token: Some(&next.refresh_token),
            expires_at: next.expires_at,
            renew_at: next.renew_at,
            version: next.version,
        };
        self.renew(ROWS, next.grant.as_str(), lease, &renewed).await
    }

    /// Gives a lease back without having renewed anything; `earlier` is the end of one that was never
    /// given back, which stays to be seen until new tokens come.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_offline_tokens(
        &self,
        grant: &OfflineGrantId,
        lease: Lease,
        earlier: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        self.release(ROWS, grant.as_str(), lease, earlier).await
    }

    /// Marks the grant as failing and deletes its tokens, if `lease` is still held: nobody else may
    /// have brought better ones meanwhile. To be called in a transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fail_offline_grant(
        &self,
        grant: &OfflineGrantId,
        lease: Lease,
        reason: FailingReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let deleted = Entity::delete_many()
            .filter(Column::OfflineGrant.eq(grant.as_str()))
            .filter(Column::LeaseHolder.eq(lease.holder.to_vec()))
            .exec(&self.connection)
            .await?;
        if deleted.rows_affected != 1 {
            return Ok(false);
        }
        offline_grant::Entity::update_many()
            .col_expr(
                offline_grant::Column::FailingSince,
                Expr::value(now.as_millis()),
            )
            .col_expr(
                offline_grant::Column::FailingReason,
                Expr::value(reason.as_str()),
            )
            .filter(offline_grant::Column::Id.eq(grant.as_str()))
            .exec(&self.connection)
            .await?;
        Ok(true)
    }

    /// At most `limit` grants whose lease was never given back, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn interrupted_offline_grants(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<OfflineGrantId>, StoreError> {
        Entity::find()
            .filter(Column::LeaseUntil.lte(now.as_millis()))
            .order_by_asc(Column::LeaseUntil)
            .limit(limit)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(|model| SealedOfflineTokens::try_from(model).map(|tokens| tokens.grant))
            .collect()
    }
}

/// The ids of a user's grants.
fn of_user(sub: &Subject, downstream: Option<&DownstreamName>) -> SelectStatement {
    let mut grants = Query::select()
        .column(offline_grant::Column::Id)
        .from(offline_grant::Entity)
        .and_where(offline_grant::Column::Sub.eq(sub.as_str()))
        .take();
    if let Some(downstream) = downstream {
        grants.and_where(offline_grant::Column::Downstream.eq(downstream.as_str()));
    }
    grants
}

impl TryFrom<Model> for SealedOfflineTokens {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.offline_grant);
        let grant = OfflineGrantId::parse(model.offline_grant.as_str());
        Ok(Self {
            grant: row.parsed("offline_grant", grant)?,
            sub: row.parsed("sub", Subject::parse(model.sub.as_str()))?,
            access_token: model.access_token,
            refresh_token: model.refresh_token,
            expires_at: model.expires_at.map(Timestamp::from_millis),
            renew_at: model.renew_at.map(Timestamp::from_millis),
            version: model.version,
            leased_until: model.lease_until.map(Timestamp::from_millis),
        })
    }
}
