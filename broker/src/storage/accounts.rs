//! What the account watch knows of each user's Nextcloud account, in columns of `users`.

use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::entity::user::{Column, Entity, Model};
use super::entity::{grant, offline_grant};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::{Subject, Timestamp};

const TABLE: &str = "users";

/// A user whose account is due to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedAccount {
    /// The user.
    pub sub: Subject,
    /// His Nextcloud uid.
    pub uid: String,
    /// Whether Nextcloud has had an account of this uid since the broker knows him. One that never was
    /// there cannot have gone: it may be made by its first use.
    pub was_seen: bool,
    /// When he last logged in: what was found out counts for no later login.
    pub last_login_at: Timestamp,
}

impl<C: ConnectionTrait> Repository<C> {
    /// At most `limit` users with live sessions or standing offline grants whose accounts nobody
    /// looked at after `before`; those that wait longest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn accounts_to_check(
        &self,
        before: Timestamp,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<WatchedAccount>, StoreError> {
        Entity::find()
            .filter(Column::NextcloudUid.is_not_null())
            .filter(Column::AccountEndedAt.is_null())
            .filter(Column::AccountCheckedAt.lte(before.as_millis()))
            .filter(
                Condition::any()
                    .add(Expr::exists(live_session(now)))
                    .add(Expr::exists(standing_offline_grant())),
            )
            .order_by_asc(Column::AccountCheckedAt)
            .order_by_asc(Column::Sub)
            .limit(limit)
            .all(&self.connection)
            .await?
            .into_iter()
            .filter_map(|model| WatchedAccount::read(model).transpose())
            .collect()
    }

    /// Notes that Nextcloud was asked at `now`, and under which uid it showed the account, if it did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_account(
        &self,
        sub: &Subject,
        seen_uid: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut update = Entity::update_many()
            .col_expr(Column::AccountCheckedAt, Expr::value(now.as_millis()))
            .filter(Column::Sub.eq(sub.as_str()));
        if let Some(uid) = seen_uid {
            update = update.col_expr(Column::AccountSeenUid, Expr::value(uid));
        }
        update.exec(&self.connection).await?;
        Ok(())
    }

    /// Notes that the account is disabled or gone, until its user signs in anew; false when he has,
    /// since `account` was read, or when it was noted before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_account(
        &self,
        account: &WatchedAccount,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .col_expr(Column::AccountCheckedAt, Expr::value(now.as_millis()))
            .col_expr(Column::AccountEndedAt, Expr::value(now.as_millis()))
            // Whoever signs in anew may be given a new account, which is not there at first.
            .col_expr(Column::AccountSeenUid, Expr::value(None::<String>))
            .filter(Column::Sub.eq(account.sub.as_str()))
            .filter(Column::LastLoginAt.eq(account.last_login_at.as_millis()))
            .filter(Column::AccountEndedAt.is_null())
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected == 1)
    }

    /// Makes an account due, unless somebody has looked at it after `unless_after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn suspect_account(
        &self,
        sub: &Subject,
        unless_after: Timestamp,
    ) -> Result<(), StoreError> {
        Entity::update_many()
            .col_expr(Column::AccountCheckedAt, Expr::value(0_i64))
            .filter(Column::Sub.eq(sub.as_str()))
            .filter(Column::AccountCheckedAt.lte(unless_after.as_millis()))
            .exec(&self.connection)
            .await?;
        Ok(())
    }

    /// Whether the user's account was found disabled or gone, and he has not signed in since.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_account_ended(&self, sub: &Subject) -> Result<bool, StoreError> {
        let ended = Entity::find_by_id(sub.as_str())
            .filter(Column::AccountEndedAt.is_not_null())
            .one(&self.connection)
            .await?;
        Ok(ended.is_some())
    }
}

/// A session of the user of the outer statement.
fn live_session(now: Timestamp) -> SelectStatement {
    use grant::Column as Session;
    Query::select()
        .column(Session::Id)
        .from(grant::Entity)
        .and_where(of_this_user((grant::Entity, Session::Sub)))
        .and_where(Session::EndedAt.is_null())
        .and_where(Session::ExpiresAt.gt(now.as_millis()))
        .take()
}

/// An offline grant of the user of the outer statement.
fn standing_offline_grant() -> SelectStatement {
    use offline_grant::Column as Offline;
    Query::select()
        .column(Offline::Id)
        .from(offline_grant::Entity)
        .and_where(of_this_user((offline_grant::Entity, Offline::Sub)))
        .and_where(Offline::WithdrawnAt.is_null())
        .take()
}

fn of_this_user(sub: impl sea_orm::sea_query::IntoColumnRef) -> Expr {
    Expr::col(sub).equals((Entity, Column::Sub))
}

impl WatchedAccount {
    fn read(model: Model) -> Result<Option<Self>, StoreError> {
        let sub = Row::new(TABLE, &model.sub).parsed("sub", Subject::parse(model.sub.as_str()))?;
        Ok(model.nextcloud_uid.map(|uid| Self {
            sub,
            was_seen: model.account_seen_uid.as_ref() == Some(&uid),
            uid,
            last_login_at: Timestamp::from_millis(model.last_login_at),
        }))
    }
}
