//! Audit rows counted by kind and outcome: everything that the trail tells, as rates.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::labels::Event;
use crate::domain::{AuditKind, Outcome};

/// Counts of committed audit rows. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub struct EventCounts {
    family: Family<Event, Counter>,
}

impl EventCounts {
    /// Counts a row, once it is committed.
    pub fn count(&self, kind: AuditKind, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Ok => "ok",
            Outcome::Refused(code) => code.as_str(),
        };
        self.family
            .get_or_create(&Event::new(kind.as_str(), outcome))
            .inc();
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "audit_events",
            "Rows added to the audit trail, by event and outcome (ok, or the error code)",
            self.family.clone(),
        );
    }
}
