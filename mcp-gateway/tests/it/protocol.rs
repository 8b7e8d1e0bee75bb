//! Both eras of the protocol over one stateless endpoint.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::support::{Answer, Gateway, HOST, note};

const NOTE_7: &str = "/index.php/apps/notes/api/v1/notes/7";

/// The `_meta` of a request of the 2026-07-28 era.
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

#[tokio::test]
async fn the_handshake_era_works_without_a_session() {
    let gateway = Gateway::start().await;
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let reply = gateway.rpc("notes.read", "initialize", params).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(
        reply.header("mcp-session-id"),
        "",
        "any replica may answer the next request"
    );
    let result = &reply.body["result"];
    assert_eq!(result["protocolVersion"], "2025-11-25");
    assert_eq!(result["serverInfo"]["name"], "mcp-gateway");
    assert!(
        result["capabilities"]["tools"].is_object()
            && result["capabilities"]["resources"].is_object()
    );
    for absent in ["completions", "logging", "tasks"] {
        assert!(result["capabilities"].get(absent).is_none(), "{absent}");
    }

    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let token = gateway.token("notes.read");
    let reply = gateway
        .post_text(Some(&token), &[], notification.to_string())
        .await;
    assert_eq!(reply.status, 202);

    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "text", "", "e1")),
    );
    let note = gateway
        .ok("notes.read", "nc_notes_get_note", json!({ "note_id": 7 }))
        .await;
    assert_eq!(note["title"], "Plan");
}

#[tokio::test]
async fn the_stateless_era_needs_no_handshake() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "text", "", "e1")),
    );
    let token = gateway.token("notes.read");
    let body = json!({
        "jsonrpc": "2.0", "id": "a", "method": "tools/call",
        "params": { "name": "nc_notes_get_note", "arguments": { "note_id": 7 }, "_meta": meta() },
    });
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "nc_notes_get_note"),
    ];
    let reply = gateway
        .post_text(Some(&token), &headers, body.to_string())
        .await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["id"]),
        (200, &json!("a")),
        "{reply:?}"
    );
    assert_eq!(reply.body["result"]["structuredContent"]["id"], 7);
    assert_eq!(reply.body["result"]["resultType"], "complete");

    let body = json!({ "jsonrpc": "2.0", "id": 2, "method": "server/discover", "params": { "_meta": meta() } });
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "server/discover"),
    ];
    let reply = gateway
        .post_text(Some(&token), &headers, body.to_string())
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let versions = reply.body["result"]["supportedVersions"].to_string();
    assert!(
        versions.contains("2026-07-28") && versions.contains("2025-11-25"),
        "{versions}"
    );
}

#[tokio::test]
async fn headers_that_contradict_the_body_are_refused_in_the_stateless_era() {
    let gateway = Gateway::start().await;
    let token = gateway.token("notes.read");
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "nc_notes_get_note", "arguments": { "note_id": 7 }, "_meta": meta() },
    });
    for headers in [
        [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/list"),
            ("mcp-name", "nc_notes_get_note"),
        ],
        [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "nc_whoami"),
        ],
    ] {
        let reply = gateway
            .post_text(Some(&token), &headers, body.to_string())
            .await;
        assert_eq!(reply.status, 400, "{headers:?} {reply:?}");
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn what_does_not_exist_is_a_protocol_error() {
    let gateway = Gateway::start().await;
    let reply = gateway
        .rpc("notes.read", "tools/call", json!({ "name": "nc_nothing" }))
        .await;
    assert_eq!(reply.body["error"]["code"], -32602, "{reply:?}");
    let reply = gateway
        .rpc(
            "notes.read",
            "resources/read",
            json!({ "uri": "nc://Nothing" }),
        )
        .await;
    assert_eq!(reply.body["error"]["code"], -32002, "{reply:?}");
    for method in ["logging/setLevel", "completion/complete", "no/such/method"] {
        let reply = gateway.rpc("notes.read", method, json!({})).await;
        assert_eq!(reply.body["error"]["code"], -32601, "{reply:?}");
    }
}

#[tokio::test]
async fn there_are_no_prompts_and_asking_for_them_is_no_fault() {
    let gateway = Gateway::start().await;
    let reply = gateway.rpc("notes.read", "prompts/list", json!({})).await;
    assert_eq!(reply.body["result"]["prompts"], json!([]), "{reply:?}");
    let reply = gateway
        .rpc("notes.read", "prompts/get", json!({ "name": "x" }))
        .await;
    assert_eq!(reply.body["error"]["code"], -32602, "{reply:?}");
}

#[tokio::test]
async fn bad_arguments_are_explained_to_the_model() {
    let gateway = Gateway::start().await;
    let text = gateway
        .failure(
            "notes.read",
            "nc_notes_get_note",
            json!({ "note_id": "seven" }),
        )
        .await;
    assert!(
        text.contains("note_id") || text.contains("invalid type"),
        "{text}"
    );
    assert!(text.contains("input schema"), "{text}");
    assert!(
        gateway.issuer.token_requests().is_empty(),
        "no credential for a call that cannot be made"
    );
}

#[tokio::test]
async fn batches_and_broken_bodies_are_refused() {
    let gateway = Gateway::start().await;
    let token = gateway.token("notes.read notes.write");
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "tools/list" },
        { "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "nc_notes_delete_note", "arguments": { "note_id": 7 } } },
    ]);
    let reply = gateway
        .post_text(Some(&token), &[], batch.to_string())
        .await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["error"]["code"]),
        (400, &json!(-32600))
    );
    for body in [
        "{",
        "\"text\"",
        r#"{"method":"tools/list","method":"tools/call"}"#,
    ] {
        let reply = gateway.post_text(Some(&token), &[], body.to_owned()).await;
        assert_eq!(
            (reply.status.as_u16(), &reply.body["error"]["code"]),
            (400, &json!(-32700)),
            "{body}"
        );
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let gateway = Gateway::with("request_limit = \"1KiB\"", "").await;
    let body =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": { "x": "y".repeat(2000) } });
    let reply = gateway
        .post_text(Some(&gateway.token("notes.read")), &[], body.to_string())
        .await;
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn there_is_no_stream_to_open_and_no_session_to_end() {
    let gateway = Gateway::start().await;
    for method in ["GET", "DELETE"] {
        let request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header("host", HOST)
            .header(
                "authorization",
                format!("Bearer {}", gateway.token("notes.read")),
            )
            .header("accept", "text/event-stream")
            .body(Body::empty())
            .expect("a request");
        let reply = gateway.send(request).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("allow")),
            (405, "POST")
        );
    }
}

#[tokio::test]
async fn health_names_the_dependency_that_is_down() {
    let gateway = Gateway::start().await;
    let get = |path: &str| {
        Request::get(path)
            .header("host", HOST)
            .body(Body::empty())
            .expect("a request")
    };
    assert_eq!(gateway.send(get("/health/live")).await.status, 200);
    gateway.nextcloud.on(
        "GET",
        "/status.php",
        Answer::json(200, json!({ "installed": true })),
    );
    gateway
        .issuer
        .answer_jwks_requests_with(http::StatusCode::SERVICE_UNAVAILABLE);
    let reply = gateway.send(get("/health/ready")).await;
    assert_eq!(reply.status, 503);
    assert_eq!(
        reply.body["dependencies"],
        json!({ "broker": "down", "nextcloud": "up" })
    );

    // A Nextcloud that is away is told, and no reason to send calls elsewhere.
    let gateway = Gateway::start().await;
    let reply = gateway.send(get("/health/ready")).await;
    assert_eq!(
        (reply.status.as_u16(), reply.body),
        (
            200,
            json!({ "status": "ready", "dependencies": { "broker": "up", "nextcloud": "down" } })
        )
    );
}
