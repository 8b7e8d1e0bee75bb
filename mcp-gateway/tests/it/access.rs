//! Who may do what: 401, 403, lists that show what the token allows, hosts, origins, CORS.

use axum::body::Body;
use http::Request;
use mcp_gateway::tools::catalog;
use serde_json::{Value, json};

use crate::support::{Answer, Gateway, HOST, RESOURCE, Reply, note};

const METADATA: &str = "http://127.0.0.1:4282/.well-known/oauth-protected-resource/mcp";

/// Every scope that some tool asks for.
fn all_scopes() -> String {
    catalog().scopes().to_string()
}

fn call(tool: &str) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": tool, "arguments": { "note_id": 7 } } })
        .to_string()
}

fn names(reply: &Reply, list: &str, member: &str) -> Vec<String> {
    let entries = reply.body["result"][list]
        .as_array()
        .unwrap_or_else(|| panic!("{reply:?}"));
    entries
        .iter()
        .map(|entry| entry[member].as_str().expect("text").to_owned())
        .collect()
}

#[tokio::test]
async fn without_a_token_a_client_learns_where_to_get_one() {
    let gateway = Gateway::start().await;
    let reply = gateway
        .post_text(None, &[], call("nc_notes_get_note"))
        .await;
    assert_eq!(reply.status, 401);
    assert_eq!(
        reply.header("www-authenticate"),
        format!(
            "Bearer scope=\"{}\", resource_metadata=\"{METADATA}\"",
            all_scopes()
        ),
        "every scope that a session will need: some clients never ask again"
    );
    for path in [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
    ] {
        let request = Request::get(path)
            .header("host", HOST)
            .body(Body::empty())
            .expect("a request");
        let reply = gateway.send(request).await;
        assert_eq!(
            (
                reply.status.as_u16(),
                reply.header("access-control-allow-origin")
            ),
            (200, "*")
        );
        assert_eq!(reply.body["resource"], RESOURCE);
        assert_eq!(
            reply.body["authorization_servers"],
            json!([gateway.issuer.issuer().issuer()])
        );
        assert_eq!(
            reply.body["scopes_supported"].as_array().map(Vec::len),
            Some(all_scopes().split(' ').count())
        );
    }
}

#[tokio::test]
async fn bad_tokens_are_refused_before_anything_runs() {
    let gateway = Gateway::start().await;
    let issuer = gateway.issuer.issuer();
    let good = issuer.claims(RESOURCE, "notes.read");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        issuer.sign(&claims)
    };
    for (why, token) in [
        (
            "another resource",
            with("aud", json!("https://other.example/mcp")),
        ),
        ("expired", with("exp", json!(1_000_000_000))),
        (
            "another issuer",
            with("iss", json!("https://other.example")),
        ),
        ("another key", issuer.mint_with_another_key(&good)),
        ("no signature", issuer.mint_unsigned(&good)),
        (
            "HMAC with the public key",
            issuer.mint_hs256_with_public_key(&good),
        ),
        (
            "no access token",
            issuer.mint(&json!({ "typ": "JWT" }), &good),
        ),
        ("rubbish", "abc".to_owned()),
    ] {
        let reply = gateway
            .post_text(Some(&token), &[], call("nc_notes_get_note"))
            .await;
        assert_eq!(reply.status, 401, "{why}");
        assert!(
            reply
                .header("www-authenticate")
                .contains("error=\"invalid_token\""),
            "{why}"
        );
        assert!(reply.header("www-authenticate").contains(METADATA), "{why}");
    }
    assert!(gateway.issuer.token_requests().is_empty());
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn a_tool_beyond_the_scopes_is_forbidden_before_it_runs() {
    let gateway = Gateway::start().await;
    let reply = gateway
        .rpc(
            "notes.read",
            "tools/call",
            json!({ "name": "nc_notes_delete_note", "arguments": { "note_id": 7 } }),
        )
        .await;
    assert_eq!(reply.status, 403);
    let challenge = reply.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer error=\"insufficient_scope\""),
        "{challenge}"
    );
    // What it has as well: clients ask for exactly this and would lose the rest.
    assert!(
        challenge.contains("scope=\"notes.read notes.write\""),
        "{challenge}"
    );
    assert!(challenge.contains(METADATA), "{challenge}");
    assert!(gateway.issuer.token_requests().is_empty());
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn resources_are_checked_like_tools() {
    let gateway = Gateway::start().await;
    for uri in [
        "nc://Notes/7",
        "notes://settings",
        "nc://Notes/7/attachments/a.png",
    ] {
        let reply = gateway
            .rpc("files.read", "resources/read", json!({ "uri": uri }))
            .await;
        assert_eq!(reply.status, 403, "{uri}");
        assert!(
            reply
                .header("www-authenticate")
                .contains("scope=\"files.read notes.read\""),
            "{uri}"
        );
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn a_token_without_scopes_calls_nothing() {
    let gateway = Gateway::start().await;
    for scope in ["", "openid profile"] {
        for tool in ["nc_whoami", "nc_notes_get_note", "nc_webdav_list_directory"] {
            let reply = gateway
                .rpc(scope, "tools/call", json!({ "name": tool }))
                .await;
            assert_eq!(reply.status, 403, "{tool} with {scope:?}");
        }
        let reply = gateway
            .rpc(
                scope,
                "resources/read",
                json!({ "uri": "nc://capabilities" }),
            )
            .await;
        assert_eq!(reply.status, 403);
        let reply = gateway.rpc(scope, "tools/list", json!({})).await;
        assert_eq!(reply.body["result"]["tools"], json!([]));
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn headers_never_widen_what_the_body_asks() {
    let gateway = Gateway::start().await;
    let token = gateway.token("notes.read");
    for headers in [
        vec![("mcp-method", "tools/list")],
        vec![
            ("mcp-method", "tools/call"),
            ("mcp-name", "nc_notes_get_note"),
        ],
        vec![
            ("mcp-protocol-version", "2025-11-25"),
            ("mcp-method", "tools/list"),
        ],
        vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "nc_notes_get_note"),
        ],
    ] {
        let reply = gateway
            .post_text(Some(&token), &headers, call("nc_notes_delete_note"))
            .await;
        assert_eq!(reply.status, 403, "{headers:?}");
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn lists_show_what_the_token_allows_in_a_fixed_order() {
    let gateway = Gateway::start().await;
    let all = gateway.rpc(&all_scopes(), "tools/list", json!({})).await;
    let all = names(&all, "tools", "name");
    assert_eq!(all.len(), catalog().tools().len());
    let some = gateway.rpc("notes.read", "tools/list", json!({})).await;
    let some = names(&some, "tools", "name");
    assert_eq!(
        some,
        [
            "nc_whoami",
            "nc_capabilities",
            "nc_notes_search_notes",
            "nc_notes_get_note",
            "nc_notes_get_attachment"
        ]
    );
    assert_eq!(
        all.iter()
            .filter(|name| some.contains(name))
            .collect::<Vec<_>>(),
        some.iter().collect::<Vec<_>>()
    );

    let fixed = gateway.rpc("files.read", "resources/list", json!({})).await;
    assert_eq!(names(&fixed, "resources", "uri"), ["nc://capabilities"]);
    let fixed = gateway.rpc("notes.read", "resources/list", json!({})).await;
    assert_eq!(
        names(&fixed, "resources", "uri"),
        ["nc://capabilities", "notes://settings"]
    );
    let templates = gateway
        .rpc("notes.read", "resources/templates/list", json!({}))
        .await;
    assert_eq!(
        names(&templates, "resourceTemplates", "uriTemplate"),
        [
            "nc://Notes/{note_id}",
            "nc://Notes/{note_id}/attachments/{attachment_filename}"
        ]
    );
}

#[tokio::test]
async fn a_tool_says_what_it_does_and_returns() {
    let gateway = Gateway::start().await;
    let reply = gateway.rpc(&all_scopes(), "tools/list", json!({})).await;
    let tools = reply.body["result"]["tools"].as_array().expect("tools");
    let tool = tools
        .iter()
        .find(|tool| tool["name"] == "nc_webdav_delete_resource")
        .expect("tool");
    assert_eq!(tool["title"], "Delete a file or folder");
    assert_eq!(
        tool["annotations"],
        json!({
            "title": "Delete a file or folder", "readOnlyHint": false, "destructiveHint": true,
            "idempotentHint": true, "openWorldHint": true,
        })
    );
    assert_eq!(tool["inputSchema"]["required"], json!(["path"]));
    assert_eq!(tool["outputSchema"]["type"], "object");
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object", "{}", tool["name"]);
        assert_eq!(tool["outputSchema"]["type"], "object", "{}", tool["name"]);
    }
}

#[tokio::test]
async fn other_hosts_and_origins_are_refused() {
    let gateway = Gateway::start().await;
    let token = gateway.token("notes.read");
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    for (headers, status) in [
        (vec![], 200),
        (vec![("origin", "http://127.0.0.1:4282")], 200),
        (vec![("origin", "http://localhost:6274")], 200),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "http://localhost.evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("host", "evil.example")], 403),
        (vec![("host", "127.0.0.1:1")], 403),
    ] {
        let reply = gateway
            .post_text(Some(&token), &headers, ping.clone())
            .await;
        assert_eq!(reply.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_public_gateway_allows_its_own_origin_and_the_configured_ones() {
    let lines = "allowed_origins = [\"https://inspector.example:443\"]";
    let gateway = Gateway::with(lines, "").await;
    let token = gateway.token("notes.read");
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    for (origin, status) in [
        ("https://inspector.example", 200),
        ("http://localhost:6274", 403),
    ] {
        let reply = gateway
            .post_text(Some(&token), &[("origin", origin)], ping.clone())
            .await;
        assert_eq!(reply.status, status, "{origin}");
    }
}

#[tokio::test]
async fn a_browser_can_read_the_challenges() {
    let gateway = Gateway::start().await;
    let origin = ("origin", "http://localhost:6274");
    let preflight = Request::options("/mcp")
        .header("host", HOST)
        .header(origin.0, origin.1)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,mcp-protocol-version,mcp-param-x",
        )
        .body(Body::empty())
        .expect("a request");
    let reply = gateway.send(preflight).await;
    assert_eq!(
        (
            reply.status.as_u16(),
            reply.header("access-control-allow-origin")
        ),
        (200, "*")
    );
    for name in [
        "authorization",
        "content-type",
        "mcp-protocol-version",
        "mcp-param-x",
    ] {
        assert!(
            reply.header("access-control-allow-headers").contains(name),
            "{name}"
        );
    }
    assert!(
        reply
            .header("access-control-allow-methods")
            .contains("POST")
    );

    let unauthenticated = gateway
        .post_text(None, &[origin], call("nc_notes_get_note"))
        .await;
    let forbidden = gateway
        .post_text(
            Some(&gateway.token("files.read")),
            &[origin],
            call("nc_notes_get_note"),
        )
        .await;
    for (reply, status) in [(unauthenticated, 401), (forbidden, 403)] {
        assert_eq!(
            (
                reply.status.as_u16(),
                reply.header("access-control-allow-origin")
            ),
            (status, "*")
        );
        assert!(
            reply
                .header("access-control-expose-headers")
                .contains("www-authenticate")
        );
        assert!(reply.headers.contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn without_a_broker_the_one_user_needs_no_token() {
    let gateway = Gateway::single_user().await;
    gateway.nextcloud.on(
        "GET",
        "/index.php/apps/notes/api/v1/notes/7",
        Answer::json(200, note(7, "Plan", "", "", "e")),
    );
    let reply = gateway
        .post_text(None, &[], call("nc_notes_get_note"))
        .await;
    assert_eq!(
        reply.body["result"]["structuredContent"]["id"], 7,
        "{reply:?}"
    );
    let seen = gateway.nextcloud.seen();
    // alice:app-pass
    assert_eq!(
        seen[0].header("authorization"),
        Some("Basic YWxpY2U6YXBwLXBhc3M=")
    );
    let request = Request::get("/.well-known/oauth-protected-resource")
        .header("host", HOST)
        .body(Body::empty())
        .expect("a request");
    assert_eq!(
        gateway.send(request).await.status,
        404,
        "there is no authorization server to name"
    );
    let evil = gateway
        .post_text(
            None,
            &[("origin", "https://evil.example")],
            call("nc_notes_get_note"),
        )
        .await;
    assert_eq!(
        evil.status, 403,
        "a page in the user's browser is not the user"
    );
}
