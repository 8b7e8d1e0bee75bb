//! `/metrics`: what is counted, under which names, and that strangers cannot grow it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use broker::ambient::Ambient;
use broker::domain::{AuditKind, DownstreamName, GrantType, Outcome};
use broker::metrics::{EventCounts, KeyReading, Metrics, Readings};
use broker_client::oauth::{ErrorCode, OAuthError};
use broker_client::verify::VerifyError;
use http::{Method, Request};

use crate::harness::{Answer, Broker, GATEWAY};

/// A line of the text: name, labels, value.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: String,
}

/// The samples in `OpenMetrics` text. Our label values hold neither quotes nor commas.
fn samples(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').unwrap();
            Sample {
                name: name.to_owned(),
                labels: labels
                    .split("\",")
                    .filter(|label| !label.is_empty())
                    .map(|label| {
                        let (name, value) = label.split_once("=\"").unwrap();
                        (name.to_owned(), value.trim_end_matches('"').to_owned())
                    })
                    .collect(),
                value: value.to_owned(),
            }
        })
        .collect()
}

async fn scrape(broker: &Broker) -> Vec<Sample> {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let answer = Answer::of(broker.administration.clone(), request).await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(answer.body.ends_with("# EOF\n"));
    samples(&answer.body)
}

/// The value of one series, which is a whole number.
#[track_caller]
fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> u64 {
    let found: Vec<_> = samples
        .iter()
        .filter(|sample| {
            sample.name == name
                && labels.len() == sample.labels.len()
                && labels
                    .iter()
                    .all(|(name, value)| sample.labels.get(*name).is_some_and(|is| is == value))
        })
        .collect();
    let [sample] = found.as_slice() else {
        panic!("{name} {labels:?}: {found:?} of {samples:#?}");
    };
    let whole = sample.value.strip_suffix(".0").unwrap_or(&sample.value);
    whole.parse().unwrap()
}

#[tokio::test]
async fn grants_exchanges_and_rejections_are_counted_as_they_ended() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    broker.refresh(&session.refresh).await;
    broker.exchange(&session.access).await;
    broker
        .exchange_with(&session.access, &[("scope", "everything")])
        .await;
    broker.exchange("no.token.atall").await;

    let samples = scrape(&broker).await;
    let count = |name, labels: &[(&str, &str)]| value(&samples, name, labels);
    for (grant, outcome, expected) in [
        ("authorization_code", "ok", 1),
        ("refresh_token", "ok", 1),
        ("token_exchange", "ok", 1),
        ("token_exchange", "invalid_scope", 1),
        ("token_exchange", "invalid_request", 1),
    ] {
        let labels = [("grant_type", grant), ("outcome", outcome)];
        assert_eq!(count("broker_token_requests_total", &labels), expected);
    }
    for outcome in ["ok", "invalid_scope"] {
        let labels = [
            ("strategy", "mint"),
            ("downstream", "nextcloud"),
            ("outcome", outcome),
        ];
        assert_eq!(count("broker_exchanges_total", &labels), 1, "{outcome}");
    }
    assert_eq!(
        count(
            "broker_access_token_rejections_total",
            &[("reason", "malformed")]
        ),
        1
    );
    assert_eq!(
        count(
            "broker_audit_events_total",
            &[("event", "exchange.refused"), ("outcome", "invalid_scope")]
        ),
        1
    );
    assert_eq!(
        count(
            "broker_token_request_duration_seconds_count",
            &[("grant_type", "token_exchange")]
        ),
        3
    );
    assert_eq!(
        count(
            "broker_http_requests_total",
            &[
                ("route", "/oauth/token"),
                ("method", "POST"),
                ("status", "200")
            ]
        ),
        3
    );
}

#[tokio::test]
async fn what_rolls_back_is_not_counted() {
    let broker = Broker::start().await;
    let ambient = &broker.parts.ambient;
    let mut event = broker.newest().await;
    event.kind = AuditKind::KeyRotated;
    event.at = ambient.now();
    let labels = [("event", "key.rotated"), ("outcome", "ok")];
    let before = value(&scrape(&broker).await, "broker_audit_events_total", &labels);

    let transaction = broker.store().begin().await.unwrap();
    transaction.append_audit(&[event.clone()]).await.unwrap();
    drop(transaction);
    let dropped = value(&scrape(&broker).await, "broker_audit_events_total", &labels);
    assert_eq!(dropped, before);

    let transaction = broker.store().begin().await.unwrap();
    transaction.append_audit(&[event]).await.unwrap();
    transaction.commit().await.unwrap();
    let committed = value(&scrape(&broker).await, "broker_audit_events_total", &labels);
    assert_eq!(committed, before + 1);
}

#[tokio::test]
async fn a_scrape_reads_keys_dependencies_and_connections() {
    let broker = Broker::start().await;
    broker.advance(Duration::from_hours(1)).await;
    let samples = scrape(&broker).await;
    let read = |name, labels: &[(&str, &str)]| value(&samples, name, labels);
    assert_eq!(read("broker_signing_keys", &[("state", "active")]), 1);
    assert_eq!(
        read("broker_signing_key_age_seconds", &[("state", "active")]),
        3600
    );
    for (dependency, up) in [("database", 1), ("keys", 1), ("upstream", 0)] {
        let labels = [("dependency", dependency)];
        assert_eq!(read("broker_dependency_up", &labels), up, "{dependency}");
    }
    let labels = [("downstream", "nextcloud")];
    assert_eq!(read("broker_downstream_up", &labels), 0);
    assert_eq!(read("broker_revocations_age_seconds", &[]), 0);
    assert_eq!(read("broker_audit_queue_rows", &[]), 0);
    assert_eq!(read("broker_database_connections_most", &[]), 8);
    let idle = read("broker_database_connections", &[("state", "idle")]);
    let used = read("broker_database_connections", &[("state", "used")]);
    assert!((1..=8).contains(&(idle + used)), "{idle} {used}");
    assert_eq!(
        read("broker_http_requests_running", &[]),
        1,
        "the scrape itself"
    );
}

#[tokio::test]
async fn whatever_strangers_send_is_no_label() {
    let broker = Broker::start().await;
    let token = broker.session().await.access;
    let words: Vec<_> = (0..20).map(|n| format!("stranger-{n}")).collect();
    for word in &words {
        let method = Method::from_bytes(word.to_uppercase().as_bytes()).unwrap();
        let path = format!("/{word}");
        for (method, path) in [(method, "/oauth/token"), (Method::GET, path.as_str())] {
            let request = Request::builder().method(method).uri(path);
            broker.send(request.body(Body::empty()).unwrap()).await;
        }
        broker
            .get(&format!("/oauth/authorize?client_id={word}"))
            .await;
        broker
            .get(&format!("/oauth/register/{word}?x={word}"))
            .await;
        broker
            .post("/oauth/token", &[("grant_type", word), ("client_id", word)])
            .await;
        broker
            .post_as(
                (word, word),
                "/oauth/token",
                &[("grant_type", "refresh_token")],
            )
            .await;
        broker.exchange(word).await;
        for field in ["audience", "scope", "tool", "resource"] {
            broker.exchange_with(&token, &[(field, word)]).await;
        }
        let request = Request::get("/oauth/userinfo")
            .header("authorization", format!("Bearer {word}"))
            .header("x-request-id", word.as_str())
            .header("traceparent", word.as_str())
            .header("host", word.as_str());
        broker.send(request.body(Body::empty()).unwrap()).await;
    }
    let samples = scrape(&broker).await;
    let values: BTreeSet<_> = samples
        .iter()
        .flat_map(|sample| sample.labels.values().map(|value| value.to_lowercase()))
        .collect();
    assert!(values.contains("other") && values.contains("unknown"));
    let stranger = values.iter().find(|value| value.contains("stranger"));
    assert_eq!(stranger, None);
    assert!(!values.contains(GATEWAY.0), "clients are no labels");
    assert!(samples.len() < 700, "{} series", samples.len());
}

/// Names of metrics in the tables of the manual: `` | `name` | …``.
fn documented(prefix: &str) -> BTreeSet<String> {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    manual
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.starts_with(prefix))
        .collect()
}

#[test]
fn the_manual_has_every_metric_and_no_other() {
    let events = EventCounts::default();
    let metrics = Metrics::new(&events);
    let took = Duration::from_millis(1);
    let refused: Result<(), _> = Err(OAuthError::invalid_grant("No."));
    let nextcloud = DownstreamName::parse("nextcloud").unwrap();
    events.count(
        AuditKind::CodeReplayed,
        Outcome::Refused(ErrorCode::InvalidGrant),
    );
    metrics.request("/oauth/token", &Method::POST, 400, took);
    metrics.token_request(Some(GrantType::RefreshToken), &refused, took);
    metrics.exchange("mint", &nextcloud, &refused, took);
    metrics.token_rejected(&VerifyError::Expired);
    metrics.upstream_request("refresh", "ok", took);
    metrics.rate_limited("pages", "address");
    metrics.webhook_deliveries(1, 0);
    metrics.task_worked("purge", Ambient::system().now());
    let text = metrics.render(&Readings {
        dependencies: vec![("database", true)],
        downstreams: vec![(nextcloud, true)],
        keys: vec![KeyReading {
            state: "active",
            count: 1,
            age: took,
        }],
        ..Readings::default()
    });
    let names: BTreeSet<_> = samples(&text.unwrap())
        .into_iter()
        .map(|sample| {
            let name = sample.name.as_str();
            let histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|part| name.strip_suffix(part));
            histogram.unwrap_or(name).to_owned()
        })
        .collect();
    assert_eq!(documented("broker_"), names);
}
