//! Users: who has logged in, as the identity provider names them.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::entity::user::{Column, Entity, Model};
use super::page::behind;
use super::row::Row;
use super::{Page, Position, Repository, StoreError};
use crate::domain::{Subject, Timestamp, User};

const TABLE: &str = "users";

impl<C: ConnectionTrait> Repository<C> {
    /// The user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user(&self, sub: &Subject) -> Result<Option<User>, StoreError> {
        Entity::find_by_id(sub.as_str())
            .one(&self.connection)
            .await?
            .map(User::try_from)
            .transpose()
    }

    /// Lists at most `limit` users, newest first, behind `after`; only those with this Nextcloud uid,
    /// if one is given.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_users(
        &self,
        nextcloud_uid: Option<&str>,
        after: Option<&Position>,
        limit: u64,
    ) -> Result<Page<User>, StoreError> {
        let mut query = Entity::find()
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Sub)
            .limit(limit.saturating_add(1));
        if let Some(uid) = nextcloud_uid {
            query = query.filter(Column::NextcloudUid.eq(uid));
        }
        if let Some(after) = after {
            query = query.filter(behind(Column::CreatedAt, Column::Sub, after));
        }
        let users = query
            .all(&self.connection)
            .await?
            .into_iter()
            .map(User::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Page::of(users, limit, |user: &User| Position {
            at: user.created_at,
            id: user.sub.to_string(),
        }))
    }

    /// How many users there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_users(&self) -> Result<u64, StoreError> {
        Ok(Entity::find().count(&self.connection).await?)
    }

    /// The user with a Nextcloud uid who logged in last.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn latest_nextcloud_user(&self) -> Result<Option<User>, StoreError> {
        Entity::find()
            .filter(Column::NextcloudUid.is_not_null())
            .order_by_desc(Column::LastLoginAt)
            .one(&self.connection)
            .await?
            .map(User::try_from)
            .transpose()
    }

    /// Whether a user who was here before has the same Nextcloud uid but for upper and lower case
    /// of ASCII letters.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_older_uid_twin(&self, user: &User) -> Result<bool, StoreError> {
        let Some(uid) = &user.nextcloud_uid else {
            return Ok(false);
        };
        let folded = Func::lower(Expr::col(Column::NextcloudUid));
        let twin = Entity::find()
            .filter(Expr::expr(folded).eq(uid.to_ascii_lowercase()))
            .filter(Column::NextcloudUid.ne(uid))
            .filter(Column::Sub.ne(user.sub.as_str()))
            .filter(Column::CreatedAt.lte(user.created_at.as_millis()))
            .one(&self.connection)
            .await?;
        Ok(twin.is_some())
    }

    /// Records a login: creates the user, or updates everything but `created_at`. An account that had
    /// been found gone may be used again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_login(&self, user: &User) -> Result<(), StoreError> {
        Entity::insert(Model::from(user).into_active_model())
            .on_conflict(
                OnConflict::column(Column::Sub)
                    .update_columns([
                        Column::UpstreamIssuer,
                        Column::UpstreamSubject,
                        Column::NextcloudUid,
                        Column::Name,
                        Column::LastLoginAt,
                        Column::AccountEndedAt,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }
}

impl From<&User> for Model {
    fn from(user: &User) -> Self {
        Self {
            sub: user.sub.to_string(),
            upstream_issuer: user.upstream_issuer.clone(),
            upstream_subject: user.upstream_subject.clone(),
            nextcloud_uid: user.nextcloud_uid.clone(),
            name: user.name.clone(),
            created_at: user.created_at.as_millis(),
            last_login_at: user.last_login_at.as_millis(),
            account_checked_at: 0,
            account_seen_uid: None,
            account_ended_at: None,
        }
    }
}

impl TryFrom<Model> for User {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        Ok(Self {
            sub: Row::new(TABLE, &model.sub).parsed("sub", Subject::parse(model.sub.as_str()))?,
            upstream_issuer: model.upstream_issuer,
            upstream_subject: model.upstream_subject,
            nextcloud_uid: model.nextcloud_uid,
            name: model.name,
            created_at: Timestamp::from_millis(model.created_at),
            last_login_at: Timestamp::from_millis(model.last_login_at),
        })
    }
}
