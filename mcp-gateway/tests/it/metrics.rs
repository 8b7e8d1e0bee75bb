//! What the metrics listener says, under which names, and that callers cannot grow it.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use serde_json::json;

use crate::support::{Answer, Gateway, HOST, note, post};

const READ: &str = "notes.read";

/// Whether the text has this very line.
#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(
        text.lines().any(|is| is == line),
        "no line {line} in\n{text}"
    );
}

#[tokio::test]
async fn calls_their_errors_and_what_they_cost_are_counted_by_tool() {
    let gateway = Gateway::start().await;
    let path = "/index.php/apps/notes/api/v1/notes/7";
    gateway.nextcloud.on(
        "GET",
        path,
        Answer::json(200, note(7, "Plan", "x", "", "e")),
    );
    let gone = "/index.php/apps/notes/api/v1/notes/8";
    gateway
        .nextcloud
        .on("GET", gone, Answer::json(404, json!([])));
    for arguments in [
        json!({ "note_id": 7 }),
        json!({ "note_id": 8 }),
        json!({ "note_id": "seven" }),
    ] {
        let call = gateway.tool_call(READ, 1, "nc_notes_get_note", arguments);
        assert_eq!(gateway.send(call).await.status, 200);
    }
    let text = gateway.metrics().await;
    for outcome in ["ok", "not_found", "invalid"] {
        assert_line(
            &text,
            &format!(
                "gateway_tool_calls_total{{tool=\"nc_notes_get_note\",outcome=\"{outcome}\"}} 1"
            ),
        );
    }
    for line in [
        "gateway_tool_duration_seconds_count{tool=\"nc_notes_get_note\"} 3",
        "gateway_exchanges_total{outcome=\"ok\"} 2",
        "gateway_nextcloud_requests_total{outcome=\"2xx\"} 1",
        "gateway_nextcloud_requests_total{outcome=\"4xx\"} 1",
        "gateway_http_requests_total{route=\"/mcp\",method=\"POST\",status=\"200\"} 3",
        "gateway_dependency_up{dependency=\"broker\"} 1",
    ] {
        assert_line(&text, line);
    }
}

#[tokio::test]
async fn refused_tokens_are_counted_by_reason_and_strangers_words_are_no_labels() {
    let gateway = Gateway::start().await;
    for n in 0..20 {
        let word = format!("stranger-{n}");
        let body = json!({
            "jsonrpc": "2.0", "id": word, "method": "tools/call",
            "params": { "name": word, "arguments": {} },
        });
        gateway.send(post(Some(&word), &[], body.to_string())).await;
        let token = gateway.token(READ);
        gateway
            .send(post(Some(&token), &[], body.to_string()))
            .await;
        let request = Request::builder()
            .method(word.to_uppercase().as_str())
            .uri(format!("/{word}"))
            .header("host", HOST)
            .body(Body::empty());
        gateway.send(request.expect("a request")).await;
    }
    gateway.send(post(None, &[], "{}".to_owned())).await;
    let text = gateway.metrics().await;
    assert_line(
        &text,
        "gateway_access_token_rejections_total{reason=\"malformed\"} 20",
    );
    assert_line(
        &text,
        "gateway_access_token_rejections_total{reason=\"no_token\"} 1",
    );
    assert!(!text.to_lowercase().contains("stranger"), "{text}");
}

#[tokio::test]
async fn metrics_are_on_no_public_port() {
    let gateway = Gateway::start().await;
    let request = Request::get("/metrics")
        .header("host", HOST)
        .body(Body::empty());
    let reply = gateway.send(request.expect("a request")).await;
    assert_eq!(reply.status, 404);
}

#[tokio::test]
async fn the_manual_has_every_metric_and_no_other() {
    let gateway = Gateway::start().await;
    let call = gateway.tool_call(READ, 1, "nc_notes_get_note", json!({ "note_id": 7 }));
    gateway.send(call).await;
    gateway.send(post(None, &[], "{}".to_owned())).await;
    let text = gateway.metrics().await;
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let names: BTreeSet<_> = samples
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(|name| {
            let parts = ["_bucket", "_sum", "_count"];
            let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
            histogram.unwrap_or(name).to_owned()
        })
        .collect();
    let manual = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    let documented: BTreeSet<_> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.starts_with("gateway_"))
        .collect();
    assert_eq!(documented, names);
}
