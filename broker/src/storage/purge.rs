//! Deleting what has expired.
//!
//! In batches, each committed for itself: a purge must not hold up logins, however much there is.

use std::time::Duration;

use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use super::entity::{
    account_session, authorization, browser, client_assertion, client_deletion, consent, grant,
    offline_grant, offline_request, offline_tokens, refresh_token, upstream_session,
    upstream_tokens, webhooks::webhook_delivery,
};
use super::{Store, StoreError};
use crate::domain::Timestamp;

/// Rows deleted in one statement.
const BATCH: u64 = 500;

/// How long registration attempts stay counted: the longest window, and the clocks of others.
const ATTEMPTS: Duration = Duration::from_hours(2);

/// How long deliveries stay that nobody tries any more, for an administrator to decide about.
const DEAD_LETTERS: Duration = Duration::from_hours(30 * 24);

/// How long finished rows stay, for replay detection and for people who look.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Finished or expired authorizations.
    pub authorizations: Duration,
    /// Ended or expired grants with their refresh tokens; withdrawn offline grants; that a client was
    /// deleted.
    pub grants: Duration,
}

impl Store {
    /// Deletes expired rows, in bounded batches; returns how many.
    ///
    /// # Errors
    /// When the database fails; what was deleted until then stays deleted.
    pub async fn purge(&self, now: Timestamp, keep: Retention) -> Result<u64, StoreError> {
        let authorizations = now.minus(keep.authorizations).as_millis();
        let grants = now.minus(keep.grants).as_millis();

        let mut deleted = self
            .forget_registration_attempts(now.minus(ATTEMPTS))
            .await?;
        deleted += self
            .delete_in_batches::<authorization::Entity>(
                authorization::Column::Id,
                &Query::select()
                    .column(authorization::Column::Id)
                    .from(authorization::Entity)
                    .and_where(Expr::col(authorization::Column::ExpiresAt).lt(authorizations))
                    .take(),
            )
            .await?;

        deleted += self
            .delete_in_batches::<consent::Entity>(
                consent::Column::Id,
                &Query::select()
                    .column(consent::Column::Id)
                    .from(consent::Entity)
                    .and_where(Expr::col(consent::Column::ExpiresAt).lte(now.as_millis()))
                    .take(),
            )
            .await?;
        deleted += self
            .delete_in_batches::<browser::Entity>(
                browser::Column::Hash,
                &Query::select()
                    .column(browser::Column::Hash)
                    .from(browser::Entity)
                    .and_where(Expr::col(browser::Column::ExpiresAt).lte(now.as_millis()))
                    .take(),
            )
            .await?;

        deleted += self.purge_account_sessions(now).await?;
        deleted += self.purge_offline_grants(now, grants).await?;
        deleted += self.purge_upstream_tokens(now).await?;
        deleted += self.purge_upstream_sessions(now).await?;
        deleted += self.purge_dead_letters(now.minus(DEAD_LETTERS)).await?;

        let finished_grants = Condition::any()
            .add(grant::Column::ExpiresAt.lt(grants))
            .add(grant::Column::EndedAt.lt(grants));
        // Refresh tokens first and by themselves: a session that rotated for months has thousands,
        // and deleting its grant would delete them all in one statement.
        deleted += self
            .delete_in_batches::<refresh_token::Entity>(
                refresh_token::Column::Hash,
                &Query::select()
                    .column(refresh_token::Column::Hash)
                    .from(refresh_token::Entity)
                    .cond_where(
                        Condition::any()
                            .add(refresh_token::Column::ExpiresAt.lt(grants))
                            .add(
                                refresh_token::Column::GrantId.in_subquery(
                                    Query::select()
                                        .column(grant::Column::Id)
                                        .from(grant::Entity)
                                        .cond_where(finished_grants.clone())
                                        .take(),
                                ),
                            ),
                    )
                    .take(),
            )
            .await?;
        deleted += self
            .delete_in_batches::<grant::Entity>(
                grant::Column::Id,
                &Query::select()
                    .column(grant::Column::Id)
                    .from(grant::Entity)
                    .cond_where(finished_grants)
                    .take(),
            )
            .await?;
        deleted += self
            .delete_in_batches::<client_deletion::Entity>(
                client_deletion::Column::ClientId,
                &Query::select()
                    .column(client_deletion::Column::ClientId)
                    .from(client_deletion::Entity)
                    .and_where(Expr::col(client_deletion::Column::DeletedAt).lt(grants))
                    .take(),
            )
            .await?;
        deleted += self
            .delete_in_batches::<client_assertion::Entity>(
                client_assertion::Column::Hash,
                &Query::select()
                    .column(client_assertion::Column::Hash)
                    .from(client_assertion::Entity)
                    .and_where(Expr::col(client_assertion::Column::ExpiresAt).lt(now.as_millis()))
                    .take(),
            )
            .await?;
        Ok(deleted)
    }

    /// Nobody is signed in there any more.
    async fn purge_account_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.delete_in_batches::<account_session::Entity>(
            account_session::Column::Hash,
            &Query::select()
                .column(account_session::Column::Hash)
                .from(account_session::Entity)
                .and_where(Expr::col(account_session::Column::ExpiresAt).lte(now.as_millis()))
                .take(),
        )
        .await
    }

    /// Those withdrawn before this moment, in milliseconds since 1970; requests that are too old; and
    /// tokens that an older broker left behind when it withdrew.
    async fn purge_offline_grants(&self, now: Timestamp, before: i64) -> Result<u64, StoreError> {
        let withdrawn = |condition| {
            Query::select()
                .column(offline_grant::Column::Id)
                .from(offline_grant::Entity)
                .and_where(condition)
                .take()
        };
        let tokens = Query::select()
            .column(offline_tokens::Column::OfflineGrant)
            .from(offline_tokens::Entity)
            .and_where(offline_tokens::Column::OfflineGrant.in_subquery(withdrawn(
                Expr::col(offline_grant::Column::WithdrawnAt).is_not_null(),
            )))
            .take();
        let mut deleted = self
            .delete_in_batches::<offline_tokens::Entity>(
                offline_tokens::Column::OfflineGrant,
                &tokens,
            )
            .await?;
        deleted += self
            .delete_in_batches::<offline_request::Entity>(
                offline_request::Column::Id,
                &Query::select()
                    .column(offline_request::Column::Id)
                    .from(offline_request::Entity)
                    .and_where(Expr::col(offline_request::Column::ExpiresAt).lte(now.as_millis()))
                    .take(),
            )
            .await?;
        deleted += self
            .delete_in_batches::<offline_grant::Entity>(
                offline_grant::Column::Id,
                &withdrawn(Expr::col(offline_grant::Column::WithdrawnAt).lt(before)),
            )
            .await?;
        Ok(deleted)
    }

    /// Nobody looks at these once their session is over, so they do not wait for it to be old.
    async fn purge_upstream_tokens(&self, now: Timestamp) -> Result<u64, StoreError> {
        let ended = Query::select()
            .column(grant::Column::Id)
            .from(grant::Entity)
            .and_where(grant::Column::EndedAt.is_not_null())
            .take();
        let finished = Condition::any()
            .add(upstream_tokens::Column::KeepUntil.lt(now.as_millis()))
            .add(upstream_tokens::Column::GrantId.in_subquery(ended));
        self.delete_in_batches::<upstream_tokens::Entity>(
            upstream_tokens::Column::Flow,
            &Query::select()
                .column(upstream_tokens::Column::Flow)
                .from(upstream_tokens::Entity)
                .cond_where(finished)
                .take(),
        )
        .await
    }

    async fn purge_upstream_sessions(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.delete_in_batches::<upstream_session::Entity>(
            upstream_session::Column::Sid,
            &Query::select()
                .column(upstream_session::Column::Sid)
                .from(upstream_session::Entity)
                .and_where(Expr::col(upstream_session::Column::ExpiresAt).lte(now.as_millis()))
                .take(),
        )
        .await
    }

    /// Those that came before this moment.
    async fn purge_dead_letters(&self, before: Timestamp) -> Result<u64, StoreError> {
        use webhook_delivery::Column;
        self.delete_in_batches::<webhook_delivery::Entity>(
            Column::Id,
            &Query::select()
                .column(Column::Id)
                .from(webhook_delivery::Entity)
                .and_where(Column::NextAttemptAt.is_null())
                .and_where(Expr::col(Column::ReceivedAt).lt(before.as_millis()))
                .take(),
        )
        .await
    }

    async fn delete_in_batches<E: EntityTrait>(
        &self,
        key: E::Column,
        finished: &SelectStatement,
    ) -> Result<u64, StoreError> {
        let mut total = 0;
        loop {
            let batch = finished.clone().limit(BATCH).take();
            let deleted = E::delete_many()
                .filter(key.in_subquery(batch))
                .exec(&self.connection)
                .await?
                .rows_affected;
            total += deleted;
            if deleted < BATCH {
                return Ok(total);
            }
        }
    }
}
