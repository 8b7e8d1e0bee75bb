//! Counting audit rows when they are committed: at once on the pool, with the commit in a transaction.

use std::sync::{Mutex, PoisonError};

use crate::domain::{AuditEvent, AuditKind, Outcome};
use crate::metrics::EventCounts;

/// The rows that were appended here.
#[derive(Default)]
pub(super) struct Appended {
    counts: EventCounts,
    /// In a transaction: what will count if it is committed.
    waiting: Option<Mutex<Vec<(AuditKind, Outcome)>>>,
}

impl Clone for Appended {
    fn clone(&self) -> Self {
        Self {
            counts: self.counts.clone(),
            waiting: None,
        }
    }
}

impl Appended {
    pub(super) const fn counts(&self) -> &EventCounts {
        &self.counts
    }

    pub(super) fn in_transaction(&self) -> Self {
        Self {
            counts: self.counts.clone(),
            waiting: Some(Mutex::default()),
        }
    }

    pub(super) fn add(&self, events: &[AuditEvent]) {
        let rows = events.iter().map(|event| (event.kind, event.outcome));
        match &self.waiting {
            Some(waiting) => waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(rows),
            None => rows.for_each(|(kind, outcome)| self.counts.count(kind, outcome)),
        }
    }

    /// The transaction is committed.
    pub(super) fn committed(self) {
        let rows = self.waiting.unwrap_or_default();
        for (kind, outcome) in rows.into_inner().unwrap_or_else(PoisonError::into_inner) {
            self.counts.count(kind, outcome);
        }
    }
}
