//! Every shape in which a real Nextcloud refused a request becomes one sentence about the thing, the
//! reason and the next step. The rows are called after the recordings they come from.

use serde_json::{Value, json};

use crate::support::{Answer, Gateway};

const FILE: &str = "/remote.php/dav/files/alice/Lab/hello.txt";

/// A call, and the one request of it that is refused.
struct Call {
    scope: &'static str,
    tool: &'static str,
    arguments: Value,
    method: &'static str,
    path: &'static str,
}

fn notes() -> Call {
    Call {
        scope: "notes.read",
        tool: "nc_notes_get_note",
        arguments: json!({ "note_id": 7 }),
        method: "GET",
        path: "/index.php/apps/notes/api/v1/notes/7",
    }
}

fn shares() -> Call {
    Call {
        scope: "sharing.read",
        tool: "nc_share_list",
        arguments: json!({}),
        method: "GET",
        path: "/ocs/v2.php/apps/files_sharing/api/v1/shares",
    }
}

fn file(scope: &'static str, tool: &'static str, method: &'static str) -> Call {
    Call {
        scope,
        tool,
        arguments: json!({
            "path": "Lab/hello.txt", "content": "x",
            "source_path": "Lab/hello.txt", "destination_path": "Lab/other.txt",
        }),
        method,
        path: FILE,
    }
}

fn read() -> Call {
    file("files.read", "nc_webdav_read_file", "GET")
}

/// What is there before it is refused.
fn found() -> String {
    format!(
        "<d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>{FILE}</d:href><d:propstat><d:prop>\
         <d:getetag>&quot;e1&quot;</d:getetag><d:resourcetype/></d:prop>\
         <d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>"
    )
}

/// Only what the tool knows.
fn trimmed(tool: &str, arguments: &Value) -> Value {
    let names: &[&str] = match tool {
        "nc_webdav_write_file" => &["path", "content"],
        "nc_webdav_move_resource" => &["source_path", "destination_path"],
        tool if tool.starts_with("nc_webdav_") => &["path"],
        _ => return arguments.clone(),
    };
    names
        .iter()
        .map(|name| ((*name).to_owned(), arguments[*name].clone()))
        .collect()
}

/// An OCS failure.
fn ocs(status: u16, code: u32, message: &str) -> Answer {
    let meta = json!({ "status": "failure", "statuscode": code, "message": message });
    Answer::json(status, json!({ "ocs": { "meta": meta, "data": [] } }))
}

/// A DAV failure with its exception.
fn dav(status: u16, exception: &str, message: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:error xmlns:d=\"DAV:\" \
         xmlns:s=\"http://sabredav.org/ns\">\n  <s:exception>{exception}</s:exception>\n  \
         <s:message>{message}</s:message>\n</d:error>\n"
    );
    Answer::xml(status, &body)
}

/// An exception of Sabre's.
fn sabre(name: &str) -> String {
    format!("Sabre\\DAV\\Exception\\{name}")
}

const SYNTAX: &str = "Invalid query, please check the syntax. API specifications are here: \
                      http://www.freedesktop.org/wiki/Specifications/open-collaboration-services.";
const NOBODY: &str = "No public access to this resource., AppAPIAuth has not passed, Bearer token \
                      was incorrect";
const LOCKED: &str = "\"/Lab/hello.txt\" is locked";
const FILE_LOCKED: &str = "OCA\\DAV\\Connector\\Sabre\\Exception\\FileLocked";

/// Recording, what is refused, how, and what the sentence says.
type Row = (&'static str, Call, Answer, [&'static str; 2]);

/// Who may not, and what is not there.
fn of_access() -> Vec<Row> {
    let factor = || {
        let location = "/login/selectchallenge?redirect_url=/index.php/apps/notes/api/v1/notes";
        Answer::text(303, "text/html; charset=UTF-8", "").with("location", location)
    };
    let said = |status, message: &str| Answer::json(status, json!({ "message": message }));
    let sign_in = ["does not accept this account's token", "sign in again"];
    let header = ["OCS-APIRequest", "administrator"];
    let second = ["second factor", "another way of access"];
    vec![
        ("2fa-jwt-notes", notes(), factor(), second),
        ("2fa-jwt-ocs-shares", shares(), factor(), second),
        ("401-notes-bad-basic", notes(), said(401, ""), sign_in),
        (
            "401-notes-expired-jwt",
            notes(),
            said(401, "Current user is not logged in"),
            sign_in,
        ),
        (
            "401-notes-bearer-without-ocs-header",
            notes(),
            said(401, "CORS requires basic auth"),
            header,
        ),
        (
            "401-ocs-bad-basic",
            shares(),
            ocs(401, 997, "Unauthorised"),
            sign_in,
        ),
        (
            "401-ocs-expired-jwt",
            shares(),
            ocs(401, 997, "Current user is not logged in"),
            sign_in,
        ),
        (
            "401-dav-expired-jwt",
            read(),
            dav(401, &sabre("NotAuthenticated"), NOBODY),
            sign_in,
        ),
        (
            "404-ocs-route",
            shares(),
            ocs(404, 998, SYNTAX),
            ["not installed", "administrator"],
        ),
        (
            "200-statuscode-998-ocs-route-v1",
            shares(),
            ocs(200, 998, SYNTAX),
            ["not installed", "administrator"],
        ),
        (
            "404-index-route",
            notes(),
            Answer::text(
                404,
                "text/html; charset=UTF-8",
                "<!DOCTYPE html>\n<html></html>",
            ),
            ["Notes app is not installed", "administrator"],
        ),
        (
            "405-ocs-method",
            shares(),
            Answer::text(405, "application/json; charset=utf-8", ""),
            ["405", "arguments"],
        ),
        (
            "412-ocs-basic-without-ocs-header",
            shares(),
            said(412, "CSRF check failed"),
            header,
        ),
    ]
}

/// What cannot be done to this file now.
fn of_files() -> Vec<Row> {
    let locked = ["locked", "try again"];
    vec![
        (
            "get-404",
            read(),
            dav(
                404,
                &sabre("NotFound"),
                "File with name /Lab/hello.txt could not be located",
            ),
            ["\"/Lab/hello.txt\" does not exist", "nc_webdav_"],
        ),
        (
            "put-forbidden-name",
            file("files.write", "nc_webdav_write_file", "PUT"),
            dav(
                400,
                "OCA\\DAV\\Connector\\Sabre\\Exception\\InvalidPath",
                "Filename is a reserved word",
            ),
            ["Filename is a reserved word", "hello.txt"],
        ),
        (
            "put-other-user-403",
            file("files.write", "nc_webdav_write_file", "PUT"),
            dav(403, &sabre("Forbidden"), "Permission denied to create file"),
            ["Permission denied", "permission"],
        ),
        ("423-get", read(), dav(423, FILE_LOCKED, LOCKED), locked),
        (
            "423-put",
            file("files.write", "nc_webdav_write_file", "PUT"),
            dav(423, FILE_LOCKED, LOCKED),
            locked,
        ),
        (
            "423-delete",
            file("files.write", "nc_webdav_delete_resource", "DELETE"),
            dav(423, FILE_LOCKED, LOCKED),
            locked,
        ),
        (
            "500-move-while-locked",
            file("files.write", "nc_webdav_move_resource", "MOVE"),
            dav(500, "OCP\\Lock\\LockedException", LOCKED),
            locked,
        ),
        (
            "507-quota-put",
            file("files.write", "nc_webdav_write_file", "PUT"),
            dav(
                507,
                &sabre("InsufficientStorage"),
                "Insufficient space in /Lab/quota.txt, 5000 required, 0 available",
            ),
            ["storage is full", "administrator"],
        ),
        (
            "disabled account, notes",
            notes(),
            Answer::json(401, json!({ "message": "Account disabled" })),
            ["disabled", "administrator"],
        ),
        (
            "disabled account, files",
            read(),
            dav(
                503,
                &sabre("ServiceUnavailable"),
                "OC\\User\\DisabledUserException: Account disabled",
            ),
            ["disabled", "administrator"],
        ),
    ]
}

#[tokio::test]
async fn each_recorded_refusal_becomes_one_sentence_with_the_next_step() {
    for (recording, call, answer, expected) in of_access().into_iter().chain(of_files()) {
        let gateway = Gateway::start().await;
        gateway
            .nextcloud
            .on("PROPFIND", FILE, Answer::xml(207, &found()));
        gateway.nextcloud.on(call.method, call.path, answer);
        let arguments = trimmed(call.tool, &call.arguments);
        let text = gateway.failure(call.scope, call.tool, arguments).await;
        for words in expected {
            assert!(
                text.contains(words),
                "{recording}: {words} is not in: {text}"
            );
        }
        assert!(
            text.len() > 40 && text.ends_with('.'),
            "{recording}: {text}"
        );
        for inside in [
            "Sabre", "OCA\\", "OCP\\", "<s:", "<html", "\n", "997", "998",
        ] {
            assert!(!text.contains(inside), "{recording}: {text}");
        }
    }
}
