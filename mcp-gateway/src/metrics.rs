//! What the gateway counts and measures, for the metrics listener.
//!
//! Each label has few values, by its type: a word of ours, a route's template, the name of a tool or
//! resource that exists. Users, clients and what callers send are never labels. `docs/operations.md`
//! has a table of all metrics, which a test compares.

use std::{fmt, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of durations, in seconds: from a list of tools to a bulk change in a slow Nextcloud.
const DURATIONS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

type Durations<L> = Family<L, Histogram, fn() -> Histogram>;

/// All metrics of one gateway process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    requests: Family<Request, Counter>,
    request_durations: Durations<Route>,
    requests_running: Gauge,
    token_rejections: Family<Reason, Counter>,
    tool_calls: Family<ToolCall, Counter>,
    tool_durations: Durations<Tool>,
    exchanges: Family<Outcome, Counter>,
    exchange_durations: Histogram,
    nextcloud_requests: Family<Outcome, Counter>,
    nextcloud_durations: Histogram,
    dependencies: Family<Dependency, Gauge>,
    spans: Family<Outcome, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tool {
    tool: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToolCall {
    tool: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Dependency {
    dependency: &'static str,
}

impl Default for Metrics {
    /// Everything at zero.
    fn default() -> Self {
        let mut registry = Registry::with_prefix("gateway");
        registry.register(
            "build",
            "The version that runs",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        let mut histogram = |name: &str, help: &str| {
            let histogram = Histogram::new(DURATIONS);
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
            histogram
        };
        let exchange_durations = histogram(
            "exchange_duration",
            "How long the broker took to exchange a token",
        );
        let nextcloud_durations = histogram(
            "nextcloud_request_duration",
            "How long Nextcloud took to answer, body included",
        );
        let requests_running = Gauge::default();
        registry.register(
            "http_requests_running",
            "Requests being answered",
            requests_running.clone(),
        );
        let dependencies = Family::default();
        registry.register(
            "dependency_up",
            "Whether a dependency answers, 1 or 0",
            dependencies.clone(),
        );
        let inner = Inner {
            requests: counters(
                &mut registry,
                "http_requests",
                "Requests answered, by route, method and status",
            ),
            request_durations: durations(
                &mut registry,
                "http_request_duration",
                "How long requests took until the answer began",
            ),
            requests_running,
            token_rejections: counters(
                &mut registry,
                "access_token_rejections",
                "Requests refused for their access token, by reason",
            ),
            tool_calls: counters(
                &mut registry,
                "tool_calls",
                "Calls of tools and reads of resources, by outcome",
            ),
            tool_durations: durations(
                &mut registry,
                "tool_duration",
                "How long calls of tools and reads of resources took",
            ),
            exchanges: counters(
                &mut registry,
                "exchanges",
                "Token exchanges at the broker, by outcome",
            ),
            exchange_durations,
            nextcloud_requests: counters(
                &mut registry,
                "nextcloud_requests",
                "Requests to Nextcloud, by class of status or kind of failure",
            ),
            nextcloud_durations,
            dependencies,
            spans: counters(
                &mut registry,
                "spans",
                "Spans for the collector, by whether it has them",
            ),
            registry,
        };
        // There from the start, so that the first one that is lost is a change.
        for outcome in ["exported", "lost"] {
            drop(inner.spans.get_or_create(&Outcome { outcome }));
        }
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl Metrics {
    /// A request is being answered, until what is returned is dropped.
    #[must_use]
    pub fn request_running(&self) -> Running {
        self.inner.requests_running.inc();
        Running(self.inner.requests_running.clone())
    }

    /// A request to `route`, which is a template, was answered.
    pub fn request(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let route = Route {
            route: route.to_owned(),
        };
        self.inner
            .request_durations
            .get_or_create(&route)
            .observe(took.as_secs_f64());
        let request = Request {
            route: route.route,
            method: known(method),
            status: status.as_u16(),
        };
        self.inner.requests.get_or_create(&request).inc();
    }

    /// A request was refused for its access token; `reason` is a constant.
    pub fn token_rejected(&self, reason: &'static str) {
        let reason = Reason { reason };
        self.inner.token_rejections.get_or_create(&reason).inc();
    }

    /// A call of a tool or a read of a resource, by our name for it, has ended.
    pub fn tool_called(&self, tool: &str, outcome: &'static str, duration: Duration) {
        let tool = Tool {
            tool: tool.to_owned(),
        };
        self.inner
            .tool_durations
            .get_or_create(&tool)
            .observe(duration.as_secs_f64());
        let call = ToolCall {
            tool: tool.tool,
            outcome,
        };
        self.inner.tool_calls.get_or_create(&call).inc();
    }

    /// The broker was asked for a token.
    pub fn exchanged(&self, outcome: &'static str, took: Duration) {
        self.inner.exchange_durations.observe(took.as_secs_f64());
        self.inner
            .exchanges
            .get_or_create(&Outcome { outcome })
            .inc();
    }

    /// Nextcloud was asked something.
    pub fn nextcloud_asked(&self, outcome: &'static str, took: Duration) {
        self.inner.nextcloud_durations.observe(took.as_secs_f64());
        self.inner
            .nextcloud_requests
            .get_or_create(&Outcome { outcome })
            .inc();
    }

    /// So many spans came to this end.
    pub fn spans(&self, outcome: &'static str, count: u64) {
        self.inner
            .spans
            .get_or_create(&Outcome { outcome })
            .inc_by(count);
    }

    /// Whether a dependency answers.
    pub fn dependency(&self, dependency: &'static str, up: bool) {
        self.inner
            .dependencies
            .get_or_create(&Dependency { dependency })
            .set(i64::from(up));
    }

    /// Everything as `OpenMetrics` text.
    ///
    /// # Errors
    ///
    /// Never in practice: formatting into memory.
    pub fn render(&self) -> Result<String, fmt::Error> {
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

/// The class of a status, as a label.
#[must_use]
pub fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// The method's name; a stranger may invent any number of others.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn counters<L>(registry: &mut Registry, name: &str, help: &str) -> Family<L, Counter>
where
    L: EncodeLabelSet + Clone + std::hash::Hash + Eq + fmt::Debug + Send + Sync + 'static,
{
    let family = Family::default();
    registry.register(name, help, family.clone());
    family
}

fn durations<L>(registry: &mut Registry, name: &str, help: &str) -> Durations<L>
where
    L: EncodeLabelSet + Clone + std::hash::Hash + Eq + fmt::Debug + Send + Sync + 'static,
{
    let family = Family::new_with_constructor((|| Histogram::new(DURATIONS)) as fn() -> Histogram);
    registry.register_with_unit(name, help, Unit::Seconds, family.clone());
    family
}
