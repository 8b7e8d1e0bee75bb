//! One id leads from the caller through the broker to Nextcloud, and into the log.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, note};

const NOTE_7: &str = "/index.php/apps/notes/api/v1/notes/7";
const ID: &str = "0af7651916cd43dd8448eb211c80319c";
const OTHER: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn traceparent(id: &str) -> String {
    format!("00-{id}-b7ad6b7169203331-01")
}

/// Calls a tool with this header and this member of `_meta`.
async fn call(header: Option<&str>, member: Option<&str>) -> Gateway {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "", "", "e")),
    );
    let mut params = json!({ "name": "nc_notes_get_note", "arguments": { "note_id": 7 } });
    if let Some(id) = member {
        params["_meta"] = json!({ "traceparent": traceparent(id) });
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let value = header.map(traceparent).unwrap_or_default();
    let headers: &[_] = match header {
        Some(_) => &[("traceparent", value.as_str())],
        None => &[],
    };
    let token = gateway.token("notes.read");
    let reply = gateway
        .post_text(Some(&token), headers, body.to_string())
        .await;
    assert_eq!(reply.status, 200);
    gateway
}

/// The trace id that the broker saw, which has to be the one that Nextcloud saw.
fn seen(gateway: &Gateway) -> String {
    let id = |header: &str| header.split('-').nth(1).expect("an id").to_owned();
    let requests = gateway.issuer.token_requests();
    let [request] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    let at_the_broker = id(request.headers["traceparent"].to_str().expect("text"));
    let at_nextcloud = gateway.nextcloud.all_seen();
    assert!(!at_nextcloud.is_empty());
    for seen in at_nextcloud {
        let header = seen.header("traceparent").expect("a trace");
        assert_eq!(id(header), at_the_broker);
    }
    at_the_broker
}

#[tokio::test]
async fn the_callers_trace_goes_on_to_the_broker_and_to_nextcloud() {
    assert_eq!(seen(&call(Some(ID), None).await), ID);
    assert_eq!(seen(&call(None, Some(ID)).await), ID);
    assert_eq!(
        seen(&call(Some(OTHER), Some(ID)).await),
        ID,
        "the message's own word counts"
    );
}

#[tokio::test]
async fn a_call_without_a_trace_gets_one() {
    let (first, second) = (seen(&call(None, None).await), seen(&call(None, None).await));
    assert_eq!(first.len(), 32);
    assert_ne!(first, second);
}

/// A trace that only the test of the log is in: the other tests write into the same log.
const LOGGED: &str = "d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The field of the innermost span that has it.
fn span_field<'a>(line: &'a Value, name: &str) -> Option<&'a Value> {
    let spans = line["spans"].as_array()?;
    spans.iter().rev().find_map(|span| span.get(name))
}

impl Log {
    /// The lines about tool calls in this trace.
    fn calls(&self, trace_id: &str) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().expect("lock").clone()).expect("utf-8");
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("json"))
            .filter(|line| line["fields"]["message"] == "tool call")
            .filter(|line| span_field(line, "trace_id") == Some(&json!(trace_id)))
            .collect()
    }
}

#[tokio::test]
async fn each_call_is_one_line_in_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("no other test sets one");
    let gateway = call(Some(LOGGED), None).await;
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "nc_notes_get_note", "arguments": { "note_id": "x" } },
    });
    let headers = [("traceparent", traceparent(LOGGED))];
    let headers = headers
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let token = gateway.token("notes.read");
    gateway
        .post_text(Some(&token), &headers, body.to_string())
        .await;
    let lines = log.calls(LOGGED);
    let [ok, failed] = lines.as_slice() else {
        panic!("{lines:?}")
    };
    assert_eq!(ok["fields"]["outcome"], "ok");
    assert!(ok["fields"]["duration_ms"].is_u64(), "{ok}");
    assert_eq!(span_field(ok, "tool"), Some(&json!("nc_notes_get_note")));
    for name in ["client_id", "request_id"] {
        assert!(
            span_field(ok, name).is_some_and(Value::is_string),
            "{name}: {ok}"
        );
    }
    assert_eq!(failed["fields"]["outcome"], "failed");
    assert!(failed["fields"]["cause"].is_string(), "{failed}");
}
