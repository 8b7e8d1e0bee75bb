//! Audit rows.

use sea_orm::ConnectionTrait;

use super::{Repository, StoreError};
use crate::domain::{AuditEvent, AuditKind, Timestamp};

/// Which audit rows to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only this event.
    pub kind: Option<AuditKind>,
    /// Only this user.
    pub sub: Option<String>,
    /// Only this client.
    pub client_id: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// A stored audit row.
#[derive(Debug, Clone)]
pub struct StoredAuditEvent {
    /// Row id, ascending.
    pub id: i64,
    /// The event.
    pub event: AuditEvent,
}

/// A page of audit rows, newest first.
#[derive(Debug, Clone)]
pub struct AuditPage {
    /// The rows.
    pub items: Vec<StoredAuditEvent>,
    /// Pass as `before` for the next page.
    pub next: Option<i64>,
}

impl<C: ConnectionTrait> Repository<C> {
    /// Appends rows, in order, in one statement.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn append_audit(&self, _events: &[AuditEvent]) -> Result<(), StoreError> {
        todo!()
    }

    /// Lists rows with an id below `before`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_audit(
        &self,
        _filter: &AuditFilter,
        _before: Option<i64>,
        _limit: u64,
    ) -> Result<AuditPage, StoreError> {
        todo!()
    }
}
