//! What bounds a call: progress on the way, cancellation, the deadline, the limit of each caller.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, note, post, until};

const NOTES: &str = "/index.php/apps/notes/api/v1/notes";
const NOTE_7: &str = "/index.php/apps/notes/api/v1/notes/7";
const READ: &str = "notes.read";

fn get_note(id: u64, gateway: &Gateway) -> http::Request<axum::body::Body> {
    gateway.tool_call(READ, id, "nc_notes_get_note", json!({ "note_id": 7 }))
}

/// The `_meta` of a request that wants progress, in each era.
fn metas() -> [(&'static str, Value); 2] {
    [
        ("2025-11-25", json!({ "progressToken": "p" })),
        (
            "2026-07-28",
            json!({
                "progressToken": "p",
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            }),
        ),
    ]
}

/// The messages of an event stream.
fn events(body: &Value) -> Vec<Value> {
    let text = body.as_str().expect("an event stream");
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str(data.trim()).ok())
        .collect()
}

/// Three chunks of notes.
fn chunks(gateway: &Gateway) {
    for cursor in ["b", "c", ""] {
        let chunk = Answer::json(200, json!([note(7, "Plan", "x", "", "e")]));
        let chunk = match cursor {
            "" => chunk,
            cursor => chunk.with("x-notes-chunk-cursor", cursor),
        };
        gateway.nextcloud.on("GET", NOTES, chunk);
    }
}

#[tokio::test]
async fn progress_is_told_as_events_before_the_result_where_it_was_asked_for() {
    for (version, meta) in metas() {
        let gateway = Gateway::start().await;
        chunks(&gateway);
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "nc_notes_search_notes", "arguments": { "query": "plan" }, "_meta": meta },
        });
        let headers = [
            ("mcp-protocol-version", version),
            ("mcp-method", "tools/call"),
            ("mcp-name", "nc_notes_search_notes"),
        ];
        let reply = gateway
            .post_text(Some(&gateway.token(READ)), &headers, body.to_string())
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(
            reply.header("content-type"),
            "text/event-stream",
            "{version}"
        );
        let events = events(&reply.body);
        let [first, second, result] = events.as_slice() else {
            panic!("{version}: {events:?}")
        };
        for (event, done) in [(first, 1.0), (second, 2.0)] {
            assert_eq!(event["method"], "notifications/progress");
            assert_eq!(event["params"]["progressToken"], "p");
            assert_eq!(event["params"]["progress"].as_f64(), Some(done), "{event}");
            assert!(event["params"]["message"].is_string(), "{event}");
        }
        assert_eq!(result["id"], 1);
        assert_eq!(
            result["result"]["structuredContent"]["searched"], 3,
            "{result}"
        );
    }
}

#[tokio::test]
async fn without_a_progress_token_the_answer_is_plain_json() {
    let gateway = Gateway::start().await;
    chunks(&gateway);
    let request = gateway.tool_call(READ, 1, "nc_notes_search_notes", json!({ "query": "plan" }));
    let reply = gateway.send(request).await;
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.body["result"]["structuredContent"]["searched"], 3);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_nextcloud_request_along() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", NOTE_7, Answer::never());
    let call = gateway.start_sending(get_note(1, &gateway));
    until("Nextcloud is asked", || {
        !gateway.nextcloud.seen().is_empty()
    })
    .await;
    assert_eq!(gateway.nextcloud.abandoned(), 0);
    call.abort();
    until("the request is given up", || {
        gateway.nextcloud.abandoned() == 1
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_call_takes_its_nextcloud_request_along() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", NOTE_7, Answer::never());
    let (token, headers) = (
        gateway.token(READ),
        [("mcp-protocol-version", "2025-11-25")],
    );
    let send = |body: Value| post(Some(&token), &headers, body.to_string());
    let call = gateway.start_sending(send(json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "nc_notes_get_note", "arguments": { "note_id": 7 } },
    })));
    until("Nextcloud is asked", || {
        !gateway.nextcloud.seen().is_empty()
    })
    .await;
    let cancel = |id: u64| json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id, "reason": "x" } });
    // Neither another call of the same caller nor the same id of somebody else.
    assert_eq!(gateway.send(send(cancel(8))).await.status, 202);
    let other = gateway.token_of("bob", READ);
    let body = cancel(7).to_string();
    assert_eq!(
        gateway.post_text(Some(&other), &headers, body).await.status,
        202
    );
    assert!(!call.is_finished() && gateway.nextcloud.abandoned() == 0);
    assert_eq!(gateway.send(send(cancel(7))).await.status, 202);
    let reply = call.await.expect("an answer");
    assert_eq!(reply.body["error"]["code"], -32800, "{reply:?}");
    until("the request is given up", || {
        gateway.nextcloud.abandoned() == 1
    })
    .await;
}

#[tokio::test]
async fn a_call_beyond_its_deadline_is_stopped_and_explained() {
    let gateway = Gateway::with("call_timeout = \"50ms\"", "").await;
    gateway.nextcloud.on("GET", NOTE_7, Answer::never());
    let text = gateway
        .failure(READ, "nc_notes_get_note", json!({ "note_id": 7 }))
        .await;
    assert!(text.contains("longer than the 50ms"), "{text}");
    assert!(text.contains("read the current state"), "{text}");
    until("the request is given up", || {
        gateway.nextcloud.abandoned() == 1
    })
    .await;
}

#[tokio::test]
async fn a_caller_with_too_many_calls_has_to_wait_and_others_do_not() {
    let gateway = Gateway::with("requests_per_caller = 2", "").await;
    gateway.nextcloud.on("GET", NOTE_7, Answer::never());
    let calls: Vec<_> = (1..=2)
        .map(|id| gateway.start_sending(get_note(id, &gateway)))
        .collect();
    until("both calls run", || gateway.nextcloud.seen().len() == 2).await;

    let reply = gateway.send(get_note(3, &gateway)).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert_eq!(reply.header("retry-after"), "1");
    let sentence = reply.body["error"]["message"].as_str().expect("a sentence");
    assert!(sentence.contains("2 requests running"), "{sentence}");
    assert_eq!(gateway.nextcloud.seen().len(), 2);

    let other = gateway.token_of("bob", READ);
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let headers = [("mcp-protocol-version", "2025-11-25")];
    let reply = gateway
        .post_text(Some(&other), &headers, list.to_string())
        .await;
    assert_eq!(reply.status, 200, "another caller is not concerned");

    for call in calls {
        call.abort();
    }
    until("the calls are over", || gateway.nextcloud.abandoned() == 2).await;
    let reply = gateway.rpc(READ, "tools/list", json!({})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}
