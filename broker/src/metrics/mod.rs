//! What the broker counts and measures, for `/metrics`.
//!
//! Each label has few values, by its type: a word of ours, a route's template, or the name of something
//! in the configuration. Client ids, users and whatever strangers send are never labels; for them there
//! is the audit trail. `docs/operations.md` has a table of all metrics, which a test compares.
//!
//! Counters are of this process and begin at zero with it. What a number is read from, and when, is
//! left to [`crate::http`], which hands [`Readings`] over at each scrape.

mod events;
mod labels;
mod readings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use broker_client::oauth::{ErrorCode, OAuthError};
use broker_client::verify::VerifyError;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub use events::EventCounts;
pub use readings::{KeyReading, PoolReading, Readings};

use self::labels::{Exchange, Grant, Operation, Request, Route, Strategy, Task, TokenRequest};
use self::labels::{Limit, Reason, State, UpstreamRequest};
use self::readings::Gauges;
use crate::domain::{DownstreamName, GrantType, Timestamp};

/// Upper bounds of durations, in seconds: from an exchange that reads memory only, to a login whose
/// identity provider takes its time.
const DURATIONS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// All metrics of one broker process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_durations: Durations<Route>,
    requests_running: Gauge,
    token_requests: Family<TokenRequest, Counter>,
    token_request_durations: Durations<Grant>,
    exchanges: Family<Exchange, Counter>,
    exchange_durations: Durations<Strategy>,
    token_rejections: Family<Reason, Counter>,
    upstream_requests: Family<UpstreamRequest, Counter>,
    upstream_request_durations: Durations<Operation>,
    rate_limited: Family<Limit, Counter>,
    audit_unsealed: Gauge,
    webhook_deliveries: Family<State, Gauge>,
    task_runs: Family<Task, Counter>,
    task_successes: Family<labels::TaskName, Gauge>,
    spans: Family<labels::Ended, Counter>,
    gauges: Gauges,
}

impl Metrics {
    /// Metrics at zero; `events` are counted by whoever commits audit rows.
    #[must_use]
    pub fn new(events: &EventCounts) -> Self {
        let mut registry = Registry::with_prefix("broker");
        registry.register(
            "build",
            "The version that runs",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        events.register(&mut registry);
        let gauges = Gauges::register(&mut registry);
        let inner = Inner {
            requests: counters(
                &mut registry,
                "http_requests",
                "Requests answered, by route, method and status",
            ),
            request_durations: durations(
                &mut registry,
                "http_request_duration",
                "How long requests took",
            ),
            requests_running: gauge(
                &mut registry,
                "http_requests_running",
                "Requests being answered",
            ),
            token_requests: counters(
                &mut registry,
                "token_requests",
                "Requests to the token endpoint, by grant type and outcome (ok, or the error code)",
            ),
            token_request_durations: durations(
                &mut registry,
                "token_request_duration",
                "How long requests to the token endpoint took",
            ),
            exchanges: counters(
                &mut registry,
                "exchanges",
                "Decided token exchanges, by strategy, downstream and outcome",
            ),
            exchange_durations: durations(
                &mut registry,
                "exchange_duration",
                "How long token exchanges took, calls to the identity provider included",
            ),
            token_rejections: counters(
                &mut registry,
                "access_token_rejections",
                "Access tokens of ours that were presented and did not verify, by reason",
            ),
            upstream_requests: counters(
                &mut registry,
                "upstream_requests",
                "Requests to the identity provider's token endpoint, by operation and outcome",
            ),
            upstream_request_durations: durations(
                &mut registry,
                "upstream_request_duration",
                "How long the identity provider's token endpoint took",
            ),
            rate_limited: counters(
                &mut registry,
                "rate_limited_requests",
                "Requests refused with 429 by [limits], by what is limited and of whom",
            ),
            audit_unsealed: gauge(
                &mut registry,
                "audit_unsealed_rows",
                "Audit rows without a place in the chain of seals",
            ),
            webhook_deliveries: family(
                &mut registry,
                "webhook_deliveries",
                "Events for background clients, waiting or dead",
            ),
            task_runs: counters(
                &mut registry,
                "task_runs",
                "Runs of periodic tasks, by outcome",
            ),
            task_successes: family(
                &mut registry,
                "task_last_success_timestamp_seconds",
                "When each periodic task last worked, in seconds since 1970",
            ),
            spans: counters(
                &mut registry,
                "spans",
                "Spans for the collector, by whether it has them",
            ),
            gauges,
            registry,
        };
        // There from the start, so that the first one that is lost is a change.
        for outcome in ["exported", "lost"] {
            drop(inner.spans.get_or_create(&labels::Ended::new(outcome)));
        }
        Self {
            inner: Arc::new(inner),
        }
    }

    /// A request is being answered, until what is returned is dropped.
    #[must_use]
    pub fn request_running(&self) -> Running {
        self.inner.requests_running.inc();
        Running(self.inner.requests_running.clone())
    }

    /// A request to `route`, which is a template, was answered.
    pub fn request(&self, route: &str, method: &http::Method, status: u16, took: Duration) {
        let route = Route::new(route);
        self.inner
            .request_durations
            .get_or_create(&route)
            .observe(took.as_secs_f64());
        let request = Request::new(route, method, status);
        self.inner.requests.get_or_create(&request).inc();
    }

    /// A token request was answered; `grant` as far as the request named one that exists.
    pub fn token_request<T>(
        &self,
        grant: Option<GrantType>,
        outcome: &Result<T, OAuthError>,
        took: Duration,
    ) {
        let grant = Grant::new(grant);
        self.inner
            .token_request_durations
            .get_or_create(&grant)
            .observe(took.as_secs_f64());
        let request = TokenRequest::new(&grant, word(outcome));
        self.inner.token_requests.get_or_create(&request).inc();
    }

    /// A token for a configured downstream was handed out, or refused after the request was
    /// understood.
    pub fn exchange<T>(
        &self,
        strategy: &'static str,
        downstream: &DownstreamName,
        outcome: &Result<T, OAuthError>,
        took: Duration,
    ) {
        let strategy = Strategy::new(strategy);
        self.inner
            .exchange_durations
            .get_or_create(&strategy)
            .observe(took.as_secs_f64());
        let exchange = Exchange::new(&strategy, downstream, word(outcome));
        self.inner.exchanges.get_or_create(&exchange).inc();
    }

    /// An access token of ours did not verify.
    pub fn token_rejected(&self, error: &VerifyError) {
        let reason = Reason::new(error.reason());
        self.inner.token_rejections.get_or_create(&reason).inc();
    }

    /// The identity provider's token endpoint was asked; `operation` and `outcome` are constants.
    pub fn upstream_request(&self, operation: &'static str, outcome: &'static str, took: Duration) {
        let operation = Operation::new(operation);
        self.inner
            .upstream_request_durations
            .get_or_create(&operation)
            .observe(took.as_secs_f64());
        let request = UpstreamRequest::new(&operation, outcome);
        self.inner.upstream_requests.get_or_create(&request).inc();
    }

    /// So many audit rows have no seal.
    pub fn audit_unsealed(&self, rows: u64) {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        self.inner.audit_unsealed.set(rows);
    }

    /// So many events wait for background clients, and so many are dead letters.
    pub fn webhook_deliveries(&self, waiting: u64, dead: u64) {
        for (state, count) in [("waiting", waiting), ("dead", dead)] {
            self.inner
                .webhook_deliveries
                .get_or_create(&State::new(state))
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// A request was one too many; both are constants.
    pub fn rate_limited(&self, what: &'static str, of: &'static str) {
        self.inner
            .rate_limited
            .get_or_create(&Limit::new(what, of))
            .inc();
    }

    /// So many spans came to this end.
    pub fn spans(&self, outcome: &'static str, count: u64) {
        self.inner
            .spans
            .get_or_create(&labels::Ended::new(outcome))
            .inc_by(count);
    }

    /// A run of a periodic task ended well at `now`.
    pub fn task_worked(&self, task: &'static str, now: Timestamp) {
        self.inner
            .task_runs
            .get_or_create(&Task::new(task, "ok"))
            .inc();
        self.inner
            .task_successes
            .get_or_create(&labels::TaskName::new(task))
            .set(now.as_secs());
    }

    /// A run of a periodic task failed.
    pub fn task_failed(&self, task: &'static str) {
        self.inner
            .task_runs
            .get_or_create(&Task::new(task, "failed"))
            .inc();
    }

    /// Everything as `OpenMetrics` text, with what was just read.
    ///
    /// # Errors
    /// Never in practice: formatting into memory.
    pub fn render(&self, readings: &Readings) -> Result<String, fmt::Error> {
        self.inner.gauges.set(readings);
        let mut text = String::new();
        encode(&mut text, &self.inner.registry)?;
        Ok(text)
    }
}

/// A request that is being answered.
pub struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How a request ended, as a label.
fn word<T>(outcome: &Result<T, OAuthError>) -> &'static str {
    outcome
        .as_ref()
        .map_or_else(|error| ErrorCode::as_str(error.code()), |_| "ok")
}

fn family<L, M>(registry: &mut Registry, name: &str, help: &str) -> Family<L, M>
where
    L: labels::Labels,
    M: prometheus_client::encoding::EncodeMetric
        + prometheus_client::metrics::TypedMetric
        + Default
        + fmt::Debug
        + Send
        + Sync
        + 'static,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

fn counters<L: labels::Labels>(
    registry: &mut Registry,
    name: &str,
    help: &str,
) -> Family<L, Counter> {
    family(registry, name, help)
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn durations<L: labels::Labels>(registry: &mut Registry, name: &str, help: &str) -> Durations<L> {
    let family = Family::new_with_constructor((|| Histogram::new(DURATIONS)) as fn() -> Histogram);
    registry.register_with_unit(name, help, Unit::Seconds, family.clone());
    family
}
