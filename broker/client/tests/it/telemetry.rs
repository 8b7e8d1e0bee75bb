//! Spans on their way to a collector: bounded, counted, and nobody's trouble when it is away.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use broker_client::telemetry::{Count, Exporter, Outcome, Span, Spans, Target};
use broker_client::trace::TraceContext;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::serve;

/// Longer than anything here should take, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A collector, and what it was sent.
#[derive(Clone)]
struct Collector {
    status: Arc<AtomicU16>,
    requests: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    fn take(&self, headers: &HeaderMap, request: Value) -> StatusCode {
        assert!(!headers.contains_key("authorization"));
        let status = self.status.load(Ordering::SeqCst);
        if status == 200 {
            self.requests.lock().unwrap().push(request);
        }
        StatusCode::from_u16(status).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let spans = requests
            .iter()
            .flat_map(|request| {
                let spans = &request["resourceSpans"][0]["scopeSpans"][0]["spans"];
                spans.as_array().unwrap().clone()
            })
            .map(|span| span["name"].as_str().unwrap().to_owned());
        spans.collect()
    }
}

/// How many spans came to which end.
#[derive(Clone, Default)]
struct Counts {
    exported: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

impl Counts {
    fn count(&self) -> Count {
        let counts = self.clone();
        Arc::new(move |outcome, number| {
            let counter = match outcome {
                Outcome::Exported => &counts.exported,
                Outcome::Lost => &counts.lost,
            };
            counter.fetch_add(number, Ordering::SeqCst);
        })
    }

    fn both(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        (read(&self.exported), read(&self.lost))
    }
}

async fn to_collector() -> (Collector, Counts, Spans, Exporter) {
    let collector = Collector {
        status: Arc::new(AtomicU16::new(200)),
        requests: Arc::default(),
    };
    let take = async |State(collector): State<Collector>,
                      headers: HeaderMap,
                      Json(request): Json<Value>| collector.take(&headers, request);
    let router = Router::new()
        .route("/v1/traces", post(take))
        .with_state(collector.clone());
    let target = Target {
        endpoint: serve(router).await,
        service: "tested",
        version: "1",
    };
    let counts = Counts::default();
    let (spans, exporter) = Spans::to(target, counts.count());
    (collector, counts, spans, exporter)
}

fn span(name: &str, is_sampled: bool) -> Span {
    Span {
        context: TraceContext::new([1; 16], [2; 8], is_sampled),
        parent: None,
        name: name.to_owned(),
        start: UNIX_EPOCH,
        duration: Duration::from_secs(1),
        failed: false,
        attributes: Vec::new(),
    }
}

/// Runs the exporter to its end, which is soon: what waits is sent at the stop.
async fn finish(exporter: Exporter) {
    let stop = CancellationToken::new();
    stop.cancel();
    let run = tokio::time::timeout(PATIENCE, exporter.run(stop));
    run.await.expect("it goes on");
}

#[tokio::test]
async fn what_waits_at_the_stop_is_sent_and_only_what_is_recorded() {
    let (collector, counts, spans, exporter) = to_collector().await;
    spans.record(span("one", true));
    spans.record(span("not sampled", false));
    spans.record(span("two", true));
    finish(exporter).await;
    assert_eq!(collector.names(), ["one", "two"]);
    assert_eq!(counts.both(), (2, 0));
    // Nobody is there any more; that is no trouble for who records.
    spans.record(span("late", true));
    assert_eq!(counts.both(), (2, 1));
}

#[tokio::test]
async fn what_the_queue_has_no_room_for_is_lost_and_counted() {
    let (collector, counts, spans, exporter) = to_collector().await;
    for _ in 0..5000 {
        spans.record(span("one of many", true));
    }
    let (_, lost) = counts.both();
    assert!((1..5000).contains(&lost), "{lost}");
    finish(exporter).await;
    assert_eq!(counts.both(), (5000 - lost, lost));
    assert_eq!(collector.names().len() as u64, 5000 - lost);
}

#[tokio::test]
async fn a_collector_that_refuses_loses_that_and_nothing_after() {
    let (collector, counts, spans, exporter) = to_collector().await;
    collector.status.store(503, Ordering::SeqCst);
    let stop = CancellationToken::new();
    let run = tokio::spawn(exporter.run(stop.clone()));
    spans.record(span("refused", true));
    let lost = async {
        while counts.both() != (0, 1) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, lost)
        .await
        .expect("it waits");
    collector.status.store(200, Ordering::SeqCst);
    spans.record(span("taken", true));
    stop.cancel();
    let run = tokio::time::timeout(PATIENCE, run).await;
    run.expect("it goes on").unwrap();
    assert_eq!(collector.names(), ["taken"]);
    assert_eq!(counts.both(), (1, 1));
}

#[tokio::test]
async fn without_a_collector_nothing_is_taken() {
    let spans = Spans::default();
    assert!(!spans.are_wanted());
    spans.record(span("nobody asks", true));
}
