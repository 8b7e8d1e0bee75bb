//! Admin tokens.

use std::time::Duration;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use super::entity::admin_token::{Column, Entity, Model};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::{HandleHash, Timestamp};

const TABLE: &str = "admin_tokens";

/// How exact `last_used_at` is: a busy token must not cost a write a request.
const TOUCH_EVERY: Duration = Duration::from_mins(1);

/// What an admin token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminRole {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

impl AdminRole {
    /// The word stored in the database and used on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Read, Self::Write]
            .into_iter()
            .find(|role| role.as_str() == word)
    }
}

/// A token for the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// Who it is for, shown in the audit; unique.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: HandleHash,
    /// What it may do.
    pub role: AdminRole,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl AdminToken {
    /// Whether the next use has to be noted.
    #[must_use]
    pub fn is_touched_long_ago(&self, now: Timestamp) -> bool {
        self.last_used_at
            .is_none_or(|at| now.since(at) >= TOUCH_EVERY)
    }
}

impl<C: ConnectionTrait> Repository<C> {
    /// Records a token.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_admin_token(&self, token: &AdminToken) -> Result<(), StoreError> {
        Entity::insert(Model::from(token).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// The token with this hash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn admin_token(&self, hash: &HandleHash) -> Result<Option<AdminToken>, StoreError> {
        Entity::find()
            .filter(Column::Hash.eq(hash.as_bytes().to_vec()))
            .one(&self.connection)
            .await?
            .map(AdminToken::try_from)
            .transpose()
    }

    /// All tokens, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn admin_tokens(&self) -> Result<Vec<AdminToken>, StoreError> {
        Entity::find()
            .order_by_asc(Column::Name)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(AdminToken::try_from)
            .collect()
    }

    /// Notes that a token was used; at most one write a minute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn touch_admin_token(&self, name: &str, now: Timestamp) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::LastUsedAt, Expr::value(now.as_millis()))
            .filter(Column::Name.eq(name))
            .filter(
                Condition::any()
                    .add(Column::LastUsedAt.is_null())
                    .add(Column::LastUsedAt.lte(now.minus(TOUCH_EVERY).as_millis())),
            )
            .exec(&self.connection)
            .await?;
        Ok(())
    }

    /// Deletes a token; false when there is none of this name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_admin_token(&self, name: &str) -> Result<bool, StoreError> {
        let deleted = Entity::delete_by_id(name).exec(&self.connection).await?;
        Ok(deleted.rows_affected == 1)
    }
}

impl From<&AdminToken> for Model {
    fn from(token: &AdminToken) -> Self {
        Self {
            name: token.name.clone(),
            hash: token.hash.as_bytes().to_vec(),
            role: token.role.as_str().to_owned(),
            created_at: token.created_at.as_millis(),
            last_used_at: token.last_used_at.map(Timestamp::as_millis),
        }
    }
}

impl TryFrom<Model> for AdminToken {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.name);
        Ok(Self {
            hash: row.hash("hash", &model.hash)?,
            role: row.known("role", AdminRole::parse(&model.role))?,
            created_at: Timestamp::from_millis(model.created_at),
            last_used_at: model.last_used_at.map(Timestamp::from_millis),
            name: model.name,
        })
    }
}
