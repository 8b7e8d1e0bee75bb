//! How the gateway gets into Nextcloud: exchange, basic, pass-through.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, Gateway, RESOURCE, note};

const NOTE_7: &str = "/index.php/apps/notes/api/v1/notes/7";

fn arguments() -> Value {
    json!({ "note_id": 7 })
}

#[tokio::test]
async fn each_call_exchanges_the_callers_token_for_the_tools_scopes() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "", "", "e")),
    );
    let token = gateway.token("notes.read notes.write files.read");
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "nc_notes_get_note", "arguments": arguments() } });
    for _ in 0..2 {
        let reply = gateway.post_text(Some(&token), &[], body.to_string()).await;
        assert_eq!(reply.status, 200);
        assert!(
            !reply.body.to_string().contains("eyJ"),
            "no token in the answer"
        );
    }
    let requests = gateway.issuer.token_requests();
    assert_eq!(requests.len(), 2, "one exchange for each call");
    let form = &requests[0].form;
    assert_eq!(
        form["grant_type"],
        "urn:ietf:params:oauth:grant-type:token-exchange"
    );
    assert_eq!(form["subject_token"], token);
    assert_eq!(form["audience"], "nextcloud");
    assert_eq!(form["scope"], "notes.read", "no more than the tool needs");
    assert_eq!(form["tool"], "nc_notes_get_note");
    // mcp-gateway:gateway-secret
    assert_eq!(
        requests[0].headers["authorization"],
        "Basic bWNwLWdhdGV3YXk6Z2F0ZXdheS1zZWNyZXQ="
    );
    for seen in gateway.nextcloud.all_seen() {
        let sent = seen.header("authorization").expect("a credential");
        assert_ne!(
            sent,
            format!("Bearer {token}"),
            "the caller's token never leaves"
        );
    }
}

#[tokio::test]
async fn several_requests_of_one_call_share_one_token() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "a", "", "e1")),
    );
    gateway.nextcloud.on(
        "PUT",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "a b", "", "e2")),
    );
    gateway
        .ok(
            "notes.write",
            "nc_notes_append_content",
            json!({ "note_id": 7, "content": "b" }),
        )
        .await;
    assert_eq!(gateway.issuer.token_requests().len(), 1);
    let seen = gateway.nextcloud.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        seen[0].header("authorization"),
        seen[1].header("authorization")
    );
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let gateway = Gateway::start().await;
    let refusal = Answer::json(401, json!({ "message": "Current user is not logged in" }));
    gateway.nextcloud.on("GET", NOTE_7, refusal.clone());
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "", "", "e")),
    );
    gateway
        .ok("notes.read", "nc_notes_get_note", arguments())
        .await;
    assert_eq!(gateway.issuer.token_requests().len(), 2);

    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", NOTE_7, refusal);
    let text = gateway
        .failure("notes.read", "nc_notes_get_note", arguments())
        .await;
    assert!(text.contains("sign in again"), "{text}");
    assert_eq!(gateway.issuer.token_requests().len(), 2, "not more often");
    assert_eq!(gateway.nextcloud.seen().len(), 2);
}

#[tokio::test]
async fn a_refusal_of_the_broker_tells_the_next_step() {
    for (status, code, next_step) in [
        (400, "invalid_request", "sign in again"),
        (400, "invalid_scope", "allow it"),
        (400, "invalid_target", "administrator"),
        (401, "invalid_client", "administrator"),
        (503, "temporarily_unavailable", "Try again in a minute"),
    ] {
        let gateway = Gateway::start().await;
        let status = StatusCode::from_u16(status).expect("status");
        let body = json!({ "error": code, "error_description": "internal words" });
        gateway.issuer.answer_token_requests_with(status, body);
        let text = gateway
            .failure("notes.read", "nc_notes_get_note", arguments())
            .await;
        assert!(text.contains(next_step), "{code}: {text}");
        assert!(!text.contains("internal words"), "{text}");
        assert!(gateway.nextcloud.all_seen().is_empty(), "{code}");
    }
}

#[tokio::test]
async fn any_scope_asks_for_no_scope_in_particular() {
    let gateway = Gateway::start().await;
    let user = json!({ "ocs": { "meta": { "status": "ok", "statuscode": 200, "message": "OK" }, "data": { "id": "alice" } } });
    gateway
        .nextcloud
        .on("GET", "/ocs/v2.php/cloud/user", Answer::json(200, user));
    gateway.ok("files.read", "nc_whoami", json!({})).await;
    assert!(
        !gateway.issuer.token_requests()[0]
            .form
            .contains_key("scope")
    );
}

#[tokio::test]
async fn basic_uses_the_configured_account_and_still_wants_a_token() {
    let lines = "credentials = \"basic\"\nbasic = { username = \"bob\", password = \"pw\" }";
    let gateway = Gateway::with("", lines).await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "", "", "e")),
    );
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "nc_notes_get_note", "arguments": arguments() } });
    assert_eq!(
        gateway.post_text(None, &[], body.to_string()).await.status,
        401
    );
    assert_eq!(
        gateway
            .rpc("files.read", "tools/call", body["params"].clone())
            .await
            .status,
        403
    );
    gateway
        .ok("notes.read", "nc_notes_get_note", arguments())
        .await;
    // bob:pw
    assert_eq!(
        gateway.nextcloud.seen()[0].header("authorization"),
        Some("Basic Ym9iOnB3")
    );
    assert!(gateway.issuer.token_requests().is_empty());
}

#[tokio::test]
async fn pass_through_forwards_only_a_token_for_both_audiences() {
    let lines = "credentials = \"danger_pass_through\"\naudience = \"nextcloud\"";
    let gateway = Gateway::with("", lines).await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "", "", "e")),
    );
    let text = gateway
        .failure("notes.read", "nc_notes_get_note", arguments())
        .await;
    assert!(text.contains("not meant for Nextcloud"), "{text}");
    assert!(gateway.nextcloud.all_seen().is_empty());

    let issuer = gateway.issuer.issuer();
    let mut claims = issuer.claims(RESOURCE, "notes.read");
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "nc_notes_get_note", "arguments": arguments() } });
    claims["aud"] = json!(["nextcloud"]);
    let reply = gateway
        .post_text(Some(&issuer.sign(&claims)), &[], body.to_string())
        .await;
    assert_eq!(reply.status, 401, "Nextcloud's audience alone is not ours");
    claims["aud"] = json!([RESOURCE, "nextcloud"]);
    let token = issuer.sign(&claims);
    let reply = gateway.post_text(Some(&token), &[], body.to_string()).await;
    assert_eq!(
        reply.body["result"]["structuredContent"]["id"], 7,
        "{reply:?}"
    );
    assert_eq!(
        gateway.nextcloud.seen()[0].header("authorization"),
        Some(format!("Bearer {token}").as_str())
    );
    assert!(gateway.issuer.token_requests().is_empty());
}
