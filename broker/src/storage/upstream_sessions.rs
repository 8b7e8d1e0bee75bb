//! Sessions at the identity provider by their `sid`, so that a logout token which names nothing else
//! (OpenID Connect Back-Channel Logout 1.0 §2.4) still says whose it is.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::entity::upstream_session::{Column, Entity, Model};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::{Subject, Timestamp};

impl<C: ConnectionTrait> Repository<C> {
    /// Notes whose session it is; each login of it keeps the note for longer.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_upstream_session(
        &self,
        sid: &str,
        sub: &Subject,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let model = Model {
            sid: sid.to_owned(),
            sub: sub.to_string(),
            expires_at: expires_at.as_millis(),
        };
        Entity::insert(model.into_active_model())
            .on_conflict(
                OnConflict::column(Column::Sid)
                    .update_columns([Column::Sub, Column::ExpiresAt])
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        Ok(())
    }

    /// Whose session it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_of_upstream_session(
        &self,
        sid: &str,
        now: Timestamp,
    ) -> Result<Option<Subject>, StoreError> {
        Entity::find_by_id(sid)
            .filter(Column::ExpiresAt.gt(now.as_millis()))
            .one(&self.connection)
            .await?
            .map(|row| {
                Row::new("upstream_sessions", &row.sid)
                    .parsed("sub", Subject::parse(row.sub.as_str()))
            })
            .transpose()
    }
}
