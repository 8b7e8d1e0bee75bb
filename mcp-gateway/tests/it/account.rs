//! Who the user is and what Nextcloud can do.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway};

fn ocs(data: Value) -> Answer {
    let meta = json!({ "status": "ok", "statuscode": 200, "message": "OK" });
    Answer::json(200, json!({ "ocs": { "meta": meta, "data": data } }))
}

#[tokio::test]
async fn whoami_is_the_nextcloud_account_behind_the_token() {
    let gateway = Gateway::start().await;
    let user = json!({
        "enabled": true, "id": "alice", "displayname": "Alice Example", "email": "alice@example.test",
        "groups": ["staff"], "language": "de", "timezone": "Europe/Berlin", "backend": "Database",
        "quota": { "free": -3, "used": 20_367_052, "total": -3, "relative": 0, "quota": -3 },
    });
    gateway
        .nextcloud
        .on("GET", "/ocs/v2.php/cloud/user", ocs(user));
    let account = gateway.ok("notes.read", "nc_whoami", json!({})).await;
    assert_eq!(
        account,
        json!({
            "user_id": "alice", "display_name": "Alice Example", "email": "alice@example.test",
            "groups": ["staff"], "language": "de", "timezone": "Europe/Berlin",
            "quota": { "used_bytes": 20_367_052 },
        })
    );
    assert_eq!(
        gateway.nextcloud.seen()[0].target,
        "/ocs/v2.php/cloud/user?format=json"
    );
}

#[tokio::test]
async fn a_failure_inside_a_200_is_a_failure() {
    let gateway = Gateway::start().await;
    let meta = json!({ "status": "failure", "statuscode": 996, "message": "Broken inside" });
    let body = json!({ "ocs": { "meta": meta, "data": [] } });
    gateway
        .nextcloud
        .on("GET", "/ocs/v2.php/cloud/user", Answer::json(200, body));
    let text = gateway.failure("notes.read", "nc_whoami", json!({})).await;
    assert!(text.contains("Broken inside"), "{text}");
}

#[tokio::test]
async fn capabilities_can_be_asked_for_one_app() {
    let gateway = Gateway::start().await;
    let capabilities = json!({
        "version": { "major": 32, "minor": 0, "micro": 1, "string": "32.0.1" },
        "capabilities": { "files": { "undelete": true }, "notes": { "version": "4.13.1" } },
    });
    gateway
        .nextcloud
        .on("GET", "/ocs/v2.php/cloud/capabilities", ocs(capabilities));
    let all = gateway.ok("notes.read", "nc_capabilities", json!({})).await;
    assert_eq!(
        (&all["version"], &all["apps"]),
        (&json!("32.0.1"), &json!(["files", "notes"]))
    );
    assert_eq!(all["capabilities"]["files"]["undelete"], true);
    let one = gateway
        .ok("notes.read", "nc_capabilities", json!({ "app": "notes" }))
        .await;
    assert_eq!(
        one["capabilities"],
        json!({ "notes": { "version": "4.13.1" } })
    );
    let text = gateway
        .failure("notes.read", "nc_capabilities", json!({ "app": "deck" }))
        .await;
    assert!(text.contains("files, notes"), "{text}");

    let reply = gateway
        .rpc(
            "files.read",
            "resources/read",
            json!({ "uri": "nc://capabilities" }),
        )
        .await;
    let contents = &reply.body["result"]["contents"][0];
    assert_eq!(
        (&contents["uri"], &contents["mimeType"]),
        (&json!("nc://capabilities"), &json!("application/json"))
    );
    let document: Value =
        serde_json::from_str(contents["text"].as_str().expect("text")).expect("json");
    assert_eq!(document["capabilities"]["notes"]["version"], "4.13.1");
}
