//! Writes audit rows in batches and tells the caller when its row is committed.
//!
//! No token leaves before the row that says so is in the database. Many callers share one commit,
//! so this costs a fraction of a write each.

use crate::domain::AuditEvent;
use crate::storage::{Store, StoreError};

/// The audit trail's writer. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog {}

impl AuditLog {
    /// Starts the writer task on `store`.
    #[must_use]
    pub fn start(_store: Store) -> Self {
        todo!()
    }

    /// Records `event`; returns when it is committed. Waits when the writer is behind
    /// (back-pressure, nothing is dropped).
    ///
    /// # Errors
    /// When the database failed; then the caller must not go on.
    pub async fn record(&self, _event: AuditEvent) -> Result<(), std::sync::Arc<StoreError>> {
        todo!()
    }

    /// Stops taking events and returns when the rest is committed.
    pub async fn close(&self) {
        todo!()
    }
}
