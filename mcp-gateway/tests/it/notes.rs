//! Notes on the wire.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, note};

const NOTES: &str = "/index.php/apps/notes/api/v1/notes";
const NOTE_7: &str = "/index.php/apps/notes/api/v1/notes/7";
const WRITE: &str = "notes.write";
const READ: &str = "notes.read";

#[tokio::test]
async fn a_note_is_created_with_all_its_fields() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "POST",
        NOTES,
        Answer::json(200, note(7, "Plan", "# Plan", "Work", "e1")),
    );
    let arguments = json!({ "title": "Plan", "content": "# Plan", "category": "Work" });
    let created = gateway
        .ok(WRITE, "nc_notes_create_note", arguments.clone())
        .await;
    assert_eq!(
        (&created["id"], &created["etag"]),
        (&json!(7), &json!("e1"))
    );
    let seen = &gateway.nextcloud.seen()[0];
    assert_eq!(seen.json(), arguments);
    assert_eq!(seen.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn only_the_given_fields_are_changed_and_an_empty_text_clears() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "PUT",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "", "", "e2")),
    );
    let arguments = json!({ "note_id": 7, "etag": "e1", "content": "" });
    let changed = gateway.ok(WRITE, "nc_notes_update_note", arguments).await;
    assert_eq!(changed["etag"], "e2");
    let seen = gateway.nextcloud.seen();
    assert_eq!(seen.len(), 1, "nothing is read when the category stays");
    assert_eq!(seen[0].json(), json!({ "content": "" }));
    assert_eq!(seen[0].header("if-match"), Some("\"e1\""));
}

#[tokio::test]
async fn an_update_without_a_change_is_refused() {
    let gateway = Gateway::start().await;
    let text = gateway
        .failure(
            WRITE,
            "nc_notes_update_note",
            json!({ "note_id": 7, "etag": "e1" }),
        )
        .await;
    assert!(text.contains("nothing to change"), "{text}");
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn a_conflict_brings_the_current_version() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "PUT",
        NOTE_7,
        Answer::json(412, note(7, "Plan", "theirs", "", "e9")),
    );
    let arguments = json!({ "note_id": 7, "etag": "\"e1\"", "content": "mine" });
    let text = gateway
        .failure(WRITE, "nc_notes_update_note", arguments)
        .await;
    let (sentence, current) = text.split_once('\n').expect("a sentence and the version");
    assert!(sentence.contains("changed since you read it"), "{sentence}");
    let current: Value = serde_json::from_str(current).expect("json");
    assert_eq!(
        (&current["content"], &current["etag"]),
        (&json!("theirs"), &json!("e9"))
    );
    assert_eq!(
        gateway.nextcloud.seen()[0].header("if-match"),
        Some("\"e1\"")
    );
}

#[tokio::test]
async fn attachments_follow_a_note_into_another_category() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "x", "Old stuff", "e1")),
    );
    gateway.nextcloud.on(
        "PUT",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "x", "New/Deep", "e2")),
    );
    let from = "/remote.php/dav/files/alice/Notes/Old%20stuff/.attachments.7";
    gateway
        .nextcloud
        .on("MOVE", from, Answer::text(201, "text/html", ""));
    let arguments = json!({ "note_id": 7, "etag": "e1", "category": "New/Deep" });
    gateway.ok(WRITE, "nc_notes_update_note", arguments).await;
    let seen = gateway.nextcloud.seen();
    let moved = seen.last().expect("a request");
    assert_eq!(moved.method, "MOVE");
    assert_eq!(
        moved.header("destination"),
        Some(
            format!(
                "{}/remote.php/dav/files/alice/Notes/New/Deep/.attachments.7",
                gateway.nextcloud.url
            )
            .as_str()
        )
    );
    assert_eq!(moved.header("overwrite"), Some("F"));
}

#[tokio::test]
async fn appending_goes_on_from_the_newer_version() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Log", "one", "", "e1")),
    );
    gateway.nextcloud.on(
        "PUT",
        NOTE_7,
        Answer::json(412, note(7, "Log", "one two", "", "e2")),
    );
    gateway.nextcloud.on(
        "PUT",
        NOTE_7,
        Answer::json(200, note(7, "Log", "…", "", "e3")),
    );
    gateway
        .ok(
            WRITE,
            "nc_notes_append_content",
            json!({ "note_id": 7, "content": "mine" }),
        )
        .await;
    let seen = gateway.nextcloud.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[1].json(), json!({ "content": "one\n---\nmine" }));
    assert_eq!(seen[2].json(), json!({ "content": "one two\n---\nmine" }));
    assert_eq!(seen[2].header("if-match"), Some("\"e2\""));
}

#[tokio::test]
async fn appending_to_an_empty_note_needs_no_line() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Log", "", "", "e1")),
    );
    gateway.nextcloud.on(
        "PUT",
        NOTE_7,
        Answer::json(200, note(7, "Log", "mine", "", "e2")),
    );
    gateway
        .ok(
            WRITE,
            "nc_notes_append_content",
            json!({ "note_id": 7, "content": "mine" }),
        )
        .await;
    assert_eq!(
        gateway.nextcloud.seen()[1].json(),
        json!({ "content": "mine" })
    );
}

#[tokio::test]
async fn a_search_reads_no_more_chunks_than_it_needs() {
    let gateway = Gateway::start().await;
    let first = json!([
        note(1, "Holiday plan", "beach", "", "e"),
        note(2, "Other", "nothing", "", "e")
    ]);
    let answer = Answer::json(200, first)
        .with("x-notes-chunk-cursor", "c1")
        .with("x-notes-chunk-pending", "3");
    gateway.nextcloud.on("GET", NOTES, answer.clone());
    let found = gateway
        .ok(
            READ,
            "nc_notes_search_notes",
            json!({ "query": "PLAN", "limit": 1 }),
        )
        .await;
    assert_eq!(found["results"][0]["id"], 1);
    assert_eq!(
        (&found["searched"], &found["next_cursor"]),
        (&json!(2), &json!("c1"))
    );
    assert_eq!(gateway.nextcloud.seen().len(), 1);

    // The last chunk names earlier notes by id alone.
    let last = json!([note(3, "Third", "our plan for it", "Work", "e"), { "id": 1 }, { "id": 2 }]);
    let gateway = Gateway::start().await;
    gateway.nextcloud.on("GET", NOTES, answer);
    gateway.nextcloud.on("GET", NOTES, Answer::json(200, last));
    let found = gateway
        .ok(READ, "nc_notes_search_notes", json!({ "query": "plan" }))
        .await;
    let ids: Vec<&Value> = found["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|note| &note["id"])
        .collect();
    assert_eq!(ids, [&json!(1), &json!(3)], "the title weighs more");
    assert_eq!(found["results"][1]["excerpt"], "our plan for it");
    assert!(found.get("next_cursor").is_none());
    let seen = gateway.nextcloud.seen();
    assert_eq!(seen[0].target, format!("{NOTES}?chunkSize=100"));
    assert_eq!(
        seen[1].target,
        format!("{NOTES}?chunkSize=100&chunkCursor=c1")
    );
}

#[tokio::test]
async fn an_attachment_is_found_beside_its_note() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "x", "Work/Q1 & Q2", "e1")),
    );
    let path = "/remote.php/dav/files/alice/Notes/Work/Q1%20%26%20Q2/.attachments.7/a%20b.png";
    gateway.nextcloud.on(
        "GET",
        path,
        Answer::bytes(200, "image/png", &[0x89, b'P', 0xff]),
    );
    let arguments = json!({ "note_id": 7, "attachment_filename": "a b.png" });
    let attachment = gateway.ok(READ, "nc_notes_get_attachment", arguments).await;
    assert_eq!(
        attachment,
        json!({
            "uri": "nc://Notes/7/attachments/a%20b%2Epng", "mime_type": "image/png", "size": 3, "data": "iVD/",
        })
    );
    let uri = attachment["uri"].as_str().expect("uri");
    let reply = gateway
        .rpc(READ, "resources/read", json!({ "uri": uri }))
        .await;
    let contents = &reply.body["result"]["contents"][0];
    assert_eq!(
        (&contents["blob"], &contents["mimeType"]),
        (&json!("iVD/"), &json!("image/png"))
    );

    for name in ["../../secret", "a/b", "..", ""] {
        let arguments = json!({ "note_id": 7, "attachment_filename": name });
        let text = gateway
            .failure(READ, "nc_notes_get_attachment", arguments)
            .await;
        assert!(text.contains("name of one file"), "{name}: {text}");
    }
}

#[tokio::test]
async fn deleting_a_note_takes_its_attachments_along() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "x", "Work", "e1")),
    );
    gateway
        .nextcloud
        .on("DELETE", NOTE_7, Answer::json(200, json!([])));
    let attachments = "/remote.php/dav/files/alice/Notes/Work/.attachments.7";
    gateway
        .nextcloud
        .on("DELETE", attachments, Answer::dav_error(404, "none"));
    let bin = "/remote.php/dav/trashbin/alice/trash/";
    let no_bin = Answer::dav_error(404, "File not found: trashbin in 'root'");
    gateway.nextcloud.on("PROPFIND", bin, no_bin);
    let gone = gateway
        .ok(WRITE, "nc_notes_delete_note", json!({ "note_id": 7 }))
        .await;
    assert_eq!(
        gone,
        json!({ "note_id": 7, "title": "Plan", "attachments_deleted": false, "in_trash_bin": false })
    );
}

#[tokio::test]
async fn notes_are_resources_too() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "x", "", "e1")),
    );
    let settings = json!({ "notesPath": "Notes", "fileSuffix": ".md", "noteMode": "rich" });
    gateway.nextcloud.on(
        "GET",
        "/index.php/apps/notes/api/v1/settings",
        Answer::json(200, settings.clone()),
    );
    let text = |reply: &crate::support::Reply| -> Value {
        let text = reply.body["result"]["contents"][0]["text"]
            .as_str()
            .expect("text");
        serde_json::from_str(text).expect("json")
    };
    let reply = gateway
        .rpc(READ, "resources/read", json!({ "uri": "nc://Notes/7" }))
        .await;
    assert_eq!(text(&reply)["title"], "Plan");
    let reply = gateway
        .rpc(READ, "resources/read", json!({ "uri": "notes://settings" }))
        .await;
    assert_eq!(text(&reply), settings);
    let reply = gateway
        .rpc(READ, "resources/read", json!({ "uri": "nc://Notes/x" }))
        .await;
    assert_eq!(reply.body["error"]["code"], -32002);
    // The tool's name in the broker's audit.
    assert_eq!(gateway.issuer.token_requests()[0].form["tool"], "note");
}
