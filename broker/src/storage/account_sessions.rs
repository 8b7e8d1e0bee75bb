//! Browsers in which users are signed in to their account pages.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::entity::account_session::{Column, Entity, Model};
use super::row::{Row, hex};
use super::{Repository, StoreError};
use crate::domain::{AccountSession, HandleHash, Subject, Timestamp};

const TABLE: &str = "account_sessions";

impl<C: ConnectionTrait> Repository<C> {
    /// Records that a user signed in.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the cookie is taken.
    pub async fn insert_account_session(&self, session: &AccountSession) -> Result<(), StoreError> {
        let model = Model {
            hash: session.cookie.as_bytes().to_vec(),
            sub: session.sub.to_string(),
            expires_at: session.expires_at.as_millis(),
        };
        Entity::insert(model.into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// The session of the browser whose cookie has this hash, if it has not expired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account_session(
        &self,
        cookie: &HandleHash,
        now: Timestamp,
    ) -> Result<Option<AccountSession>, StoreError> {
        Entity::find_by_id(cookie.as_bytes().to_vec())
            .filter(Column::ExpiresAt.gt(now.as_millis()))
            .one(&self.connection)
            .await?
            .map(AccountSession::try_from)
            .transpose()
    }

    /// Ends the session of one browser.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_account_session(&self, cookie: &HandleHash) -> Result<(), StoreError> {
        Entity::delete_by_id(cookie.as_bytes().to_vec())
            .exec(&self.connection)
            .await?;
        Ok(())
    }

    /// Ends the sessions of all browsers of a user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_account_sessions(&self, sub: &Subject) -> Result<(), StoreError> {
        Entity::delete_many()
            .filter(Column::Sub.eq(sub.as_str()))
            .exec(&self.connection)
            .await?;
        Ok(())
    }
}

impl TryFrom<Model> for AccountSession {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let key = hex(&model.hash);
        let row = Row::new(TABLE, &key);
        Ok(Self {
            cookie: row.hash("hash", &model.hash)?,
            sub: row.parsed("sub", Subject::parse(model.sub))?,
            expires_at: Timestamp::from_millis(model.expires_at),
        })
    }
}
