//! Users: who has logged in, and ending everything of one.

use serde::{Deserialize, Serialize};

use super::audit::rfc3339;
use super::{AdminApi, AdminError, Administrator, page};
use crate::domain::{AuditKind, EndReason, Subject, User};
use crate::storage::ConsentsOf;

/// Which users to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// How many, 1 to 500; default 50.
    pub limit: Option<u64>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// Only those with this Nextcloud uid.
    pub nextcloud_uid: Option<String>,
}

/// A page of users, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UserList {
    items: Vec<UserItem>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Somebody who has logged in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UserItem {
    /// Our name for him; the `sub` of his tokens.
    sub: String,
    /// The identity provider that knows him.
    upstream_issuer: String,
    /// Its name for him.
    upstream_subject: String,
    /// His Nextcloud uid, when the provider said one.
    #[serde(skip_serializing_if = "Option::is_none")]
    nextcloud_uid: Option<String>,
    /// His name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When he first logged in: RFC 3339, UTC.
    created_at: String,
    /// When he last logged in.
    last_login_at: String,
}

/// What ended.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct RevokedUser {
    /// Sessions.
    ended_sessions: u64,
    /// Logins that were under way.
    ended_logins: u64,
    /// Consents that were remembered: the next login shows the page again.
    withdrawn_consents: u64,
    /// Offline grants: background jobs get nothing for him any more.
    withdrawn_offline_grants: u64,
}

impl From<User> for UserItem {
    fn from(user: User) -> Self {
        Self {
            sub: user.sub.into(),
            upstream_issuer: user.upstream_issuer,
            upstream_subject: user.upstream_subject,
            nextcloud_uid: user.nextcloud_uid,
            name: user.name,
            created_at: rfc3339(user.created_at),
            last_login_at: rfc3339(user.last_login_at),
        }
    }
}

impl AdminApi {
    /// Lists users.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when a parameter does not fit.
    pub async fn users(&self, query: UserQuery) -> Result<UserList, AdminError> {
        let limit = page::limit(query.limit)?;
        let after = page::position(query.cursor.as_deref())?;
        let uid = page::id("nextcloud_uid", query.nextcloud_uid, |uid| {
            if uid.contains('\0') { Err(()) } else { Ok(uid) }
        })?;
        let page = self
            .store
            .list_users(uid.as_deref(), after.as_ref(), limit)
            .await?;
        Ok(UserList {
            next_cursor: page.next.as_ref().map(page::cursor),
            items: page.items.into_iter().map(UserItem::from).collect(),
        })
    }

    /// One user.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn user(&self, sub: &str) -> Result<UserItem, AdminError> {
        let sub = Subject::parse(sub).map_err(|_| NO_USER)?;
        let user = self.store.user(&sub).await?.ok_or(NO_USER)?;
        Ok(user.into())
    }

    /// Ends every session of a user and his logins that are under way, on every replica, and forgets
    /// what he consented to. He can log in anew, if the identity provider lets him.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn revoke_user(
        &self,
        by: &Administrator,
        sub: &str,
    ) -> Result<RevokedUser, AdminError> {
        let sub = Subject::parse(sub).map_err(|_| NO_USER)?;
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        transaction.user(&sub).await?.ok_or(NO_USER)?;
        let tokens = transaction.offline_tokens_of(&sub, None).await?;
        let ended = transaction
            .end_all_of_user(&sub, EndReason::Administrator, now)
            .await?;
        let consents = transaction
            .withdraw_consents(ConsentsOf::User(&sub))
            .await?;
        let mut event = by.does(AuditKind::UserRevoked, now);
        event.sub = Some(sub);
        ended.note(&mut event.details);
        event
            .details
            .insert("withdrawn_consents".to_owned(), consents.into());
        event.details.insert(
            "withdrawn_offline_grants".to_owned(),
            ended.offline_grants.into(),
        );
        self.commit(transaction, &[event]).await?;
        self.offline_tokens.revoke(tokens, &by.request);
        Ok(RevokedUser {
            ended_sessions: ended.grants,
            ended_logins: ended.logins,
            withdrawn_consents: consents,
            withdrawn_offline_grants: ended.offline_grants,
        })
    }
}

const NO_USER: AdminError = AdminError::NotFound("user");
