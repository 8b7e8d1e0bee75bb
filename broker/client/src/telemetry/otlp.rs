//! Spans on their way: in batches, as `ExportTraceServiceRequest` in JSON (OTLP 1.x), over HTTP.
//!
//! JSON and not protobuf: every collector takes both at the same address, and this one needs no code
//! but ours. A batch that is refused is lost, not sent again; the next one tries anew.

use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Count, Outcome, Span, Value};
use crate::ambient::unix_nanos;
use crate::http::{HttpClient, Options};

/// The most spans in one request.
const BATCH: usize = 512;

/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);

/// `SPAN_KIND_SERVER`: what is recorded are requests and calls that somebody else made.
const SERVER: u8 = 2;

/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// Where spans go, and in whose name.
#[derive(Debug, Clone)]
pub struct Target {
    /// The base URL of the collector, such as `http://collector:4318`.
    pub endpoint: Url,
    /// The program, as `service.name`.
    pub service: &'static str,
    /// Its version, as `service.version`.
    pub version: &'static str,
}

/// Sends what [`super::Spans`] takes.
pub struct Exporter {
    target: Target,
    receiver: mpsc::Receiver<Span>,
    count: Count,
}

impl Exporter {
    pub(super) fn new(target: Target, receiver: mpsc::Receiver<Span>, count: Count) -> Self {
        Self {
            target,
            receiver,
            count,
        }
    }

    /// Sends spans until `stop`, and then those that wait still. Without a usable TLS set-up they are
    /// lost, as they are without a collector.
    pub async fn run(mut self, stop: CancellationToken) {
        let client = HttpClient::new(&Options {
            // Whoever wrote the address down decides.
            allow_insecure_http: self.target.endpoint.scheme() == "http",
            ..Options::default()
        });
        let http = match client {
            Ok(http) => http,
            Err(error) => return tracing::error!(%error, "spans cannot be sent"),
        };
        let mut worked = true;
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                () = stop.cancelled() => self.receiver.close(),
                first = self.receiver.recv() => batch.extend(first),
            }
            if !stop.is_cancelled() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(GATHER) => {}
                }
            }
            while batch.len() < BATCH
                && let Ok(span) = self.receiver.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                // Closed, by the stop or because nobody is left who could record.
                return;
            }
            let sent = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            match self.send(&http, &batch).await {
                Ok(()) => {
                    (self.count)(Outcome::Exported, sent);
                    if !worked {
                        tracing::info!("the collector takes spans again");
                    }
                    worked = true;
                }
                Err(reason) => {
                    (self.count)(Outcome::Lost, sent);
                    if worked {
                        tracing::warn!(reason, "the collector takes no spans; they are lost");
                    }
                    worked = false;
                }
            }
        }
    }

    /// Sends one batch; the error says why it is lost.
    async fn send(&self, http: &HttpClient, batch: &[Span]) -> Result<(), String> {
        let path = format!(
            "{}/v1/traces",
            self.target.endpoint.as_str().trim_end_matches('/')
        );
        let url = Url::parse(&path).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = request(&self.target, batch).to_string().into_bytes();
        let answer = http.call(Method::POST, &url, headers, body).await;
        match answer {
            Ok(answer) if answer.status.is_success() => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// An `ExportTraceServiceRequest`.
fn request(target: &Target, batch: &[Span]) -> Json {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "resourceSpans": [{
            "resource": { "attributes": [
                attribute("service.name", &Value::Text(target.service.to_owned())),
                attribute("service.version", &Value::Text(target.version.to_owned())),
            ] },
            "scopeSpans": [{
                "scope": { "name": "mcp-token-broker", "version": version },
                "spans": batch.iter().map(span).collect::<Vec<_>>(),
            }],
        }],
    })
}

fn span(span: &Span) -> Json {
    let end = span.start + span.duration;
    let mut json = json!({
        "traceId": span.context.trace_id(),
        "spanId": span.context.span_id(),
        "name": span.name,
        "kind": SERVER,
        "startTimeUnixNano": nanos(span.start),
        "endTimeUnixNano": nanos(end),
        "attributes": span
            .attributes
            .iter()
            .map(|(key, value)| attribute(key, value))
            .collect::<Vec<_>>(),
    });
    if let Some(object) = json.as_object_mut() {
        if let Some(parent) = &span.parent {
            object.insert("parentSpanId".to_owned(), json!(parent));
        }
        if span.failed {
            object.insert("status".to_owned(), json!({ "code": ERROR }));
        }
    }
    json
}

/// 64-bit numbers are texts in the JSON of protobuf.
fn nanos(time: SystemTime) -> String {
    unix_nanos(time).to_string()
}

fn attribute(key: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({ "key": key, "value": value })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::trace::TraceContext;

    #[test]
    fn a_span_is_written_as_the_protocol_says() {
        let target = Target {
            endpoint: Url::parse("http://127.0.0.1:4318").unwrap(),
            service: "broker",
            version: "1.2.3",
        };
        let batch = [Span {
            context: TraceContext::new([0xab; 16], [0xcd; 8], true),
            parent: Some("b7ad6b7169203331".to_owned()),
            name: "POST /oauth/token".to_owned(),
            start: UNIX_EPOCH + Duration::new(1_795_219_200, 5),
            duration: Duration::from_millis(20),
            failed: true,
            attributes: vec![
                ("http.route", Value::Text("/oauth/token".to_owned())),
                ("http.response.status_code", Value::Number(503)),
            ],
        }];
        let written = request(&target, &batch);
        let resource = &written["resourceSpans"][0];
        assert_eq!(
            resource["resource"]["attributes"][0],
            json!({ "key": "service.name", "value": { "stringValue": "broker" } })
        );
        assert_eq!(
            resource["scopeSpans"][0]["spans"],
            json!([{
                "traceId": "ab".repeat(16),
                "spanId": "cd".repeat(8),
                "parentSpanId": "b7ad6b7169203331",
                "name": "POST /oauth/token",
                "kind": 2,
                "startTimeUnixNano": "1795219200000000005",
                "endTimeUnixNano": "1795219200020000005",
                "attributes": [
                    { "key": "http.route", "value": { "stringValue": "/oauth/token" } },
                    { "key": "http.response.status_code", "value": { "intValue": "503" } },
                ],
                "status": { "code": 2 },
            }])
        );
    }
}
