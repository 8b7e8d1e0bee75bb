//! `/metrics`, on the admin listener: what [`crate::metrics`] counts, and what is read at a scrape.
//!
//! Open to whoever reaches the listener, as collectors expect: it names no client and no user.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use broker_client::oauth::OAuthError;

use super::error::Failure;
use super::health::Health;
use super::unstored;
use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::keys::KeyPhase;
use crate::metrics::{KeyReading, Metrics, Readings};
use crate::storage::KeyState;

/// The media type of `OpenMetrics` text, which Prometheus reads as its own.
const OPEN_METRICS: (HeaderName, &str) = (
    header::CONTENT_TYPE,
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
);

/// What a scrape reads.
pub struct Scrape {
    /// What was counted.
    pub metrics: Metrics,
    /// What works.
    pub health: Arc<Health>,
    /// How much waits to be written.
    pub audit: AuditLog,
    /// The time, for ages.
    pub ambient: Ambient,
}

/// The route.
pub(super) fn routes(scrape: Arc<Scrape>) -> Router {
    Router::new()
        .route("/metrics", unstored(get(metrics)))
        .with_state(scrape)
}

async fn metrics(State(scrape): State<Arc<Scrape>>) -> Response {
    match scrape.metrics.render(&scrape.readings().await) {
        Ok(text) => ([OPEN_METRICS], text).into_response(),
        Err(error) => {
            let failed = OAuthError::server_error("The metrics could not be written.");
            Failure::from(failed.because(error)).into_response()
        }
    }
}

impl Scrape {
    async fn readings(&self) -> Readings {
        let health = &self.health;
        let readiness = health.readiness().await;
        Readings {
            dependencies: readiness.dependencies(),
            downstreams: readiness.downstreams(),
            keys: self.keys(&health.keyring.phases()),
            revocations_age: health.live.age(),
            audit_queue: self.audit.waiting(),
            pool: health.store.pool(),
        }
    }

    fn keys(&self, keys: &[KeyPhase]) -> Vec<KeyReading> {
        let states = [KeyState::Next, KeyState::Active, KeyState::Retired];
        states
            .into_iter()
            .map(|state| {
                let held = || keys.iter().filter(|key| key.state == state);
                let oldest = held().map(|key| key.since).min();
                KeyReading {
                    state: state.as_str(),
                    count: held().count(),
                    age: oldest.map_or(Duration::ZERO, |since| self.ambient.now().since(since)),
                }
            })
            .collect()
    }
}
