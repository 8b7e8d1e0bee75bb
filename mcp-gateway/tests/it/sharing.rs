//! Shares on the wire.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway};

const SHARES: &str = "/ocs/v2.php/apps/files_sharing/api/v1/shares";
const WRITE: &str = "sharing.write";
const READ: &str = "sharing.read";

fn ocs(status: u16, message: &str, data: Value) -> Answer {
    let outcome = if status == 200 { "ok" } else { "failure" };
    let meta = json!({ "status": outcome, "statuscode": status, "message": message });
    Answer::json(status, json!({ "ocs": { "meta": meta, "data": data } }))
}

fn with_bob(permissions: u8) -> Value {
    json!({
        "id": "16", "share_type": 0, "uid_owner": "alice", "displayname_owner": "Alice Example",
        "permissions": permissions, "can_edit": true, "can_delete": true, "stime": 1, "parent": null,
        "expiration": null, "token": null, "uid_file_owner": "alice", "note": "", "label": "",
        "path": "/Lab/a & b.txt", "item_type": "file", "file_target": "/a & b.txt",
        "share_with": "bob", "share_with_displayname": "Bob Example", "mail_send": 1,
        "attributes": null,
    })
}

fn link() -> Value {
    json!({
        "id": "15", "share_type": 3, "uid_owner": "alice", "displayname_owner": "Alice Example",
        "permissions": 17, "can_edit": true, "can_delete": true, "stime": 1, "parent": null,
        "expiration": "2026-12-31 00:00:00", "token": "GCcH97tJHLqz6Ey", "note": "", "label": "",
        "path": "/Lab", "item_type": "folder", "share_with": "3|$argon2id$v=19$hash",
        "share_with_displayname": "(Shared link)", "password": "3|$argon2id$v=19$hash",
        "url": "https://cloud.example/s/GCcH97tJHLqz6Ey", "mail_send": 1, "attributes": null,
    })
}

#[tokio::test]
async fn a_share_allows_reading_unless_more_is_asked_for() {
    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("POST", SHARES, ocs(200, "OK", with_bob(1)));
    let arguments = json!({ "path": "Lab/a & b.txt", "share_with": "bob" });
    let share = gateway.ok(WRITE, "nc_share_create", arguments).await;
    assert_eq!(
        (&share["share_id"], &share["kind"], &share["allowed"]),
        (&json!(16), &json!("user"), &json!(["read"]))
    );
    assert!(share.get("warning").is_none());
    let seen = &gateway.nextcloud.seen()[0];
    assert_eq!(seen.target, format!("{SHARES}?format=json"));
    assert_eq!(
        seen.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        seen.body,
        "path=%2FLab%2Fa+%26+b.txt&shareType=0&permissions=1&shareWith=bob"
    );
}

#[tokio::test]
async fn a_public_link_names_its_url_and_hides_the_hash_of_its_password() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("POST", SHARES, ocs(200, "OK", link()));
    let arguments = json!({ "path": "/Lab/", "share_type": 3, "expire_date": "2026-12-31" });
    let share = gateway.ok(WRITE, "nc_share_create", arguments).await;
    assert_eq!(share["url"], "https://cloud.example/s/GCcH97tJHLqz6Ey");
    assert_eq!(share["expires"], "2026-12-31");
    assert_eq!(share["has_password"], true);
    assert!(share.get("share_with").is_none());
    assert!(!share.to_string().contains("argon2"), "{share}");
    assert!(
        share.get("warning").is_none(),
        "Nextcloud adds 16 to each link"
    );
    assert_eq!(
        gateway.nextcloud.seen()[0].body,
        "path=%2FLab&shareType=3&permissions=1&expireDate=2026-12-31"
    );
}

#[tokio::test]
async fn a_share_that_was_there_with_more_rights_is_pointed_out() {
    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("POST", SHARES, ocs(200, "OK", with_bob(19)));
    let arguments = json!({ "path": "Lab/a & b.txt", "share_with": "bob" });
    let share = gateway.ok(WRITE, "nc_share_create", arguments).await;
    let warning = share["warning"].as_str().expect("a warning");
    assert!(
        warning.contains("more than was asked for: change, share on"),
        "{warning}"
    );
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused_before_anything_is_asked() {
    let gateway = Gateway::start().await;
    for (arguments, word) in [
        (json!({ "path": "/", "share_with": "bob" }), "root folder"),
        (
            json!({ "path": "a/../b", "share_with": "bob" }),
            "cannot be used",
        ),
        (json!({ "path": "a" }), "share_with"),
        (
            json!({ "path": "a", "share_type": 3, "share_with": "bob" }),
            "public link",
        ),
        (
            json!({ "path": "a", "share_type": 99, "share_with": "bob" }),
            "no share type 99",
        ),
        (
            json!({ "path": "a", "share_with": "bob", "permissions": 0 }),
            "no sum",
        ),
        (
            json!({ "path": "a", "share_with": "bob", "permissions": 32 }),
            "no sum",
        ),
        (
            json!({ "path": "a", "share_type": 3, "expire_date": "soon" }),
            "is no day",
        ),
    ] {
        let text = gateway
            .failure(WRITE, "nc_share_create", arguments.clone())
            .await;
        assert!(text.contains(word), "{arguments}: {text}");
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn a_refusal_is_one_sentence_with_nextclouds_words() {
    let gateway = Gateway::start().await;
    let arguments = json!({ "path": "nope", "share_with": "nobody" });
    let words = "Please specify a valid account to share with";
    gateway
        .nextcloud
        .on("POST", SHARES, ocs(404, words, json!([])));
    gateway.nextcloud.on(
        "POST",
        SHARES,
        ocs(403, "Cannot share with yourself", json!([])),
    );
    let text = gateway
        .failure(WRITE, "nc_share_create", arguments.clone())
        .await;
    for part in ["\"/nope\"", "\"nobody\"", words, "nc_webdav_find_by_name"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = gateway.failure(WRITE, "nc_share_create", arguments).await;
    assert!(text.contains("Cannot share with yourself"), "{text}");

    let one = format!("{SHARES}/14");
    let words = "Wrong share ID, share does not exist";
    for method in ["GET", "PUT"] {
        gateway
            .nextcloud
            .on(method, &one, ocs(404, words, json!([])));
    }
    for (scope, tool) in [
        (READ, "nc_share_get"),
        (WRITE, "nc_share_update"),
        (WRITE, "nc_share_delete"),
    ] {
        let arguments = json!({ "share_id": 14, "permissions": 1 });
        let text = gateway.failure(scope, tool, arguments).await;
        assert!(
            text.contains("Share 14 does not exist") && text.contains("nc_share_list"),
            "{text}"
        );
    }
    let disabled = Answer::json(
        404,
        json!({ "ocs": { "meta": { "status": "failure", "statuscode": 998, "message": "Invalid query" },
                         "data": [] } }),
    );
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", SHARES, disabled);
    let text = gateway.failure(READ, "nc_share_list", json!({})).await;
    assert!(text.contains("file sharing app is not installed"), "{text}");
}

#[tokio::test]
async fn shares_are_listed_by_path_and_by_direction() {
    let gateway = Gateway::start().await;
    let all = json!([with_bob(19), link()]);
    gateway.nextcloud.on("GET", SHARES, ocs(200, "OK", all));
    let arguments = json!({ "path": "Lab/a & b.txt", "limit": 1 });
    let listed = gateway.ok(READ, "nc_share_list", arguments).await;
    assert_eq!(
        (&listed["total"], &listed["next_offset"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(listed["shares"][0]["share_with"], "bob");
    let arguments = json!({ "shared_with_me": true });
    gateway.ok(READ, "nc_share_list", arguments).await;
    let seen = gateway.nextcloud.seen();
    assert_eq!(
        seen[0].target,
        format!("{SHARES}?path=%2FLab%2Fa+%26+b.txt&format=json")
    );
    assert_eq!(
        seen[1].target,
        format!("{SHARES}?shared_with_me=true&format=json")
    );
}

#[tokio::test]
async fn a_share_is_changed_and_ended() {
    let gateway = Gateway::start().await;
    let one = format!("{SHARES}/16");
    gateway
        .nextcloud
        .on("PUT", &one, ocs(200, "OK", with_bob(1)));
    gateway
        .nextcloud
        .on("GET", &one, ocs(200, "OK", json!([with_bob(1)])));
    gateway
        .nextcloud
        .on("DELETE", &one, ocs(200, "OK", json!([])));
    let arguments = json!({ "share_id": 16, "permissions": 1 });
    let share = gateway.ok(WRITE, "nc_share_update", arguments).await;
    assert_eq!(share["permissions"], 1);
    assert_eq!(gateway.nextcloud.seen()[0].body, "permissions=1");

    let ended = gateway
        .ok(WRITE, "nc_share_delete", json!({ "share_id": 16 }))
        .await;
    let text = ended["removed"].as_str().expect("text");
    assert!(
        text.contains("no longer shared with the user \"bob\"") && text.contains("stays"),
        "{text}"
    );
    assert_eq!(ended["share"]["path"], "/Lab/a & b.txt");
    let methods: Vec<String> = gateway
        .nextcloud
        .seen()
        .into_iter()
        .map(|seen| seen.method)
        .collect();
    assert_eq!(methods, ["PUT", "GET", "DELETE"]);
}

#[tokio::test]
async fn looking_needs_the_scope_for_reading_only() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        &format!("{SHARES}/15"),
        ocs(200, "OK", json!([link()])),
    );
    let share = gateway
        .ok(READ, "nc_share_get", json!({ "share_id": 15 }))
        .await;
    assert_eq!(share["kind"], "public link");
    let call = json!({ "name": "nc_share_delete", "arguments": { "share_id": 15 } });
    let reply = gateway.rpc(READ, "tools/call", call).await;
    assert_eq!(reply.status, 403);
}
