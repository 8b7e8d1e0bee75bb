//! Clients that nobody decided on and nobody uses are forgotten, so that what strangers register does
//! not pile up.
//!
//! One that an administrator approved or blocked stays: it is his record. One that somebody logged in
//! with stays too, since programs remember their `client_id` for years; but a client whose id is a
//! URL is back as soon as it is used, so it stays only while it is.

use std::time::Duration;

use super::summary;
use crate::domain::{Actor, AuditEvent, AuditKind, Client, Timestamp};
use crate::storage::{Store, StoreError};

/// Clients forgotten in one transaction: it must not hold up logins.
const BATCH: u64 = 100;

/// Forgets the clients that are unused for `unused_after`; returns how many.
///
/// # Errors
/// When the database fails; what was forgotten until then stays so.
pub async fn forget_unused(
    store: &Store,
    now: Timestamp,
    unused_after: Duration,
) -> Result<u64, StoreError> {
    let before = now.minus(unused_after);
    let mut total = 0;
    loop {
        let transaction = store.begin().await?;
        let unused = transaction.unused_clients(before, now, BATCH).await?;
        let mut forgotten = Vec::new();
        for client in &unused {
            if transaction
                .delete_client(&client.id, client.version, now)
                .await?
            {
                forgotten.push(expired(client, now));
            }
        }
        if forgotten.is_empty() {
            return Ok(total);
        }
        transaction.append_audit(&forgotten).await?;
        transaction.commit().await?;
        total += u64::try_from(forgotten.len()).unwrap_or(BATCH);
    }
}

fn expired(client: &Client, now: Timestamp) -> AuditEvent {
    let mut event = AuditEvent::new(now, AuditKind::ClientExpired, Actor::Broker);
    event.client_id = Some(client.id.clone());
    event.details.insert("before".to_owned(), summary(client));
    event
}
