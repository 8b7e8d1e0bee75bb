//! The whitelist: clients listed, looked at, approved, blocked, deleted.

use serde::{Deserialize, Serialize};

use super::client_item::note_change;
use super::{AdminApi, AdminError, Administrator, ClientItem, Precondition, page};
use crate::domain::{AuditKind, Client, ClientId, ClientKind, ClientStatus, EndReason, Timestamp};
use crate::storage::{ClientFilter, Transaction};

/// How often a change is tried again that another was faster than.
const TRIES: usize = 5;

/// The longest text to search names for, in bytes.
const LONGEST_NAME: usize = 200;

/// Which clients to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ClientQuery {
    /// How many, 1 to 500; default 50.
    pub limit: Option<u64>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// Only of this status: `pending`, `approved` or `blocked`.
    pub status: Option<String>,
    /// Only of this kind: `preregistered`, `dynamic` or `url`.
    pub kind: Option<String>,
    /// Only those whose name contains this, whatever the case.
    pub name: Option<String>,
}

/// A page of clients, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ClientList {
    items: Vec<ClientItem>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A word of the whitelist.
#[derive(Clone, Copy)]
enum Verdict {
    Approve,
    Block,
}

impl AdminApi {
    /// Lists clients.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when a parameter does not fit.
    pub async fn clients(&self, query: ClientQuery) -> Result<ClientList, AdminError> {
        let limit = page::limit(query.limit)?;
        let after = page::position(query.cursor.as_deref())?;
        let word = |parameter, problem| AdminError::Invalid { parameter, problem };
        if query
            .name
            .as_ref()
            .is_some_and(|name| name.len() > LONGEST_NAME || name.chars().any(char::is_control))
        {
            return Err(word(
                "name",
                "must be a text of at most 200 bytes without control characters",
            ));
        }
        let status = query.status.as_deref().map(|status| {
            ClientStatus::parse(status)
                .ok_or(word("status", "must be pending, approved or blocked"))
        });
        let kind = query.kind.as_deref().map(|kind| {
            ClientKind::parse(kind).ok_or(word("kind", "must be preregistered, dynamic or url"))
        });
        let filter = ClientFilter {
            status: status.transpose()?,
            kind: kind.transpose()?,
            name: query.name,
        };
        let page = self
            .store
            .list_clients(&filter, after.as_ref(), limit)
            .await?;
        Ok(ClientList {
            items: page.items.iter().map(ClientItem::from).collect(),
            next_cursor: page.next.as_ref().map(page::cursor),
        })
    }

    /// One client.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn client(&self, id: &str) -> Result<Client, AdminError> {
        let id = ClientId::parse(id).map_err(|_| NO_CLIENT)?;
        self.store.client(&id).await?.ok_or(NO_CLIENT)
    }

    /// Lets a client in. One that is in already stays as it is.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Changed`].
    pub async fn approve(
        &self,
        by: &Administrator,
        id: &str,
        precondition: &Precondition,
    ) -> Result<Client, AdminError> {
        self.judge(by, id, precondition, Verdict::Approve).await
    }

    /// Shuts a client out, and ends its sessions and the logins under way, on every replica.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Changed`].
    pub async fn block(
        &self,
        by: &Administrator,
        id: &str,
        precondition: &Precondition,
    ) -> Result<Client, AdminError> {
        self.judge(by, id, precondition, Verdict::Block).await
    }

    async fn judge(
        &self,
        by: &Administrator,
        id: &str,
        precondition: &Precondition,
        verdict: Verdict,
    ) -> Result<Client, AdminError> {
        let (status, kind) = match verdict {
            Verdict::Approve => (ClientStatus::Approved, AuditKind::ClientApproved),
            Verdict::Block => (ClientStatus::Blocked, AuditKind::ClientBlocked),
        };
        for _ in 0..TRIES {
            let now = self.ambient.now();
            let transaction = self.store.begin().await?;
            let client = client_in(&transaction, id).await?;
            precondition.admits(&client)?;
            if client.status == status {
                return Ok(client);
            }
            let mut next = changed(client.clone(), now);
            next.status = status;
            if !transaction.update_client(&next, client.version).await? {
                continue;
            }
            let mut event = by.does(kind, now);
            note_change(&mut event, Some(&client), Some(&next));
            if status == ClientStatus::Blocked {
                let ended = transaction
                    .end_all_of_client(&client.id, EndReason::ClientBlocked, now)
                    .await?;
                ended.note(&mut event.details);
            }
            self.commit(transaction, &[event]).await?;
            return Ok(next);
        }
        Err(CONTENDED)
    }

    /// Deletes a client, and ends its sessions and the logins under way, on every replica.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Changed`].
    pub async fn delete_client(
        &self,
        by: &Administrator,
        id: &str,
        precondition: &Precondition,
    ) -> Result<(), AdminError> {
        for _ in 0..TRIES {
            let now = self.ambient.now();
            let transaction = self.store.begin().await?;
            let client = client_in(&transaction, id).await?;
            precondition.admits(&client)?;
            if !transaction
                .delete_client(&client.id, client.version, now)
                .await?
            {
                continue;
            }
            let ended = transaction
                .end_all_of_client(&client.id, EndReason::ClientBlocked, now)
                .await?;
            let mut event = by.does(AuditKind::ClientDeleted, now);
            note_change(&mut event, Some(&client), None);
            ended.note(&mut event.details);
            return self.commit(transaction, &[event]).await;
        }
        Err(CONTENDED)
    }
}

const NO_CLIENT: AdminError = AdminError::NotFound("client");

const CONTENDED: AdminError =
    AdminError::Conflict("The client is being changed by others. Try again.");

/// The client of this id.
pub(super) async fn client_in(transaction: &Transaction, id: &str) -> Result<Client, AdminError> {
    let id = ClientId::parse(id).map_err(|_| NO_CLIENT)?;
    transaction.client(&id).await?.ok_or(NO_CLIENT)
}

/// The next version of a client.
pub(super) fn changed(client: Client, now: Timestamp) -> Client {
    Client {
        updated_at: now,
        version: client.version + 1,
        ..client
    }
}
