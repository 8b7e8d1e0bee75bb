//! `/health/live` and `/health/ready`; the second also for `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use broker_client::http::HttpClient;
use futures_util::future::join_all;
use serde::{Serialize, Serializer};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::domain::{Downstream, DownstreamName};
use crate::keys::Keyring;
use crate::live::{CatalogHandle, Live};
use crate::storage::Store;
use crate::upstream::Upstream;

/// How long a dependency may take to say that it is there. Below the second that Kubernetes waits
/// for a probe, or a slow identity provider would count as our own failure.
const PATIENCE: Duration = Duration::from_millis(700);

/// How long what other servers said is repeated: anybody may ask us, and each question is one to them.
const REUSED_FOR: Duration = Duration::from_secs(5);

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
    /// Its downstreams are reported only: their tokens are made without them.
    pub catalog: CatalogHandle,
    /// Asks the downstreams.
    pub http: HttpClient,
    /// Cancelled when the broker is about to stop: then no more requests, please.
    pub stopping: CancellationToken,
    /// What other servers said last. Held while asking, so that many askers cause one question.
    pub others: Mutex<Option<(Instant, Others)>>,
}

/// Whether other servers answer.
#[derive(Debug, Clone)]
pub struct Others {
    upstream: Word,
    downstreams: BTreeMap<String, Word>,
}

/// Whether something works, as readers see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(bool);

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0 { "up" } else { "down" })
    }
}

/// The answer of `/health/ready`.
#[derive(Serialize)]
pub(super) struct Readiness {
    ready: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopping: bool,
    database: Word,
    revocations: Word,
    keys: Word,
    upstream: Word,
    downstreams: BTreeMap<String, Word>,
}

impl Health {
    /// Asks everything.
    pub(super) async fn readiness(&self) -> Readiness {
        let (database, others) = tokio::join!(within(self.store.ping()), self.others());
        let stopping = self.stopping.is_cancelled();
        let revocations = self.live.is_current();
        // The only proof that a key can sign is a signature; this one goes nowhere.
        let keys = self.keyring.sign("health", &()).is_ok();
        Readiness {
            ready: database && revocations && keys && !stopping,
            stopping,
            database: Word(database),
            revocations: Word(revocations),
            keys: Word(keys),
            upstream: others.upstream,
            downstreams: others.downstreams,
        }
    }

    async fn others(&self) -> Others {
        let mut last = self.others.lock().await;
        if let Some((asked, others)) = &*last
            && asked.elapsed() < REUSED_FOR
        {
            return others.clone();
        }
        let catalog = self.catalog.current();
        let downstreams = catalog.downstreams().iter().filter_map(|downstream| {
            let page = status_page(downstream)?;
            Some(async move { (downstream.name.to_string(), Word(self.answers(&page).await)) })
        });
        let (upstream, downstreams) =
            tokio::join!(within(self.upstream.check()), join_all(downstreams));
        let others = Others {
            upstream: Word(upstream),
            downstreams: downstreams.into_iter().collect(),
        };
        *last = Some((Instant::now(), others.clone()));
        others
    }

    async fn answers(&self, page: &Url) -> bool {
        let asked = tokio::time::timeout(PATIENCE, self.http.get(page, HeaderMap::new()));
        matches!(asked.await, Ok(Ok(answer)) if !answer.status.is_server_error())
    }
}

impl Readiness {
    /// What we depend on and whether it works, in words of ours.
    pub(super) fn dependencies(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("database", self.database.0),
            ("revocations", self.revocations.0),
            ("keys", self.keys.0),
            ("upstream", self.upstream.0),
        ]
    }

    /// The downstreams and whether they answer.
    pub(super) fn downstreams(&self) -> Vec<(DownstreamName, bool)> {
        let names = self.downstreams.iter();
        names
            .filter_map(|(name, up)| Some((DownstreamName::parse(name.clone()).ok()?, up.0)))
            .collect()
    }
}

/// Where a downstream says that it is up: a Nextcloud at its status page, which costs it nothing;
/// whatever else it is may answer that it has no such page.
fn status_page(downstream: &Downstream) -> Option<Url> {
    let mut url = Url::parse(downstream.uri.as_str()).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    url.set_path(&format!("{}/status.php", url.path().trim_end_matches('/')));
    Some(url)
}

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "live": true }))
}

/// `GET /health/ready`: requests can be served; if not, which dependency is down.
pub(super) async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, Json<Readiness>) {
    let readiness = health.readiness().await;
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness))
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
