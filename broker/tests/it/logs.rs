//! The log as `--log-format json` writes it: one line a request, with the fields that the manual names.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use broker::cli::json_lines;
use http::Request;
use serde_json::Value;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::harness::Broker;

/// What was written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn read(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The fields that the manual names for the broker's line.
fn documented() -> BTreeSet<String> {
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let manual = std::fs::read_to_string(manual).unwrap();
    let (_, rest) = manual.split_once("| Field of `answered` |").unwrap();
    rest.lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[tokio::test]
async fn each_request_is_one_line_with_the_documented_fields() {
    let lines = Lines::default();
    let written = lines.clone();
    let layer = json_lines()
        .with_writer(move || written.clone())
        .with_filter(LevelFilter::INFO);
    let broker = Broker::start().await;
    let tokens = broker.session().await;
    let subscriber = tracing_subscriber::registry().with(layer);
    let _guard = tracing::subscriber::set_default(subscriber);
    // Other tests may have met these lines before anybody listened.
    tracing::callsite::rebuild_interest_cache();

    let request = crate::harness::form(
        "/oauth/token",
        None,
        &[
            ("grant_type", "refresh_token"),
            ("client_id", crate::harness::AGENT),
            ("refresh_token", &tokens.refresh),
        ],
    );
    let (mut parts, body) = request.into_parts();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    parts.headers.insert("traceparent", trace.parse().unwrap());
    let peer: std::net::SocketAddr = "192.0.2.1:1".parse().unwrap();
    parts.extensions.insert(axum::extract::ConnectInfo(peer));
    let answer = broker.send(Request::from_parts(parts, body)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    broker
        .send(Request::get("/health/live").body(Body::empty()).unwrap())
        .await;

    let answered: Vec<_> = lines
        .read()
        .into_iter()
        .filter(|line| line["message"] == "answered")
        .collect();
    let [line] = answered.as_slice() else {
        panic!("{answered:?}");
    };
    assert_eq!(line["route"], "/oauth/token");
    assert_eq!(line["status"], 200);
    let spans = line["spans"].as_array().unwrap();
    assert_eq!(spans[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(spans[0]["client_id"], crate::harness::AGENT);
    assert_eq!(
        spans[0]["request_id"],
        answer.header("x-request-id").unwrap()
    );
    let mut fields: BTreeSet<_> = line.as_object().unwrap().keys().cloned().collect();
    fields.remove("spans");
    for span in spans {
        let names = span.as_object().unwrap().keys();
        fields.extend(names.map(|name| format!("spans[].{name}")));
    }
    assert_eq!(fields, documented());
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains(&tokens.refresh), "{text}");
}
