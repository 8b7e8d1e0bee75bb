//! What the whitelist needs: clients listed, deleted, and everything ended that a client or a user
//! began, or that is for a resource.

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LikeExpr, OnConflict, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde_json::{Map, Value};

use super::entity::client::{Column, Entity};
use super::entity::{authorization, client_deletion, grant};
use super::page::behind;
use super::row::Row;
use super::{ConsentsOf, Page, Position, Repository, StoreError};
use crate::domain::{
    Client, ClientId, ClientKind, ClientStatus, EndReason, ResourceUri, StageKind, Subject,
    Timestamp,
};

/// Which clients to list.
#[derive(Debug, Clone, Default)]
pub struct ClientFilter {
    /// Only of this status.
    pub status: Option<ClientStatus>,
    /// Only of this kind.
    pub kind: Option<ClientKind>,
    /// Only those whose name contains this, whatever the case.
    pub name: Option<String>,
}

/// What ended with a client, a user or a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ended {
    /// Sessions.
    pub grants: u64,
    /// Logins that were under way, codes not yet redeemed included.
    pub logins: u64,
    /// Offline grants of the user.
    pub offline_grants: u64,
}

impl Ended {
    /// Notes it in the details of an audit row.
    pub fn note(self, details: &mut Map<String, Value>) {
        details.insert("ended_sessions".to_owned(), self.grants.into());
        details.insert("ended_logins".to_owned(), self.logins.into());
    }
}

impl<C: ConnectionTrait> Repository<C> {
    /// Lists at most `limit` clients, newest first, behind `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_clients(
        &self,
        filter: &ClientFilter,
        after: Option<&Position>,
        limit: u64,
    ) -> Result<Page<Client>, StoreError> {
        let mut query = Entity::find()
            .order_by_desc(Column::CreatedAt)
            .order_by_desc(Column::Id)
            .limit(limit.saturating_add(1));
        if let Some(status) = filter.status {
            query = query.filter(Column::Status.eq(status.as_str()));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(Column::Kind.eq(kind.as_str()));
        }
        if let Some(name) = &filter.name {
            let pattern = LikeExpr::new(containing(name)).escape('\\');
            query = query.filter(Expr::expr(Func::lower(Expr::col(Column::Name))).like(pattern));
        }
        if let Some(after) = after {
            query = query.filter(behind(Column::CreatedAt, Column::Id, after));
        }
        let clients = query
            .all(&self.connection)
            .await?
            .into_iter()
            .map(Client::try_from)
            .collect::<Result<_, _>>()?;
        Ok(Page::of(clients, limit, |client: &Client| Position {
            at: client.created_at,
            id: client.id.to_string(),
        }))
    }

    /// Ends everything that a client began: its logins, then its sessions.
    ///
    /// In this order and in one transaction with whatever keeps the client from beginning anew:
    /// redeeming a code changes the login's row too, so either it waits for us and finds the login
    /// ended, or we wait for it and find its session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_all_of_client(
        &self,
        id: &ClientId,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let logins = self.end_logins_of_client(id).await?;
        let of_client = grant::Column::ClientId.eq(id.as_str());
        let grants = self.end_grants(of_client, reason, now).await?;
        Ok(Ended {
            grants,
            logins,
            offline_grants: 0,
        })
    }

    /// Ends everything of a user, in the same order and for the same reason: his offline grants and
    /// the browsers in which he is signed in to his account as well.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_all_of_user(
        &self,
        sub: &Subject,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let ended = self.end_sessions_of_user(sub, reason, now).await?;
        let offline_grants = self.withdraw_offline_grants(sub, None, now).await?;
        Ok(Ended {
            offline_grants,
            ..ended
        })
    }

    /// Ends what a user began by being there: his logins, sessions and browsers, in the same order and
    /// for the same reason. What he allowed for the time he is away stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_sessions_of_user(
        &self,
        sub: &Subject,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let of_user = authorization::Column::Sub.eq(sub.as_str());
        let logins = self.end_logins(of_user).await?;
        let of_user = grant::Column::Sub.eq(sub.as_str());
        let grants = self.end_grants(of_user, reason, now).await?;
        self.delete_account_sessions(sub).await?;
        Ok(Ended {
            grants,
            logins,
            offline_grants: 0,
        })
    }

    /// Ends everything that is for a resource, in the same order and for the same reason; what users
    /// have allowed for it is forgotten.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_all_of_resource(
        &self,
        id: &ResourceUri,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let of_resource = authorization::Column::Resource.eq(id.as_str());
        let logins = self.end_logins(of_resource).await?;
        let of_resource = grant::Column::Resource.eq(id.as_str());
        let grants = self
            .end_grants(of_resource, EndReason::ResourceDeleted, now)
            .await?;
        self.withdraw_consents(ConsentsOf::Resource(id)).await?;
        Ok(Ended {
            grants,
            logins,
            offline_grants: 0,
        })
    }

    /// Ends the logins of a client that are under way, codes not yet redeemed included; returns how
    /// many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_logins_of_client(&self, id: &ClientId) -> Result<u64, StoreError> {
        let of_client = authorization::Column::ClientId.eq(id.as_str());
        self.end_logins(of_client).await
    }

    async fn end_logins(&self, which: Expr) -> Result<u64, StoreError> {
        use authorization::Column as Login;
        let running = [
            StageKind::AwaitingConsent,
            StageKind::AwaitingLogin,
            StageKind::AwaitingKnownUser,
            StageKind::Approved,
        ];
        let updated = authorization::Entity::update_many()
            .col_expr(Login::Stage, Expr::value(StageKind::Denied.as_str()))
            .col_expr(Login::Sub, Expr::value(None::<String>))
            .col_expr(Login::CodeHash, Expr::value(None::<Vec<u8>>))
            .col_expr(Login::CodeExpiresAt, Expr::value(None::<i64>))
            .filter(which)
            .filter(Login::Stage.is_in(running.map(StageKind::as_str)))
            .exec(&self.connection)
            .await?;
        Ok(updated.rows_affected)
    }

    async fn end_grants(
        &self,
        which: Expr,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        use grant::Column as Session;
        let updated = grant::Entity::update_many()
            .col_expr(Session::EndedAt, Expr::value(now.as_millis()))
            .col_expr(Session::EndReason, Expr::value(reason.as_str()))
            .filter(which.clone())
            .filter(Session::EndedAt.is_null())
            .filter(Session::ExpiresAt.gt(now.as_millis()))
            .exec(&self.connection)
            .await?;
        self.destroy_upstream_tokens(which).await?;
        Ok(updated.rows_affected)
    }

    /// Deletes a client whose version is still `expected`, in a way that every replica hears of;
    /// false when it changed meanwhile or is gone. What it began is ended by
    /// [`Repository::end_all_of_client`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_client(
        &self,
        id: &ClientId,
        expected: i64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let deleted = Entity::delete_many()
            .filter(Column::Id.eq(id.as_str()))
            .filter(Column::Version.eq(expected))
            .exec(&self.connection)
            .await?;
        if deleted.rows_affected == 0 {
            return Ok(false);
        }
        let tombstone = client_deletion::Model {
            client_id: id.to_string(),
            deleted_at: now.as_millis(),
        };
        client_deletion::Entity::insert(tombstone.into_active_model())
            .on_conflict(
                OnConflict::column(client_deletion::Column::ClientId)
                    .update_column(client_deletion::Column::DeletedAt)
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        Ok(true)
    }

    /// Clients deleted at `since` or later, and not registered anew.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clients_deleted_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<ClientId>, StoreError> {
        use client_deletion::Column as Deletion;
        let there = Query::select().column(Column::Id).from(Entity).take();
        let rows: Vec<String> = client_deletion::Entity::find()
            .select_only()
            .column(Deletion::ClientId)
            .filter(Deletion::DeletedAt.gte(since.as_millis()))
            .filter(Deletion::ClientId.not_in_subquery(there))
            .into_tuple()
            .all(&self.connection)
            .await?;
        rows.into_iter()
            .map(|id| {
                let row = Row::new("client_deletions", &id);
                row.parsed("client_id", ClientId::parse(id.as_str()))
            })
            .collect()
    }
}

/// A pattern for texts that contain `text`, none of its characters a wildcard.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
