//! Writes audit rows in batches and tells the caller when its row is committed.
//!
//! No token leaves before the row that says so is in the database. Many callers share one commit,
//! so this costs a fraction of a write each.
//!
//! A second later they have a place in a chain of hashes ([`AuditChain`], [`verify()`]).
//!
//! For events that no transaction of their own belongs to. What changes other rows too writes its
//! event with [`crate::storage::Repository::append_audit`] in the same transaction; and while a
//! transaction is open, recording here would wait for it.

mod chain;
mod verify;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

pub use chain::{AuditChain, ChainError};
pub use verify::{Finding, Report, verify};

use crate::domain::AuditEvent;
use crate::storage::{Store, StoreError};

/// Most rows in one commit.
const BATCH: usize = 256;

/// Most rows that wait for a commit; further callers wait for a place.
const QUEUE: usize = 1024;

/// The audit trail's writer. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Record(Box<Entry>),
    Close(oneshot::Sender<()>),
}

struct Entry {
    event: AuditEvent,
    committed: oneshot::Sender<Result<(), Arc<StoreError>>>,
}

impl AuditLog {
    /// Starts the writer task on `store`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn start(store: Store) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, messages));
        Self { queue }
    }

    /// Records `event`; returns when it is committed. Waits when the writer is behind
    /// (back-pressure, nothing is dropped).
    ///
    /// # Errors
    /// When the database failed, or the log is closed; then the caller must not go on.
    pub async fn record(&self, event: AuditEvent) -> Result<(), Arc<StoreError>> {
        let (committed, outcome) = oneshot::channel();
        let closed = || Arc::new(StoreError::Stopping);
        self.queue
            .send(Message::Record(Box::new(Entry { event, committed })))
            .await
            .map_err(|_| closed())?;
        outcome.await.map_err(|_| closed())?
    }

    /// How many rows wait for a commit at this moment.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Stops taking events and returns when the rest is committed.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // An error means that another caller closed it first, and it is done.
            let _ = closed.await;
        }
    }
}

/// The writer: takes what waits, commits it at once, answers, and takes again. While one commit
/// runs the next batch gathers, so batches grow with the load.
async fn write(store: Store, mut messages: mpsc::Receiver<Message>) {
    let mut waiting = Vec::with_capacity(BATCH);
    let mut closing = Vec::new();
    while messages.recv_many(&mut waiting, BATCH).await > 0 {
        let mut entries = Vec::with_capacity(waiting.len());
        for message in waiting.drain(..) {
            match message {
                Message::Record(entry) => entries.push(*entry),
                Message::Close(done) => {
                    // What was sent until now is still received and written.
                    messages.close();
                    closing.push(done);
                }
            }
        }
        commit(&store, entries).await;
    }
    for done in closing {
        // Whoever closed may have gone.
        let _ = done.send(());
    }
}

async fn commit(store: &Store, entries: Vec<Entry>) {
    if entries.is_empty() {
        return;
    }
    let (events, callers): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .map(|entry| (entry.event, entry.committed))
        .unzip();
    let outcome = store.append_audit(&events).await.map_err(Arc::new);
    if let Err(error) = &outcome {
        tracing::error!(
            error = error as &dyn std::error::Error,
            rows = events.len(),
            "audit rows could not be written; their requests are refused"
        );
    }
    for committed in callers {
        // A caller that hung up has its row all the same.
        drop(committed.send(outcome.clone()));
    }
}
