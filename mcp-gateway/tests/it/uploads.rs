//! Files over 20 MiB: in parts, under the same conditions as small ones, and with nothing left behind.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, Seen, until};

const WRITE: &str = "files.write";
const TARGET: &str = "/remote.php/dav/files/alice/Lab/big.bin";
const UPLOADS: &str = "/remote.php/dav/uploads/alice/";
const MIB: usize = 1 << 20;

fn arguments(if_match: Option<&str>) -> Value {
    json!({ "path": "Lab/big.bin", "content": "x".repeat(21 * MIB + 5), "if_match": if_match })
}

/// A Nextcloud that takes the parts and then answers so.
async fn gateway(answer: Answer) -> Gateway {
    let gateway = Gateway::start().await;
    let done = || Answer::text(201, "text/html", "");
    let nextcloud = &gateway.nextcloud;
    nextcloud.on("MKCOL", "uploads", done());
    nextcloud.on("DELETE", "uploads", Answer::text(204, "text/html", ""));
    nextcloud.on("PUT", "uploads", done());
    nextcloud.on("MOVE", "uploads", answer);
    gateway
}

fn methods(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.method.as_str()).collect()
}

#[tokio::test]
async fn a_large_file_goes_up_in_parts_and_appears_in_one_step() {
    let gateway = gateway(Answer::text(201, "text/html", "").with("oc-etag", "\"e1\"")).await;
    let saved = gateway
        .ok(WRITE, "nc_webdav_write_file", arguments(None))
        .await;
    assert_eq!(
        saved,
        json!({ "path": "/Lab/big.bin", "created": true, "size": 21 * MIB + 5, "etag": "e1" })
    );
    let seen = gateway.nextcloud.seen();
    assert_eq!(methods(&seen), ["MKCOL", "PUT", "PUT", "PUT", "MOVE"]);
    let folder = &seen[0].target;
    assert!(
        folder.starts_with(UPLOADS) && folder.len() > UPLOADS.len() + 20,
        "{folder}"
    );
    let parts: Vec<(&str, usize)> = seen[1..4]
        .iter()
        .map(|seen| {
            (
                seen.target.strip_prefix(folder.as_str()).expect("a part"),
                seen.body.len(),
            )
        })
        .collect();
    assert_eq!(parts, [("/1", 10 * MIB), ("/2", 10 * MIB), ("/3", MIB + 5)]);
    assert_eq!(seen[4].target, format!("{folder}/.file"));
    assert_eq!(seen[4].header("overwrite"), Some("F"), "it only creates");
    for seen in &seen {
        let destination = format!("{}{TARGET}", gateway.nextcloud.url);
        assert_eq!(
            seen.header("destination"),
            Some(destination.as_str()),
            "{}",
            seen.target
        );
        assert_eq!(
            seen.header("oc-total-length"),
            Some("22020101"),
            "{}",
            seen.target
        );
    }
}

#[tokio::test]
async fn replacing_a_large_file_names_the_version() {
    let gateway = gateway(Answer::text(204, "text/html", "").with("oc-etag", "\"e2\"")).await;
    let saved = gateway
        .ok(WRITE, "nc_webdav_write_file", arguments(Some("e1")))
        .await;
    assert_eq!(
        (&saved["created"], &saved["etag"]),
        (&json!(false), &json!("e2"))
    );
    let seen = gateway.nextcloud.seen();
    let last = seen.last().expect("a request");
    let condition = format!("<{}{TARGET}> ([\"e1\"])", gateway.nextcloud.url);
    assert_eq!(
        (last.header("overwrite"), last.header("if")),
        (Some("T"), Some(condition.as_str()))
    );
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing_behind_and_says_why() {
    for (answer, expected) in [
        (Answer::dav_error(412, "exists"), "nothing was changed"),
        (
            Answer::dav_error(409, "The destination node is not found"),
            "\"/Lab\" does not exist",
        ),
        (Answer::dav_error(507, "full"), "storage is full"),
    ] {
        let gateway = gateway(answer).await;
        let entry = format!(
            "<d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>{TARGET}</d:href><d:propstat><d:prop>\
             <d:getetag>&quot;e7&quot;</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status>\
             </d:propstat></d:response></d:multistatus>"
        );
        gateway
            .nextcloud
            .on("PROPFIND", TARGET, Answer::xml(207, &entry));
        let text = gateway
            .failure(WRITE, "nc_webdav_write_file", arguments(None))
            .await;
        assert!(text.contains(expected), "{expected}: {text}");
        let folder = gateway.nextcloud.seen()[0].target.clone();
        until("the parts are deleted", || {
            let seen = gateway.nextcloud.seen();
            seen.iter()
                .any(|seen| seen.method == "DELETE" && seen.target == folder)
        })
        .await;
    }
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_nothing_behind() {
    let gateway = gateway(Answer::never()).await;
    let request = gateway.tool_call(WRITE, 1, "nc_webdav_write_file", arguments(None));
    let call = gateway.start_sending(request);
    let has = |method: &str| {
        gateway
            .nextcloud
            .seen()
            .iter()
            .any(|seen| seen.method == method)
    };
    until("the last step is asked", || has("MOVE")).await;
    assert!(!has("DELETE"));
    call.abort();
    until("the parts are deleted", || has("DELETE")).await;
}

#[tokio::test]
async fn a_part_that_is_refused_ends_the_upload() {
    let gateway = gateway(Answer::text(201, "text/html", "")).await;
    gateway
        .nextcloud
        .on("PUT", "uploads", Answer::dav_error(507, "full"));
    let text = gateway
        .failure(WRITE, "nc_webdav_write_file", arguments(None))
        .await;
    assert!(text.contains("storage is full"), "{text}");
    until("the parts are deleted", || {
        methods(&gateway.nextcloud.seen()) == ["MKCOL", "PUT", "PUT", "DELETE"]
    })
    .await;
}
