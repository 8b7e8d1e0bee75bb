//! Health: alive means running; ready means that requests should come here.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::Duration;

use broker_client::{discovery::Discovery, http::HttpClient};
use http::HeaderMap;
use serde::Serialize;
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{metrics::Metrics, nextcloud::Transport};

/// How long an answer is reused: anybody may ask, and each question costs two requests.
const REUSED_FOR: Duration = Duration::from_secs(5);
/// How long a dependency may take to answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Knows the dependencies.
pub struct Health {
    transport: Arc<Transport>,
    broker: Option<(HttpClient, Arc<Discovery>)>,
    /// Whether the broker's keys were ever had, and calls could be served.
    knew_keys: AtomicBool,
    stopping: CancellationToken,
    /// Held while asking, so that many askers cause one question.
    last: Mutex<Option<(Instant, Readiness)>>,
}

/// Whether calls can be served, by dependency.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Readiness {
    /// The broker's keys can be fetched; absent without a broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker: Option<State>,
    /// Nextcloud answers.
    pub nextcloud: State,
}

/// The state of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl Readiness {
    /// Says it to whoever measures.
    pub fn tell(self, metrics: &Metrics) {
        metrics.dependency("nextcloud", self.nextcloud == State::Up);
        if let Some(broker) = self.broker {
            metrics.dependency("broker", broker == State::Up);
        }
    }
}

impl Health {
    /// Health of a gateway with these dependencies.
    #[must_use]
    pub fn new(
        transport: Arc<Transport>,
        broker: Option<(HttpClient, Arc<Discovery>)>,
        stopping: CancellationToken,
    ) -> Self {
        Self {
            transport,
            broker,
            knew_keys: AtomicBool::new(false),
            stopping,
            last: Mutex::new(None),
        }
    }

    /// Whether requests should come here.
    ///
    /// Not before the broker's keys were had once: a gateway that cannot reach its broker must not take
    /// the place of one that can. After that a dependency that is down is reported and gates nothing,
    /// since it is down for every other gateway too, and callers are better off with a sentence about
    /// it. And no more once the gateway is about to stop.
    #[must_use]
    pub fn is_ready(&self, readiness: Readiness) -> bool {
        if readiness.broker != Some(State::Down) {
            self.knew_keys.store(true, Ordering::Release);
        }
        self.knew_keys.load(Ordering::Acquire) && !self.stopping.is_cancelled()
    }

    /// Asks the dependencies, or repeats what they said a moment ago.
    pub async fn readiness(&self) -> Readiness {
        let mut last = self.last.lock().await;
        if let Some((asked, readiness)) = *last
            && asked.elapsed() < REUSED_FOR
        {
            return readiness;
        }
        let (broker, nextcloud) = tokio::join!(self.broker(), within(self.transport.is_up()));
        let readiness = Readiness { broker, nextcloud };
        *last = Some((Instant::now(), readiness));
        readiness
    }

    async fn broker(&self) -> Option<State> {
        let (http, discovery) = self.broker.as_ref()?;
        // The keys, not the metadata: those may be in the cache for an hour.
        let answers = async {
            let Ok(metadata) = discovery.metadata().await else {
                return false;
            };
            let Some(url) = &metadata.jwks_uri else {
                return false;
            };
            let answer = http.get(&discovery.reachable(url), HeaderMap::new()).await;
            answer.is_ok_and(|answer| answer.status.is_success())
        };
        Some(within(answers).await)
    }
}

async fn within(answers: impl Future<Output = bool>) -> State {
    match tokio::time::timeout(PATIENCE, answers).await {
        Ok(true) => State::Up,
        Ok(false) | Err(_) => State::Down,
    }
}
