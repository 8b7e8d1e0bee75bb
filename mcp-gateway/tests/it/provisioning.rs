//! A gateway that gives conversations nothing and lets users let background jobs in.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Gateway, HOST, Reply};

const PROVISION: &str = "provision_nextcloud_access";
const REVOKE: &str = "revoke_nextcloud_access";
const CHECK: &str = "check_provisioning_status";

/// A request of the older era with these headers and parameters.
async fn older(gateway: &Gateway, session: Option<&str>, method: &str, params: Value) -> Reply {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut headers = vec![("mcp-protocol-version", "2025-11-25")];
    headers.extend(session.map(|session| ("mcp-session-id", session)));
    let token = gateway.token("files.read");
    gateway
        .post_text(Some(&token), &headers, body.to_string())
        .await
}

/// The session id that `initialize` gives a client with these capabilities.
async fn session(gateway: &Gateway, capabilities: Value) -> String {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": capabilities,
        "clientInfo": { "name": "test", "version": "1" },
    });
    let reply = older(gateway, None, "initialize", params).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.header("mcp-session-id").to_owned()
}

/// A call of the newer era by a client with these capabilities, which answers like this.
async fn newer(gateway: &Gateway, capabilities: Value, answer: Option<&str>) -> Value {
    let mut params = json!({
        "name": PROVISION, "arguments": {},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        },
    });
    if let Some(action) = answer {
        params["inputResponses"] = json!({ "visit": { "action": action } });
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", PROVISION),
    ];
    let token = gateway.token("files.read");
    let reply = gateway
        .post_text(Some(&token), &headers, body.to_string())
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.body["error"].is_null(), "{reply:?}");
    reply.body["result"].clone()
}

fn link(gateway: &Gateway) -> String {
    format!("{}/allow?user=someone", gateway.issuer.issuer().issuer())
}

/// What the broker says from now on.
fn stands(gateway: &Gateway, state: &str) {
    let mut body = json!({
        "downstream": "nextcloud", "state": state, "since": 1_800_000_000,
        "authorization_uri": link(gateway),
    });
    if state == "active" {
        body["scope"] = json!("notes.read notes.write");
    }
    gateway
        .issuer
        .answer_access_requests_with(StatusCode::OK, body);
}

fn pages() -> Value {
    json!({ "elicitation": { "url": {} } })
}

#[tokio::test]
async fn the_three_tools_are_all_there_is_and_nextcloud_is_never_asked() {
    let gateway = Gateway::background_only().await;
    let reply = gateway.rpc("files.read", "tools/list", json!({})).await;
    let tools = reply.body["result"]["tools"].as_array().expect("tools");
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, [PROVISION, REVOKE, CHECK]);
    let hints = |index: usize| {
        let hints = &tools[index]["annotations"];
        ["readOnlyHint", "destructiveHint", "idempotentHint"].map(|hint| hints[hint] == true)
    };
    assert_eq!(hints(0), [false, false, false]);
    assert_eq!(hints(1), [false, true, true]);
    assert_eq!(hints(2), [true, false, true]);
    for method in ["resources/list", "resources/templates/list"] {
        let reply = gateway.rpc("files.read", method, json!({})).await;
        let result = &reply.body["result"];
        let listed = result["resources"]
            .as_array()
            .or(result["resourceTemplates"].as_array());
        assert_eq!(listed.map(Vec::len), Some(0), "{result}");
    }
    let unknown = json!({ "name": "nc_notes_get_note", "arguments": { "note_id": 7 } });
    let reply = gateway.rpc("notes.read", "tools/call", unknown).await;
    assert_eq!(reply.body["error"]["code"], -32602, "{reply:?}");

    for tool in [PROVISION, REVOKE, CHECK] {
        gateway.ok("files.read", tool, json!({})).await;
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
    assert!(
        gateway.issuer.token_requests().is_empty(),
        "no token either"
    );
}

#[tokio::test]
async fn where_sessions_work_in_nextcloud_or_there_is_no_broker_the_tools_are_not_there() {
    for gateway in [Gateway::start().await, Gateway::single_user().await] {
        let reply = gateway.rpc("files.read", "tools/list", json!({})).await;
        let tools = reply.body["result"]["tools"].as_array().expect("tools");
        assert!(!tools.is_empty());
        for tool in [PROVISION, REVOKE, CHECK] {
            assert!(tools.iter().all(|listed| listed["name"] != tool), "{tool}");
            let call = json!({ "name": tool, "arguments": {} });
            let reply = gateway.rpc("files.read", "tools/call", call).await;
            assert_eq!(reply.body["error"]["code"], -32602, "{reply:?}");
        }
        assert!(
            gateway.issuer.access_requests().is_empty(),
            "nothing is checked"
        );
    }
}

#[tokio::test]
async fn the_link_the_consent_and_its_end_as_a_model_sees_them() {
    let gateway = Gateway::background_only().await;
    let offered = gateway.ok("files.read", PROVISION, json!({})).await;
    assert_eq!(offered["state"], "none");
    assert_eq!(offered["link"], link(&gateway));
    assert!(offered.get("since").is_none());
    let next = offered["next_step"].as_str().expect("text");
    assert!(
        next.contains("Show the user the link") && next.contains(CHECK),
        "{next}"
    );

    stands(&gateway, "active");
    for tool in [CHECK, PROVISION] {
        let active = gateway.ok("files.read", tool, json!({})).await;
        assert_eq!(active["state"], "active");
        assert_eq!(active["scopes"], json!(["notes.read", "notes.write"]));
        assert_eq!(active["since"], "2027-01-15T08:00:00Z");
        assert!(active.get("link").is_none(), "{active}");
    }
    stands(&gateway, "withdrawn");
    let ended = gateway.ok("files.read", REVOKE, json!({})).await;
    assert_eq!(
        (&ended["state"], &ended["scopes"]),
        (&json!("withdrawn"), &json!([]))
    );
    assert_eq!(ended["link"], link(&gateway));
    for (state, word) in [
        ("none", PROVISION),
        ("withdrawn", PROVISION),
        ("failing", "allows it again"),
        ("pending", "finish"),
    ] {
        stands(&gateway, state);
        let found = gateway.ok("files.read", CHECK, json!({})).await;
        assert_eq!(found["state"], state);
        let next = found["next_step"].as_str().expect("text");
        assert!(next.contains(word), "{state}: {next}");
    }

    let paths: Vec<_> = gateway.issuer.access_requests();
    let (path, asked) = &paths[3];
    assert_eq!(path, "/access/withdraw");
    assert_eq!(asked.form["tool"], REVOKE);
    let token = gateway.token("files.read");
    for (_, asked) in &paths {
        let subject = &asked.form["subject_token"];
        let payload = |token: &str| token.split('.').nth(1).map(str::to_owned);
        assert_eq!(payload(subject), payload(&token), "the caller's own");
        assert_eq!(asked.form["audience"], "nextcloud");
        assert!(!asked.form.contains_key("user") && !asked.form.contains_key("sub"));
        // mcp-gateway:gateway-secret
        assert_eq!(
            asked.headers["authorization"],
            "Basic bWNwLWdhdGV3YXk6Z2F0ZXdheS1zZWNyZXQ="
        );
        assert!(asked.headers.contains_key("traceparent"));
    }
}

#[tokio::test]
async fn no_tool_takes_a_user() {
    let gateway = Gateway::background_only().await;
    let reply = gateway.rpc("files.read", "tools/list", json!({})).await;
    for tool in reply.body["result"]["tools"].as_array().expect("tools") {
        assert_eq!(tool["inputSchema"]["properties"], json!({}), "{tool}");
    }
    let arguments = json!({ "user": "bob", "user_id": "bob", "sub": "bob" });
    gateway.ok("files.read", CHECK, arguments).await;
    let [(_, asked)] = gateway.issuer.access_requests().try_into().expect("one");
    assert!(!format!("{:?}", asked.form).contains("bob"));
}

#[tokio::test]
async fn a_newer_client_that_opens_pages_is_asked_to_and_says_what_came_of_it() {
    let gateway = Gateway::background_only().await;
    let asked = newer(&gateway, pages(), None).await;
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let request = &asked["inputRequests"]["visit"];
    assert_eq!(request["method"], "elicitation/create");
    assert_eq!(request["params"]["mode"], "url");
    assert_eq!(request["params"]["url"], link(&gateway));
    assert!(
        request["params"]["message"]
            .as_str()
            .is_some_and(|text| text.len() > 40)
    );

    let declined = newer(&gateway, pages(), Some("decline")).await;
    assert_eq!(declined["resultType"], "complete", "{declined}");
    let next = declined["structuredContent"]["next_step"].to_string();
    assert!(next.contains("did not want"), "{next}");
    let accepted = newer(&gateway, pages(), Some("accept")).await;
    let result = &accepted["structuredContent"];
    assert_eq!(
        result["state"], "none",
        "opening a page allows nothing: {result}"
    );
    assert!(result["next_step"].to_string().contains(CHECK), "{result}");
    stands(&gateway, "active");
    let done = newer(&gateway, pages(), Some("accept")).await;
    assert_eq!(done["structuredContent"]["state"], "active", "{done}");

    // Who cannot open pages gets the link, whatever he claims to have answered.
    stands(&gateway, "none");
    for capabilities in [
        json!({}),
        json!({ "elicitation": {} }),
        json!({ "elicitation": { "form": {} } }),
    ] {
        for answer in [None, Some("accept")] {
            let plain = newer(&gateway, capabilities.clone(), answer).await;
            assert_eq!(
                plain["structuredContent"]["link"],
                link(&gateway),
                "{plain}"
            );
            let next = plain["structuredContent"]["next_step"].to_string();
            assert!(next.contains("Show the user the link"), "{next}");
        }
    }
}

#[tokio::test]
async fn an_older_client_that_opens_pages_says_so_once_and_any_replica_knows() {
    let gateway = Gateway::background_only().await;
    let call = json!({ "name": PROVISION, "arguments": {} });
    let id = session(&gateway, pages()).await;
    assert!(
        id.len() > 32 && id.bytes().all(|byte| byte.is_ascii_graphic()),
        "{id}"
    );
    assert_ne!(id, session(&gateway, pages()).await);

    // A replica that never saw the handshake.
    let other = Gateway::background_only().await;
    let reply = older(&other, Some(&id), "tools/call", call.clone()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let error = &reply.body["error"];
    assert_eq!(error["code"], -32042, "{reply:?}");
    let elicitation = &error["data"]["elicitations"][0];
    assert_eq!(elicitation["mode"], "url");
    assert_eq!(elicitation["url"], link(&other));
    assert!(
        elicitation["elicitationId"]
            .as_str()
            .is_some_and(|id| !id.is_empty())
    );
    assert!(elicitation["message"].is_string());
    // The other tools need no page.
    let check = json!({ "name": CHECK, "arguments": {} });
    let reply = older(&other, Some(&id), "tools/call", check).await;
    assert_eq!(reply.body["result"]["structuredContent"]["state"], "none");
    // The call again, once the user is done.
    stands(&other, "active");
    let reply = older(&other, Some(&id), "tools/call", call.clone()).await;
    assert_eq!(reply.body["result"]["structuredContent"]["state"], "active");

    for capabilities in [json!({}), json!({ "elicitation": {} })] {
        assert_eq!(session(&gateway, capabilities).await, "");
    }
    for id in [None, Some("somebody-elses-session")] {
        let reply = older(&gateway, id, "tools/call", call.clone()).await;
        let result = &reply.body["result"]["structuredContent"];
        assert_eq!(result["link"], link(&gateway), "{reply:?}");
    }
    // A server without these tools has nothing to remember.
    assert_eq!(session(&Gateway::start().await, pages()).await, "");
}

#[tokio::test]
async fn a_refusal_is_told_with_the_next_step() {
    let gateway = Gateway::background_only().await;
    for (status, code, word) in [
        (400, "invalid_request", "sign in again"),
        (400, "invalid_target", "administrator"),
        (401, "invalid_client", "administrator"),
        (503, "temporarily_unavailable", "Try again in a minute"),
    ] {
        let status = StatusCode::from_u16(status).expect("status");
        let body = json!({ "error": code, "error_description": "inner words" });
        gateway.issuer.answer_access_requests_with(status, body);
        for tool in [PROVISION, REVOKE, CHECK] {
            let result = gateway.call("files.read", tool, json!({})).await;
            assert_eq!(result["isError"], true, "{result}");
            let text = result["content"][0]["text"].as_str().expect("text");
            assert!(
                text.contains(word) && !text.contains("inner"),
                "{code}: {text}"
            );
        }
    }
}

#[tokio::test]
async fn who_has_no_scope_at_all_calls_nothing_and_metadata_ask_for_none() {
    let gateway = Gateway::background_only().await;
    let request = http::Request::get("/.well-known/oauth-protected-resource/mcp")
        .header("host", HOST)
        .body(axum::body::Body::empty())
        .expect("a request");
    let metadata = gateway.send(request).await;
    assert_eq!(metadata.status, 200);
    assert!(
        metadata.body.get("scopes_supported").is_none(),
        "{metadata:?}"
    );

    let call = json!({ "name": CHECK, "arguments": {} });
    let reply = gateway.rpc("", "tools/call", call).await;
    assert_ne!(reply.status, 200, "{reply:?}");
    assert!(gateway.issuer.access_requests().is_empty());
}
