//! Calendars and tasks on the wire.

mod availability;
mod events;
mod lists;
mod manage;
mod tasks;

use serde_json::{Value, json};

use crate::support::{Answer, Gateway, Seen};

const HOME: &str = "/remote.php/dav/calendars/alice/";
const WORK: &str = "/remote.php/dav/calendars/alice/work/";
const READ: &str = "calendar.read";
const WRITE: &str = "calendar.write";
/// Saturday, 21 November 2026, 10:00 in Berlin.
const NOW: u64 = 1_795_251_600;

/// A gateway on that Saturday whose user lives in Berlin.
async fn gateway() -> Gateway {
    let gateway = Gateway::at(NOW).await;
    gateway.nextcloud.on(
        "GET",
        "/ocs/v2.php/cloud/user",
        Answer::json(
            200,
            json!({ "ocs": {
                "meta": { "status": "ok", "statuscode": 200, "message": "OK" },
                "data": { "id": "alice", "timezone": "Europe/Berlin" },
            } }),
        ),
    );
    gateway
}

/// Lines as they are on the wire.
fn ics(lines: &str) -> String {
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    format!("{}\r\n", lines.join("\r\n"))
}

/// A calendar around these lines.
fn calendar(lines: &str) -> String {
    ics(&format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Somebody//EN\n{}\nEND:VCALENDAR",
        lines.trim()
    ))
}

/// An answer with an object.
fn object(text: &str, etag: &str) -> Answer {
    Answer::text(200, "text/calendar; charset=utf-8; component=vevent", text)
        .with("etag", &format!("\"{etag}\""))
}

/// A multistatus with these objects: name, version, text.
fn found(folder: &str, objects: &[(&str, &str, &str)]) -> Answer {
    let responses = objects.iter().map(|(name, etag, text)| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        format!(
            "<d:response><d:href>{folder}{name}</d:href><d:propstat><d:prop>\
             <d:getetag>&quot;{etag}&quot;</d:getetag><cal:calendar-data>{text}</cal:calendar-data>\
             </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        )
    });
    multistatus(&responses.collect::<String>())
}

fn multistatus(responses: &str) -> Answer {
    Answer::xml(
        207,
        &format!(
            r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:cal="urn:ietf:params:xml:ns:caldav" xmlns:cs="http://calendarserver.org/ns/">{responses}</d:multistatus>"#
        ),
    )
}

/// A member of the calendar home: its type, what it holds, more properties.
fn member(name: &str, kind: &str, components: &[&str], more: &str) -> String {
    let components = components
        .iter()
        .map(|one| format!("<cal:comp name=\"{one}\"/>"))
        .collect::<Vec<_>>()
        .concat();
    format!(
        "<d:response><d:href>{HOME}{name}/</d:href><d:propstat><d:prop>\
         <d:resourcetype><d:collection/>{kind}</d:resourcetype>\
         <cal:supported-calendar-component-set>{components}</cal:supported-calendar-component-set>{more}\
         </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )
}

const CALENDAR: &str = "<cal:calendar/>";
const DELETED: &str = r#"<x:deleted-calendar xmlns:x="http://nextcloud.com/ns"/>"#;

/// A home with the calendars personal (events only) and work (events and tasks).
fn home() -> Answer {
    multistatus(
        &[
            member("", "", &[], ""),
            member("personal", CALENDAR, &["VEVENT"], ""),
            member("work", CALENDAR, &["VEVENT", "VTODO"], ""),
            member("inbox", "<cal:schedule-inbox/>", &[], ""),
        ]
        .concat(),
    )
}

/// Answers who the user is to calendars.
fn person(gateway: &Gateway) {
    let answer = "<d:response><d:href>/remote.php/dav/principals/users/alice/</d:href><d:propstat>\
         <d:prop><d:displayname>Alice, A</d:displayname><cal:calendar-user-address-set>\
         <d:href>mailto:alice@example.test</d:href><d:href>/remote.php/dav/principals/users/alice/</d:href>\
         </cal:calendar-user-address-set></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>";
    gateway.nextcloud.on(
        "PROPFIND",
        "/remote.php/dav/principals/users/alice/",
        multistatus(answer),
    );
}

/// Answers that deleted things are kept for 30 days.
fn trash(gateway: &Gateway) {
    let answer = format!(
        r#"<d:response><d:href>{HOME}trashbin/</d:href><d:propstat><d:prop>
        <x:trash-bin-retention-duration xmlns:x="http://nextcloud.com/ns">2592000</x:trash-bin-retention-duration>
        </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"#
    );
    let bin = format!("{HOME}trashbin/");
    gateway.nextcloud.on("PROPFIND", &bin, multistatus(&answer));
}

/// The last request with this method.
fn last(gateway: &Gateway, method: &str) -> Seen {
    let seen = gateway.nextcloud.seen();
    let mut matching = seen.into_iter().filter(|one| one.method == method);
    matching.next_back().expect("such a request")
}

/// The methods of all requests, in order, without the question for the time zone.
fn methods(gateway: &Gateway) -> Vec<String> {
    let seen = gateway.nextcloud.seen().into_iter();
    seen.filter(|one| !one.target.starts_with("/ocs/"))
        .map(|one| one.method)
        .collect()
}

/// The lines of a text, unfolded.
fn lines(text: &str) -> Vec<String> {
    let unfolded = text.replace("\r\n ", "");
    unfolded.split("\r\n").map(str::to_owned).collect()
}

/// The values of all lines that begin with this.
fn values(text: &str, start: &str) -> Vec<String> {
    let lines = lines(text).into_iter();
    lines
        .filter_map(|line| line.strip_prefix(start).map(str::to_owned))
        .collect()
}

fn titles(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list").iter();
    list.map(|one| {
        one["title"]
            .as_str()
            .or_else(|| one["summary"].as_str())
            .expect("a title")
    })
    .collect()
}
