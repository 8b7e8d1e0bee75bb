//! Clients of the configuration become rows: the database holds all clients, wherever they are from.
//!
//! Each start brings the rows up to the configuration, and writes down what it changed. What an
//! administrator changed since has another version than the configuration left; it stays as he made
//! it, and each start says so. A client that the configuration names no more is blocked, unless he
//! changed it.

use std::collections::HashSet;

use crate::domain::{
    Actor, AuditEvent, AuditKind, Client, ClientId, ClientStatus, EndReason, Timestamp,
};
use crate::storage::{ClientSeed, Store, StoreError, Transaction};

/// How often a client is tried again that another replica changed at the same moment.
const TRIES: usize = 5;

/// Why a configured client or resource could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// The database failed.
    #[error("the configured clients and resources could not be recorded")]
    Store(#[from] StoreError),
    /// Others kept changing it.
    #[error("the configured client {0} is being changed by others; start again")]
    Contended(String),
}

/// Whether a step was done, or another replica was faster.
enum Step {
    Done,
    Overtaken,
}

/// Brings the rows of `configured` up to date.
///
/// # Errors
/// See [`SeedError`].
pub async fn seed(store: &Store, configured: &[Client], now: Timestamp) -> Result<(), SeedError> {
    for client in configured {
        retried(&client.id, async || record(store, client, now).await).await?;
    }
    let named: HashSet<_> = configured.iter().map(|client| &client.id).collect();
    for seed in store.client_seeds().await? {
        if seed.configured && !named.contains(&seed.client_id) {
            let id = &seed.client_id;
            retried(id, async || withdraw(store, id, now).await).await?;
        }
    }
    Ok(())
}

async fn retried(
    id: &ClientId,
    step: impl AsyncFn() -> Result<Step, SeedError>,
) -> Result<(), SeedError> {
    for _ in 0..TRIES {
        if matches!(step().await?, Step::Done) {
            return Ok(());
        }
        // Another replica starts with the same configuration: look again at what it wrote.
    }
    Err(SeedError::Contended(id.to_string()))
}

/// Writes a configured client, unless it is so already or an administrator made it otherwise.
async fn record(store: &Store, client: &Client, now: Timestamp) -> Result<Step, SeedError> {
    let transaction = store.begin().await?;
    let Some(stored) = transaction.client(&client.id).await? else {
        return match transaction.insert_client(client).await {
            Ok(()) => seeded(transaction, client, now).await,
            Err(StoreError::Conflict { .. }) => Ok(Step::Overtaken),
            Err(error) => Err(error.into()),
        };
    };
    let seed = transaction.client_seed(&client.id).await?;
    let untouched = seed
        .as_ref()
        .is_none_or(|seed| seed.version == stored.version);
    // We blocked it ourselves when it was taken out of the configuration, and now it is back.
    let returns = untouched && seed.is_some_and(|seed| !seed.configured);
    let next = updated(client, &stored, returns, now);
    if same(&next, &stored) {
        // One that an administrator blocked is not as the configuration wants it.
        return if stored.status == client.status {
            adopted(transaction, &stored).await
        } else {
            Ok(Step::Done)
        };
    }
    if !untouched {
        tracing::warn!(
            client_id = client.id.as_str(),
            "the client differs from the configuration, because an administrator changed it: it \
             stays as he made it (delete it with the admin API and start again to go back)"
        );
        return Ok(Step::Done);
    }
    if !transaction.update_client(&next, stored.version).await? {
        return Ok(Step::Overtaken);
    }
    seeded(transaction, &next, now).await
}

/// Commits what the configuration wrote, with its audit row.
async fn seeded(
    transaction: Transaction,
    client: &Client,
    now: Timestamp,
) -> Result<Step, SeedError> {
    transaction
        .record_client_seed(&ClientSeed {
            client_id: client.id.clone(),
            version: client.version,
            configured: true,
        })
        .await?;
    let mut event = AuditEvent::new(now, AuditKind::ClientSeeded, Actor::Broker);
    event.client_id = Some(client.id.clone());
    transaction.append_audit(&[event]).await?;
    transaction.commit().await?;
    Ok(Step::Done)
}

/// Notes that a client is as the configuration wants it, whoever made it so.
async fn adopted(transaction: Transaction, stored: &Client) -> Result<Step, SeedError> {
    let seed = ClientSeed {
        client_id: stored.id.clone(),
        version: stored.version,
        configured: true,
    };
    if transaction.client_seed(&stored.id).await?.as_ref() != Some(&seed) {
        transaction.record_client_seed(&seed).await?;
        transaction.commit().await?;
    }
    Ok(Step::Done)
}

/// Blocks a client that the configuration names no more, unless an administrator changed it.
async fn withdraw(store: &Store, id: &ClientId, now: Timestamp) -> Result<Step, SeedError> {
    let transaction = store.begin().await?;
    let (Some(seed), stored) = (
        transaction.client_seed(id).await?,
        transaction.client(id).await?,
    ) else {
        return Ok(Step::Done);
    };
    let Some(stored) = stored else {
        transaction.forget_client_seed(id).await?;
        transaction.commit().await?;
        return Ok(Step::Done);
    };
    if seed.version != stored.version {
        tracing::warn!(
            client_id = id.as_str(),
            "the configuration names the client no more, but an administrator changed it: it stays \
             (block or delete it with the admin API)"
        );
        return Ok(Step::Done);
    }
    let next = Client {
        status: ClientStatus::Blocked,
        updated_at: now,
        version: stored.version + 1,
        ..stored.clone()
    };
    if !transaction.update_client(&next, stored.version).await? {
        return Ok(Step::Overtaken);
    }
    let ended = transaction
        .end_all_of_client(id, EndReason::ClientBlocked, now)
        .await?;
    transaction
        .record_client_seed(&ClientSeed {
            version: next.version,
            configured: false,
            ..seed
        })
        .await?;
    let mut event = AuditEvent::new(now, AuditKind::ClientBlocked, Actor::Broker);
    event.client_id = Some(id.clone());
    for (name, value) in [
        ("reason", "the configuration names it no more".into()),
        ("ended_sessions", ended.grants.into()),
        ("ended_logins", ended.logins.into()),
    ] {
        event.details.insert(name.to_owned(), value);
    }
    transaction.append_audit(&[event]).await?;
    transaction.commit().await?;
    tracing::warn!(
        client_id = id.as_str(),
        "the configuration names the client no more: it is blocked, and its sessions are ended"
    );
    Ok(Step::Done)
}

/// The configured client, as the next version of the stored one. A client that somebody blocked is
/// not unblocked by a restart.
fn updated(configured: &Client, stored: &Client, returns: bool, now: Timestamp) -> Client {
    Client {
        status: match stored.status {
            ClientStatus::Blocked if !returns => ClientStatus::Blocked,
            ClientStatus::Blocked | ClientStatus::Pending | ClientStatus::Approved => {
                configured.status
            }
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
