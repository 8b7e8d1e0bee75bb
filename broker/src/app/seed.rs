//! Clients of the configuration become rows: the database holds all clients, wherever they are from.
//!
//! Each start brings the rows up to the configuration, and writes down what it changed. What an
//! administrator decided since stays: a client that he blocked is not unblocked by a restart.

use crate::domain::{Actor, AuditEvent, AuditKind, Client, ClientStatus, Timestamp};
use crate::storage::{Store, StoreError};

/// How often a client is tried again that another replica changed at the same moment.
const TRIES: usize = 5;

/// Why a configured client could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database failed.
    #[error("the configured clients could not be recorded")]
    Store(#[from] StoreError),
    /// Others kept changing it.
    #[error("the configured client {0} is being changed by others; start again")]
    Contended(String),
}

/// Brings the rows of `configured` up to date.
///
/// # Errors
/// See [`SeedError`].
pub async fn seed(store: &Store, configured: &[Client], now: Timestamp) -> Result<(), SeedError> {
    for client in configured {
        record(store, client, now).await?;
    }
    Ok(())
}

async fn record(store: &Store, client: &Client, now: Timestamp) -> Result<(), SeedError> {
    for _ in 0..TRIES {
        let transaction = store.begin().await?;
        let written = match transaction.client(&client.id).await? {
            None => match transaction.insert_client(client).await {
                Ok(()) => true,
                Err(StoreError::Conflict { .. }) => false,
                Err(error) => return Err(error.into()),
            },
            Some(stored) => {
                let next = updated(client, &stored, now);
                if same(&next, &stored) {
                    return Ok(());
                }
                transaction.update_client(&next, stored.version).await?
            }
        };
        if written {
            let mut event = AuditEvent::new(now, AuditKind::ClientSeeded, Actor::Broker);
            event.client_id = Some(client.id.clone());
            transaction.append_audit(&[event]).await?;
            transaction.commit().await?;
            return Ok(());
        }
        // Another replica starts with the same configuration: look again at what it wrote.
    }
    Err(SeedError::Contended(client.id.to_string()))
}

/// The configured client, as the next version of the stored one.
fn updated(configured: &Client, stored: &Client, now: Timestamp) -> Client {
    Client {
        status: match stored.status {
            ClientStatus::Blocked => ClientStatus::Blocked,
            ClientStatus::Pending | ClientStatus::Approved => configured.status,
        },
        registration_token: stored.registration_token,
        created_at: stored.created_at,
        updated_at: now,
        version: stored.version + 1,
        ..configured.clone()
    }
}

/// Whether nothing but the bookkeeping differs.
fn same(next: &Client, stored: &Client) -> bool {
    Client {
        updated_at: stored.updated_at,
        version: stored.version,
        ..next.clone()
    } == *stored
}
