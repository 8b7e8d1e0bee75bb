//! What is read at the moment of a scrape, rather than counted as it happens.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{Dependency, Downstream, State};
use super::{family, gauge};
use crate::domain::DownstreamName;

/// The numbers of one moment.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// What the broker depends on, by our word for it, and whether it works.
    pub dependencies: Vec<(&'static str, bool)>,
    /// The configured downstreams, and whether they answer.
    pub downstreams: Vec<(DownstreamName, bool)>,
    /// The signing keys in each state.
    pub keys: Vec<KeyReading>,
    /// How old the replica's knowledge of revocations is.
    pub revocations_age: Duration,
    /// Audit rows that wait for their commit.
    pub audit_queue: usize,
    /// The database connections of this replica.
    pub pool: PoolReading,
}

/// Signing keys in one state.
#[derive(Debug, Clone, Copy)]
pub struct KeyReading {
    /// The state: a word of ours.
    pub state: &'static str,
    /// How many keys are in it.
    pub count: usize,
    /// How long the oldest of them is; zero when there is none.
    pub age: Duration,
}

/// The connections of a pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoolReading {
    /// Open and waiting for work.
    pub idle: usize,
    /// At work.
    pub used: usize,
    /// As many as there may be.
    pub most: usize,
}

type Seconds = Gauge<f64, AtomicU64>;

/// Where readings go.
pub(super) struct Gauges {
    dependencies: Family<Dependency, Gauge>,
    downstreams: Family<Downstream, Gauge>,
    keys: Family<State, Gauge>,
    key_ages: Family<State, Seconds>,
    revocations_age: Seconds,
    audit_queue: Gauge,
    connections: Family<State, Gauge>,
    most_connections: Gauge,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let key_ages = Family::default();
        registry.register_with_unit(
            "signing_key_age",
            "Time since the oldest signing key in this state came into it",
            Unit::Seconds,
            key_ages.clone(),
        );
        let revocations_age = Seconds::default();
        registry.register_with_unit(
            "revocations_age",
            "Age of what this replica knows about revocations; above 1 it hands out no tokens",
            Unit::Seconds,
            revocations_age.clone(),
        );
        Self {
            dependencies: family(
                registry,
                "dependency_up",
                "Whether a dependency works, 1 or 0",
            ),
            downstreams: family(
                registry,
                "downstream_up",
                "Whether a downstream answers, 1 or 0",
            ),
            keys: family(registry, "signing_keys", "Published signing keys, by state"),
            key_ages,
            revocations_age,
            audit_queue: gauge(
                registry,
                "audit_queue_rows",
                "Audit rows whose requests wait for the commit",
            ),
            connections: family(
                registry,
                "database_connections",
                "Open database connections of this replica, idle or used",
            ),
            most_connections: gauge(
                registry,
                "database_connections_most",
                "As many as there may be (database.max_connections)",
            ),
        }
    }

    pub(super) fn set(&self, readings: &Readings) {
        for (dependency, up) in &readings.dependencies {
            self.dependencies
                .get_or_create(&Dependency::new(dependency))
                .set(i64::from(*up));
        }
        for (downstream, up) in &readings.downstreams {
            self.downstreams
                .get_or_create(&Downstream::new(downstream))
                .set(i64::from(*up));
        }
        for key in &readings.keys {
            let state = State::new(key.state);
            self.keys.get_or_create(&state).set(number(key.count));
            self.key_ages
                .get_or_create(&state)
                .set(key.age.as_secs_f64());
        }
        self.revocations_age
            .set(readings.revocations_age.as_secs_f64());
        self.audit_queue.set(number(readings.audit_queue));
        let connections = [("idle", readings.pool.idle), ("used", readings.pool.used)];
        for (state, count) in connections {
            self.connections
                .get_or_create(&State::new(state))
                .set(number(count));
        }
        self.most_connections.set(number(readings.pool.most));
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
