//! What every request to Nextcloud has in common, and what its refusals become.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, note};

const NOTE_7: &str = "/index.php/apps/notes/api/v1/notes/7";

fn arguments() -> Value {
    json!({ "note_id": 7 })
}

#[tokio::test]
async fn every_request_has_the_ocs_header_and_never_a_cookie() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        NOTE_7,
        Answer::json(200, note(7, "Plan", "a", "Work", "e1")),
    );
    gateway
        .nextcloud
        .on("DELETE", NOTE_7, Answer::json(200, json!([])));
    let attachments = "/remote.php/dav/files/alice/Notes/Work/.attachments.7";
    gateway
        .nextcloud
        .on("DELETE", attachments, Answer::text(204, "text/html", ""));
    let bin = "/remote.php/dav/trashbin/alice/trash/";
    gateway.nextcloud.on(
        "PROPFIND",
        bin,
        Answer::xml(207, "<d:multistatus xmlns:d=\"DAV:\"/>"),
    );
    for _ in 0..2 {
        gateway
            .ok("notes.write", "nc_notes_delete_note", arguments())
            .await;
    }
    let seen = gateway.nextcloud.all_seen();
    assert_eq!(
        seen.len(),
        8,
        "three for each call, and once each who the user is and whether there is a trash bin"
    );
    for seen in seen {
        assert_eq!(
            seen.header("ocs-apirequest"),
            Some("true"),
            "{} {}",
            seen.method,
            seen.target
        );
        assert_eq!(
            seen.header("cookie"),
            None,
            "{} {}",
            seen.method,
            seen.target
        );
        assert!(
            seen.header("authorization")
                .is_some_and(|value| value.starts_with("Bearer "))
        );
    }
}

#[tokio::test]
async fn each_refusal_is_one_sentence_with_the_next_step() {
    let page = "<html>".repeat(10);
    let disabled = json!({ "message": "Account disabled" });
    for (answer, expected) in [
        (
            Answer::text(303, "text/html", "")
                .with("location", "/login/selectchallenge?redirect_url=/x"),
            "second factor",
        ),
        (
            Answer::text(302, "text/html", "").with("location", "https://elsewhere.example/"),
            "another address",
        ),
        (
            Answer::text(404, "text/html; charset=UTF-8", &page),
            "Notes app is not installed",
        ),
        (
            Answer::json(404, json!({ "errorType": "NoteDoesNotExistException" })),
            "Note 7 does not exist",
        ),
        (Answer::json(401, disabled), "disabled in Nextcloud"),
        (
            Answer::json(403, json!({ "message": "Not yours" })),
            "Not yours",
        ),
        (Answer::json(423, json!({})), "locked"),
        (Answer::json(429, json!({})), "too many requests"),
        (
            Answer::json(500, json!({ "message": "x" })),
            "failed inside",
        ),
        (Answer::json(503, json!({})), "maintenance"),
        (Answer::json(507, json!({})), "storage is full"),
        // A success is believed only when it is the data that was asked for.
        (
            Answer::text(200, "text/html; charset=UTF-8", ""),
            "could not be understood",
        ),
        (
            Answer::json(200, json!({ "title": "no id" })),
            "could not be understood",
        ),
    ] {
        let gateway = Gateway::start().await;
        gateway.nextcloud.on("GET", NOTE_7, answer);
        let text = gateway
            .failure("notes.read", "nc_notes_get_note", arguments())
            .await;
        assert!(text.contains(expected), "{expected}: {text}");
        assert!(!text.contains("<html>") && !text.contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read() {
    let gateway = Gateway::with("", "read_limit = \"1KiB\"").await;
    let long = note(7, "Plan", &"x".repeat(5000), "", "e");
    gateway.nextcloud.on("GET", NOTE_7, Answer::json(200, long));
    let text = gateway
        .failure("notes.read", "nc_notes_get_note", arguments())
        .await;
    assert!(text.contains("larger than the 1 KiB"), "{text}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_told_as_such() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let url = format!(
        "url = \"http://{}\"\ntimeout = \"200ms\"",
        silent.local_addr().expect("bound")
    );
    let gateway = Gateway::with_nextcloud(&url).await;
    let text = gateway
        .failure("notes.read", "nc_notes_get_note", arguments())
        .await;
    assert!(text.contains("did not answer in time"), "{text}");
    drop(silent);
    let text = gateway
        .failure("notes.read", "nc_notes_get_note", arguments())
        .await;
    assert!(text.contains("cannot be reached"), "{text}");
}

#[tokio::test]
async fn the_broker_hears_of_a_credential_that_nextcloud_refuses() {
    let words = "Account disabled";
    for answer in [
        Answer::json(401, json!({ "message": "Current user is not logged in" })),
        Answer::json(401, json!({ "message": words })),
        Answer::dav_error(503, words),
    ] {
        let gateway = Gateway::start().await;
        gateway.nextcloud.on("GET", NOTE_7, answer);
        gateway
            .failure("notes.read", "nc_notes_get_note", arguments())
            .await;
        let requests = gateway.issuer.token_requests();
        let said: Vec<_> = requests
            .iter()
            .map(|request| request.form.get("previous_token").map(String::as_str))
            .collect();
        assert_eq!(said, [None, Some("refused")]);
    }
}
