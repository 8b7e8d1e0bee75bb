//! Initial access tokens (RFC 7591 §1.2): who may register clients that need no approval.

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use super::entity::registration_token::{Column, Entity, Model};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::{HandleHash, Timestamp};

const TABLE: &str = "registration_tokens";

/// An initial access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationToken {
    /// Who it is for, shown in the audit; unique.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: HandleHash,
    /// When it was created.
    pub created_at: Timestamp,
    /// From when on it is refused; never, without one.
    pub expires_at: Option<Timestamp>,
    /// How many clients may be registered with it; any number, without one.
    pub most_uses: Option<u32>,
    /// How many were.
    pub uses: u32,
}

impl RegistrationToken {
    /// Whether a client may be registered with it now.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
            && self.most_uses.is_none_or(|most| self.uses < most)
    }
}

impl<C: ConnectionTrait> Repository<C> {
    /// Records a token.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_registration_token(
        &self,
        token: &RegistrationToken,
    ) -> Result<(), StoreError> {
        Entity::insert(Model::from(token).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// The token with this hash, whether it is still good or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn registration_token(
        &self,
        hash: &HandleHash,
    ) -> Result<Option<RegistrationToken>, StoreError> {
        Entity::find()
            .filter(Column::Hash.eq(hash.as_bytes().to_vec()))
            .one(&self.connection)
            .await?
            .map(RegistrationToken::try_from)
            .transpose()
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn registration_tokens(&self) -> Result<Vec<RegistrationToken>, StoreError> {
        Entity::find()
            .order_by_asc(Column::Name)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(RegistrationToken::try_from)
            .collect()
    }

    /// Uses the token once, if it is still good: one conditional UPDATE, so of two racing requests
    /// for its last use one gets `true`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn use_registration_token(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let not_expired = Condition::any()
            .add(Column::ExpiresAt.is_null())
            .add(Column::ExpiresAt.gt(now.as_millis()));
        let not_used_up = Condition::any()
            .add(Column::MostUses.is_null())
            .add(Expr::col(Column::Uses).lt(Expr::col(Column::MostUses)));
        let updated = Entity::update_many()
            .col_expr(Column::Uses, Expr::col(Column::Uses).add(1))
            .filter(Column::Name.eq(name))
            .filter(not_expired)
            .filter(not_used_up)
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Deletes a token; false when there is none of this name. Clients registered with it stay.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_registration_token(&self, name: &str) -> Result<bool, StoreError> {
        let deleted = Entity::delete_by_id(name).exec(&self.connection).await?;
        Ok(deleted.rows_affected == 1)
    }
}

impl From<&RegistrationToken> for Model {
    fn from(token: &RegistrationToken) -> Self {
        Self {
            name: token.name.clone(),
            hash: token.hash.as_bytes().to_vec(),
            created_at: token.created_at.as_millis(),
            expires_at: token.expires_at.map(Timestamp::as_millis),
            most_uses: token.most_uses.map(i64::from),
            uses: i64::from(token.uses),
        }
    }
}

impl TryFrom<Model> for RegistrationToken {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.name);
        Ok(Self {
            hash: row.hash("hash", &model.hash)?,
            created_at: Timestamp::from_millis(model.created_at),
            expires_at: model.expires_at.map(Timestamp::from_millis),
            most_uses: model
                .most_uses
                .map(|most| row.parsed("most_uses", u32::try_from(most)))
                .transpose()?,
            uses: row.parsed("uses", u32::try_from(model.uses))?,
            name: model.name,
        })
    }
}
