//! The identity provider's tokens of logins, as sealed rows. Who opens them is
//! [`crate::upstream_tokens`].

use sea_orm::sea_query::{Expr, IntoCondition, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::entity::grant;
use super::entity::upstream_tokens::{Column, Entity, Model};
use super::lease::{Leasable, Lease, Renewed, millis};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::{AuthorizationId, GrantId, Subject, Timestamp};

const TABLE: &str = "upstream_tokens";

const ROWS: Leasable = Leasable {
    table: TABLE,
    key: "flow",
};

/// The tokens of one login. Has no `Debug` on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedTokens {
    /// The trip through `/oauth/authorize` that brought them; names the row.
    pub flow: AuthorizationId,
    /// Whose they are.
    pub sub: Subject,
    /// The session they belong to, once the code was redeemed.
    pub grant: Option<GrantId>,
    /// The access token, sealed.
    pub access_token: Vec<u8>,
    /// The refresh token, sealed; `None` when the provider gave none.
    pub refresh_token: Option<Vec<u8>>,
    /// When the access token ends; `None` when the provider did not say.
    pub expires_at: Option<Timestamp>,
    /// From when on new ones are asked for.
    pub renew_at: Option<Timestamp>,
    /// When they are of no use any more, whatever happens: the end of the code, later of the grant.
    pub keep_until: Timestamp,
    /// How often they were renewed.
    pub version: i64,
}

impl<C: ConnectionTrait> Repository<C> {
    /// Records the tokens of a login.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when that login has some.
    pub async fn insert_upstream_tokens(&self, tokens: &SealedTokens) -> Result<(), StoreError> {
        Entity::insert(Model::from(tokens).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// Makes the tokens of a login those of the grant that it became; false when none were kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn adopt_upstream_tokens(
        &self,
        flow: &AuthorizationId,
        grant: &GrantId,
        keep_until: Timestamp,
    ) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::GrantId, Expr::value(grant.as_str()))
            .col_expr(Column::KeepUntil, Expr::value(keep_until.as_millis()))
            .filter(Column::Flow.eq(flow.as_str()))
            .filter(Column::GrantId.is_null())
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// The tokens of a grant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn upstream_tokens(
        &self,
        grant: &GrantId,
    ) -> Result<Option<SealedTokens>, StoreError> {
        Entity::find()
            .filter(Column::GrantId.eq(grant.as_str()))
            .one(&self.connection)
            .await?
            .map(SealedTokens::try_from)
            .transpose()
    }

    /// Takes the lease of the row, if it is still at `version` and nobody else holds one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease_upstream_tokens(
        &self,
        flow: &AuthorizationId,
        version: i64,
        lease: Lease,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.lease(ROWS, flow.as_str(), version, lease, now).await
    }

    /// Writes what the holder of the lease brought, and gives the lease back; false when it is not
    /// the holder any more, or the tokens are destroyed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn renew_upstream_tokens(
        &self,
        next: &SealedTokens,
        lease: Lease,
    ) -> Result<bool, StoreError> {
        let renewed = Renewed {
            access_token: &next.access_token,
            refresh_token: next.refresh_token.as_deref(),
            expires_at: next.expires_at,
            renew_at: next.renew_at,
            version: next.version,
        };
        self.renew(ROWS, next.flow.as_str(), lease, &renewed).await
    }

    /// Gives a lease back without having renewed anything.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release_upstream_tokens(
        &self,
        flow: &AuthorizationId,
        lease: Lease,
    ) -> Result<(), StoreError> {
        self.release(ROWS, flow.as_str(), lease, None).await
    }

    /// Deletes the tokens of those of `grants` that have ended: nothing of them is left when the
    /// session is over. Whatever ends grants calls it in the same transaction.
    pub(super) async fn destroy_upstream_tokens(
        &self,
        grants: impl IntoCondition,
    ) -> Result<(), StoreError> {
        let ended = Query::select()
            .column(grant::Column::Id)
            .from(grant::Entity)
            .cond_where(grants)
            .and_where(grant::Column::EndedAt.is_not_null())
            .take();
        Entity::delete_many()
            .filter(Column::GrantId.in_subquery(ended))
            .exec(&self.connection)
            .await?;
        Ok(())
    }
}

impl From<&SealedTokens> for Model {
    fn from(tokens: &SealedTokens) -> Self {
        Self {
            flow: tokens.flow.to_string(),
            sub: tokens.sub.to_string(),
            grant_id: tokens.grant.as_ref().map(GrantId::to_string),
            access_token: tokens.access_token.clone(),
            refresh_token: tokens.refresh_token.clone(),
            expires_at: millis(tokens.expires_at),
            renew_at: millis(tokens.renew_at),
            keep_until: tokens.keep_until.as_millis(),
            version: tokens.version,
            lease_holder: None,
            lease_until: None,
        }
    }
}

impl TryFrom<Model> for SealedTokens {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.flow);
        let grant = model.grant_id.as_deref().map(GrantId::parse).transpose();
        Ok(Self {
            flow: row.parsed("flow", AuthorizationId::parse(model.flow.as_str()))?,
            sub: row.parsed("sub", Subject::parse(model.sub.as_str()))?,
            grant: row.parsed("grant_id", grant)?,
            access_token: model.access_token,
            refresh_token: model.refresh_token,
            expires_at: model.expires_at.map(Timestamp::from_millis),
            renew_at: model.renew_at.map(Timestamp::from_millis),
            keep_until: Timestamp::from_millis(model.keep_until),
            version: model.version,
        })
    }
}
