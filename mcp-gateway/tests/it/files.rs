//! Files over WebDAV on the wire.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway};

const READ: &str = "files.read";
const WRITE: &str = "files.write";

/// One `response` of a multistatus, with the properties that a file has.
fn file(href: &str, etag: &str) -> String {
    format!(
        "<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:getcontentlength>13</d:getcontentlength>\
         <d:getcontenttype>text/plain</d:getcontenttype><d:getlastmodified>Sat, 21 Nov 2026 02:03:42 GMT</d:getlastmodified>\
         <d:getetag>&quot;{etag}&quot;</d:getetag><d:resourcetype/><oc:fileid>701</oc:fileid><oc:favorite>1</oc:favorite>\
         </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )
}

fn folder(href: &str) -> String {
    format!(
        "<d:response><d:href>{href}</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype>\
         <d:getetag>&quot;f1&quot;</d:getetag><oc:size>13</oc:size></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>\
         <d:propstat><d:prop><d:getcontentlength/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>"
    )
}

fn multistatus(responses: &[String]) -> Answer {
    let xml = format!(
        r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">{}</d:multistatus>"#,
        responses.concat()
    );
    Answer::xml(207, &xml)
}

fn root(path: &str) -> String {
    format!("/remote.php/dav/files/alice{path}")
}

#[tokio::test]
async fn a_folder_is_listed_folders_first_and_in_pages() {
    let gateway = Gateway::start().await;
    let listing = multistatus(&[
        file(&root("/Lab/b%20%26%20c.txt"), "e1"),
        folder(&root("/Lab/")),
        folder(&root("/Lab/sub/")),
        file(&root("/Lab/a.txt"), "e2"),
    ]);
    gateway.nextcloud.on("PROPFIND", &root("/Lab"), listing);
    let shown = gateway
        .ok(READ, "nc_webdav_list_directory", json!({ "path": "/Lab/" }))
        .await;
    let names: Vec<&Value> = shown["entries"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| &entry["name"])
        .collect();
    assert_eq!(names, [&json!("sub"), &json!("a.txt"), &json!("b & c.txt")]);
    assert_eq!(
        shown["entries"][2],
        json!({
            "path": "/Lab/b & c.txt", "name": "b & c.txt", "is_directory": false, "size": 13,
            "content_type": "text/plain", "last_modified": "2026-11-21T02:03:42Z", "etag": "e1",
            "file_id": 701, "is_favorite": true,
        })
    );
    assert_eq!(
        (&shown["total"], shown.get("next_offset")),
        (&json!(3), None)
    );
    let page = gateway
        .ok(
            READ,
            "nc_webdav_list_directory",
            json!({ "path": "Lab", "limit": 1, "offset": 1 }),
        )
        .await;
    assert_eq!(
        (&page["entries"][0]["name"], &page["next_offset"]),
        (&json!("a.txt"), &json!(2))
    );
    let seen = gateway.nextcloud.seen();
    assert_eq!(seen[0].header("depth"), Some("1"));
    assert_eq!(
        gateway
            .nextcloud
            .all_seen()
            .iter()
            .filter(|seen| seen.target == "/remote.php/dav/")
            .count(),
        1,
        "who the user is is asked once, not at each call"
    );
}

#[tokio::test]
async fn listing_a_file_says_how_to_read_it() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "PROPFIND",
        &root("/a.txt"),
        multistatus(&[file(&root("/a.txt"), "e1")]),
    );
    let text = gateway
        .failure(READ, "nc_webdav_list_directory", json!({ "path": "a.txt" }))
        .await;
    assert!(text.contains("nc_webdav_read_file"), "{text}");
}

#[tokio::test]
async fn names_are_encoded_segment_by_segment() {
    let gateway = Gateway::start().await;
    let path = root("/100%25/a%3Fb%23c/%E2%82%AC%20%5C%20..x");
    gateway.nextcloud.on(
        "GET",
        &path,
        Answer::text(200, "text/plain", "hello").with("etag", "\"e1\""),
    );
    let content = gateway
        .ok(
            READ,
            "nc_webdav_read_file",
            json!({ "path": "100%/a?b#c/€ \\ ..x" }),
        )
        .await;
    assert_eq!(
        (&content["content"], &content["etag"]),
        (&json!("hello"), &json!("e1"))
    );
    for path in ["../bob/secret", "a/../../x", "./a", "a\0b"] {
        let text = gateway
            .failure(READ, "nc_webdav_read_file", json!({ "path": path }))
            .await;
        assert!(text.contains("cannot be used"), "{path}: {text}");
    }
    assert_eq!(gateway.nextcloud.seen().len(), 1);
}

#[tokio::test]
async fn the_tools_cannot_reach_account_taking_routes() {
    let gateway = Gateway::start().await;
    let path = "..%2f..%2f..%2f..%2fsettings/user";
    let text = gateway
        .failure(READ, "nc_webdav_read_file", json!({ "path": path }))
        .await;
    assert!(text.contains("take the account over"), "{text}");
    assert!(gateway.nextcloud.seen().is_empty());
}

#[tokio::test]
async fn a_large_file_is_cut_and_read_on() {
    let gateway = Gateway::with("", "read_limit = \"1KiB\"").await;
    let whole = "x".repeat(1500);
    gateway.nextcloud.on(
        "GET",
        &root("/big.txt"),
        Answer::text(200, "text/plain", &whole).with("etag", "\"e1\""),
    );
    let part = gateway
        .ok(READ, "nc_webdav_read_file", json!({ "path": "big.txt" }))
        .await;
    assert_eq!(
        (&part["size"], &part["total_size"], &part["next_offset"]),
        (&json!(1024), &json!(1500), &json!(1024))
    );
    let rest = Answer::text(206, "text/plain", &"x".repeat(476))
        .with("content-range", "bytes 1024-1499/1500")
        .with("etag", "\"e1\"");
    gateway.nextcloud.on("GET", &root("/rest.txt"), rest);
    let part = gateway
        .ok(
            READ,
            "nc_webdav_read_file",
            json!({ "path": "rest.txt", "offset": 1024 }),
        )
        .await;
    assert_eq!(
        (&part["size"], part.get("next_offset")),
        (&json!(476), None)
    );
    let seen = gateway.nextcloud.seen();
    assert_eq!(seen[0].header("range"), None);
    assert_eq!(seen[1].header("range"), Some("bytes=1024-"));
}

#[tokio::test]
async fn a_document_is_no_markdown_and_text_is() {
    let gateway = Gateway::start().await;
    let report = Answer::text(200, "application/pdf", "%PDF-1.7\0");
    gateway.nextcloud.on("GET", &root("/report.pdf"), report);
    gateway.nextcloud.on(
        "GET",
        &root("/plan.md"),
        Answer::text(200, "text/markdown", "# Plan"),
    );
    for (path, parse, content) in [
        ("report.pdf", "auto", "JVBERi0xLjcA"),
        ("report.pdf", "raw", "JVBERi0xLjcA"),
        ("plan.md", "markdown", "# Plan"),
    ] {
        let arguments = json!({ "path": path, "parse_document": parse });
        let read = gateway.ok(READ, "nc_webdav_read_file", arguments).await;
        assert_eq!(read["content"], content, "{path} {parse}");
    }
    let arguments = json!({ "path": "report.pdf", "parse_document": "markdown" });
    let text = gateway
        .failure(READ, "nc_webdav_read_file", arguments)
        .await;
    assert!(
        text.contains("no parser") && text.contains("Leave"),
        "{text}"
    );
}

#[tokio::test]
async fn a_folder_is_not_mistaken_for_an_empty_file() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "GET",
        &root("/Lab"),
        Answer::text(200, "text/html; charset=UTF-8", ""),
    );
    gateway.nextcloud.on(
        "PROPFIND",
        &root("/Lab"),
        multistatus(&[folder(&root("/Lab/"))]),
    );
    let text = gateway
        .failure(READ, "nc_webdav_read_file", json!({ "path": "Lab" }))
        .await;
    assert!(text.contains("is a folder"), "{text}");
}

#[tokio::test]
async fn a_new_file_never_overwrites() {
    let gateway = Gateway::start().await;
    let place = root("/Lab/new.md");
    gateway.nextcloud.on(
        "PUT",
        &place,
        Answer::text(201, "text/html", "").with("oc-etag", "\"e1\""),
    );
    let arguments =
        json!({ "path": "Lab/new.md", "content": "# New", "content_type": "text/markdown" });
    let saved = gateway
        .ok(WRITE, "nc_webdav_write_file", arguments.clone())
        .await;
    assert_eq!(
        saved,
        json!({ "path": "/Lab/new.md", "created": true, "size": 5, "etag": "e1" })
    );
    let seen = &gateway.nextcloud.seen()[0];
    assert_eq!(
        (seen.header("if-none-match"), seen.header("if-match")),
        (Some("*"), None)
    );
    assert_eq!(
        (seen.header("content-type"), seen.body.as_str()),
        (Some("text/markdown"), "# New")
    );

    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("PUT", &place, Answer::dav_error(412, "exists"));
    gateway
        .nextcloud
        .on("PROPFIND", &place, multistatus(&[file(&place, "e7")]));
    let text = gateway
        .failure(WRITE, "nc_webdav_write_file", arguments)
        .await;
    let (sentence, current) = text.split_once('\n').expect("a sentence and the version");
    assert!(sentence.contains("nothing was changed"), "{sentence}");
    let current: Value = serde_json::from_str(current).expect("json");
    assert_eq!(current["etag"], "e7");
}

#[tokio::test]
async fn a_change_names_the_version_it_replaces() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "PUT",
        &root("/a.bin"),
        Answer::text(204, "text/html", "").with("oc-etag", "\"e2\""),
    );
    let arguments = json!({
        "path": "a.bin", "content": "AAEC", "content_type": "application/octet-stream;base64", "if_match": "e1",
    });
    let saved = gateway.ok(WRITE, "nc_webdav_write_file", arguments).await;
    assert_eq!(
        (&saved["created"], &saved["size"], &saved["etag"]),
        (&json!(false), &json!(3), &json!("e2"))
    );
    let seen = &gateway.nextcloud.seen()[0];
    assert_eq!(
        (seen.header("if-none-match"), seen.header("if-match")),
        (None, Some("\"e1\""))
    );
    assert_eq!(seen.body.as_bytes(), [0, 1, 2]);
}

#[tokio::test]
async fn a_missing_folder_is_named_with_the_tool_that_makes_it() {
    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "PUT",
        &root("/No/x.txt"),
        Answer::dav_error(404, "File with name //No could not be located"),
    );
    gateway.nextcloud.on(
        "MKCOL",
        &root("/No/Sub"),
        Answer::dav_error(409, "Parent node does not exist"),
    );
    let put = gateway
        .failure(
            WRITE,
            "nc_webdav_write_file",
            json!({ "path": "No/x.txt", "content": "x" }),
        )
        .await;
    let mkcol = gateway
        .failure(
            WRITE,
            "nc_webdav_create_directory",
            json!({ "path": "No/Sub" }),
        )
        .await;
    for text in [put, mkcol] {
        assert!(
            text.contains("\"/No\" does not exist") && text.contains("nc_webdav_create_directory"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn folders_are_created_and_things_deleted_idempotently() {
    let gateway = Gateway::start().await;
    gateway
        .nextcloud
        .on("MKCOL", &root("/Lab"), Answer::text(201, "text/html", ""));
    gateway
        .nextcloud
        .on("MKCOL", &root("/Lab"), Answer::dav_error(405, "exists"));
    gateway.nextcloud.on(
        "PROPFIND",
        &root("/Lab"),
        multistatus(&[folder(&root("/Lab/"))]),
    );
    gateway.nextcloud.on(
        "PROPFIND",
        &root("/Lab"),
        multistatus(&[folder(&root("/Lab/"))]),
    );
    gateway
        .nextcloud
        .on("PROPFIND", &root("/Lab"), Answer::dav_error(404, "none"));
    gateway
        .nextcloud
        .on("DELETE", &root("/Lab"), Answer::text(204, "text/html", ""));
    let bin = "/remote.php/dav/trashbin/alice/trash/";
    gateway
        .nextcloud
        .on("PROPFIND", bin, multistatus(&[folder(bin)]));
    for expected in [true, false] {
        let made = gateway
            .ok(
                WRITE,
                "nc_webdav_create_directory",
                json!({ "path": "Lab" }),
            )
            .await;
        assert_eq!(made, json!({ "path": "/Lab", "created": expected }));
    }
    let delete = || gateway.ok(WRITE, "nc_webdav_delete_resource", json!({ "path": "Lab" }));
    let gone = delete().await;
    assert_eq!(
        (&gone["path"], &gone["deleted"], &gone["in_trash_bin"]),
        (&json!("/Lab"), &json!(true), &json!(true))
    );
    assert_eq!(
        (&gone["was"]["is_directory"], &gone["was"]["size"]),
        (&json!(true), &json!(13)),
        "what is gone is told"
    );
    assert_eq!(
        delete().await,
        json!({ "path": "/Lab", "deleted": false }),
        "nothing there is no error"
    );
    let text = gateway
        .failure(WRITE, "nc_webdav_delete_resource", json!({ "path": "/" }))
        .await;
    assert!(text.contains("root folder"), "{text}");
}

#[tokio::test]
async fn moving_and_copying_replace_only_what_was_named() {
    let gateway = Gateway::start().await;
    let destination = format!("{}{}", gateway.nextcloud.url, root("/b%20c.txt"));
    gateway.nextcloud.on(
        "MOVE",
        &root("/a.txt"),
        Answer::text(201, "text/html", "").with("oc-etag", "\"e2\""),
    );
    gateway
        .nextcloud
        .on("COPY", &root("/a.txt"), Answer::text(204, "text/html", ""));
    let arguments = json!({ "source_path": "a.txt", "destination_path": "b c.txt" });
    let moved = gateway
        .ok(WRITE, "nc_webdav_move_resource", arguments.clone())
        .await;
    assert_eq!(
        (
            &moved["destination_path"],
            &moved["replaced"],
            &moved["etag"]
        ),
        (&json!("/b c.txt"), &json!(false), &json!("e2"))
    );
    let mut overwrite = arguments.clone();
    overwrite["overwrite"] = json!(true);
    let copied = gateway
        .ok(WRITE, "nc_webdav_copy_resource", overwrite)
        .await;
    assert_eq!(copied["replaced"], true);
    let mut conditional = arguments.clone();
    conditional["if_destination_match"] = json!("e9");
    gateway
        .ok(WRITE, "nc_webdav_copy_resource", conditional)
        .await;
    let seen = gateway.nextcloud.seen();
    let headers: Vec<_> = seen
        .iter()
        .map(|seen| (seen.header("overwrite"), seen.header("if")))
        .collect();
    let tagged = format!("<{destination}> ([\"e9\"])");
    assert_eq!(
        headers,
        [
            (Some("F"), None),
            (Some("T"), None),
            (Some("T"), Some(tagged.as_str()))
        ]
    );
    assert!(
        seen.iter()
            .all(|seen| seen.header("destination") == Some(&destination))
    );

    let gateway = Gateway::start().await;
    gateway.nextcloud.on(
        "MOVE",
        &root("/a.txt"),
        Answer::dav_error(412, "The destination node already exists"),
    );
    gateway.nextcloud.on(
        "PROPFIND",
        &root("/b%20c.txt"),
        multistatus(&[file(&root("/b%20c.txt"), "e5")]),
    );
    let text = gateway
        .failure(WRITE, "nc_webdav_move_resource", arguments)
        .await;
    assert!(text.contains("/b c.txt") && text.contains("e5"), "{text}");
}

#[tokio::test]
async fn a_search_is_one_request_with_a_limit() {
    let gateway = Gateway::start().await;
    let found = multistatus(&[
        file(&root("/Work/Q1%20%26%20Q2/plan.md"), "e1"),
        file(&root("/plan.md"), "e2"),
    ]);
    gateway.nextcloud.on("SEARCH", "/remote.php/dav/", found);
    let arguments = json!({ "scope": "Work/Q1 & Q2", "name_pattern": "*.md", "mime_type": "text", "only_favorites": true, "limit": 1 });
    let shown = gateway.ok(READ, "nc_webdav_search_files", arguments).await;
    assert_eq!(shown["results"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&shown["results"][0]["path"], &shown["has_more"]),
        (&json!("/Work/Q1 & Q2/plan.md"), &json!(true))
    );
    let body = &gateway.nextcloud.seen()[0].body;
    for part in [
        "<d:href>/files/alice/Work/Q1 &amp; Q2</d:href>",
        "<d:like><d:prop><d:displayname/></d:prop><d:literal>%.md</d:literal></d:like>",
        "<d:like><d:prop><d:getcontenttype/></d:prop><d:literal>text/%</d:literal></d:like>",
        "<d:eq><d:prop><oc:favorite/></d:prop><d:literal>1</d:literal></d:eq>",
        "<d:nresults>2</d:nresults>",
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
    for (tool, arguments, part) in [
        (
            "nc_webdav_find_by_name",
            json!({ "pattern": "plan" }),
            "<d:literal>%plan%</d:literal>",
        ),
        (
            "nc_webdav_find_by_type",
            json!({ "mime_type": "application/pdf" }),
            "<d:literal>application/pdf</d:literal>",
        ),
        (
            "nc_webdav_list_favorites",
            json!({}),
            "<oc:favorite/></d:prop><d:literal>1</d:literal>",
        ),
        (
            "nc_webdav_search_files",
            json!({}),
            "<d:literal>%</d:literal>",
        ),
    ] {
        gateway.ok(READ, tool, arguments).await;
        let body = gateway
            .nextcloud
            .seen()
            .last()
            .expect("a request")
            .body
            .clone();
        assert!(body.contains(part), "{tool}: {body}");
    }
}
