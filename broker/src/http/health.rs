//! `/health/live` and `/health/ready`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use crate::keys::Keyring;
use crate::live::Live;
use crate::storage::Store;
use crate::upstream::Upstream;

/// How long a dependency may take to say that it is there. Below the second that Kubernetes waits
/// for a probe, or a slow identity provider would count as our own failure.
const PATIENCE: Duration = Duration::from_millis(700);

/// What readiness depends on.
pub struct Health {
    /// Must answer.
    pub store: Store,
    /// Must be up to date: a replica that misses revocations must not get requests.
    pub live: Live,
    /// Must be able to sign.
    pub keyring: Keyring,
    /// Reported only: without the IdP nobody can log in, but those who have go on.
    pub upstream: Arc<Upstream>,
}

/// The answer of `/health/ready`.
#[derive(Serialize)]
pub(super) struct Readiness {
    ready: bool,
    database: &'static str,
    revocations: &'static str,
    keys: &'static str,
    upstream: &'static str,
}

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "live": true }))
}

/// `GET /health/ready`: requests can be served; if not, which dependency is down.
pub(super) async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, Json<Readiness>) {
    let (database, upstream) =
        tokio::join!(within(health.store.ping()), within(health.upstream.check()));
    let revocations = health.live.is_current();
    // The only proof that a key can sign is a signature; this one goes nowhere.
    let keys = health.keyring.sign("health", &()).is_ok();
    let ready = database && revocations && keys;
    let word = |up: bool| if up { "up" } else { "down" };
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(Readiness {
            ready,
            database: word(database),
            revocations: word(revocations),
            keys: word(keys),
            upstream: word(upstream),
        }),
    )
}

/// Whether a check succeeds in time. The reason of a failure is in the log.
async fn within<E: std::error::Error>(check: impl Future<Output = Result<(), E>>) -> bool {
    match tokio::time::timeout(PATIENCE, check).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a dependency is down");
            false
        }
        Err(_) => {
            tracing::warn!("a dependency does not answer in time");
            false
        }
    }
}
