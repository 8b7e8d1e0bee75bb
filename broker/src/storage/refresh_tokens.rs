//! Refresh tokens.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::entity::refresh_token::{Column, Entity, Model};
use super::row::{Row, hex};
use super::{Repository, StoreError};
use crate::domain::{GrantId, HandleHash, RefreshToken, Rotation, Timestamp};

const TABLE: &str = "refresh_tokens";

impl<C: ConnectionTrait> Repository<C> {
    /// Records a token that is handed out; its grant must be there.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the hash is taken.
    pub async fn insert_refresh_token(&self, token: &RefreshToken) -> Result<(), StoreError> {
        Entity::insert(Model::from(token).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// The token with this hash, spent ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refresh_token(
        &self,
        hash: &HandleHash,
    ) -> Result<Option<RefreshToken>, StoreError> {
        Entity::find_by_id(hash.as_bytes().to_vec())
            .one(&self.connection)
            .await?
            .map(RefreshToken::try_from)
            .transpose()
    }

    /// Marks a token spent if it is not yet: one conditional UPDATE; false when another was faster.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spend_refresh_token(
        &self,
        hash: &HandleHash,
        rotation: &Rotation,
    ) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::SpentAt, Expr::value(rotation.at.as_millis()))
            .col_expr(Column::Salt, Expr::value(rotation.salt.to_vec()))
            .col_expr(
                Column::SuccessorHash,
                Expr::value(rotation.successor.as_bytes().to_vec()),
            )
            .filter(Column::Hash.eq(hash.as_bytes().to_vec()))
            .filter(Column::SpentAt.is_null())
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }
}

impl From<&RefreshToken> for Model {
    fn from(token: &RefreshToken) -> Self {
        let rotation = token.rotation.as_ref();
        Self {
            hash: token.hash.as_bytes().to_vec(),
            grant_id: token.grant.to_string(),
            issued_at: token.issued_at.as_millis(),
            expires_at: token.expires_at.as_millis(),
            spent_at: rotation.map(|rotation| rotation.at.as_millis()),
            salt: rotation.map(|rotation| rotation.salt.to_vec()),
            successor_hash: rotation.map(|rotation| rotation.successor.as_bytes().to_vec()),
        }
    }
}

impl TryFrom<Model> for RefreshToken {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let key = hex(&model.hash);
        let row = Row::new(TABLE, &key);
        let rotation = match model.spent_at {
            None => None,
            Some(at) => Some(Rotation {
                at: Timestamp::from_millis(at),
                salt: row.bytes("salt", model.salt.as_deref().unwrap_or_default())?,
                successor: row.hash(
                    "successor_hash",
                    model.successor_hash.as_deref().unwrap_or_default(),
                )?,
            }),
        };
        Ok(Self {
            hash: row.hash("hash", &model.hash)?,
            grant: row.parsed("grant_id", GrantId::parse(model.grant_id.as_str()))?,
            issued_at: Timestamp::from_millis(model.issued_at),
            expires_at: Timestamp::from_millis(model.expires_at),
            rotation,
        })
    }
}
