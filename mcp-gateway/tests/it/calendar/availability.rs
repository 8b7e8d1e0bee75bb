//! When everybody is free.

use serde_json::{Value, json};

use super::{
    CALENDAR, HOME, READ, WORK, gateway, last, member, methods, multistatus, person, values,
};
use crate::support::{Answer, Gateway};

fn busy(lines: &str) -> Answer {
    let lines = lines
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("\r\n");
    Answer::text(
        200,
        "text/calendar;charset=UTF-8",
        &format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VFREEBUSY\r\n{lines}\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n"
        ),
    )
}

/// Own calendars: work, one that leaves the user free, and one of somebody else.
async fn scene() -> Gateway {
    let gateway = gateway().await;
    let bob = "<d:owner><d:href>/remote.php/dav/principals/users/bob/</d:href></d:owner>";
    let free = "<cal:schedule-calendar-transp><cal:transparent/></cal:schedule-calendar-transp>";
    gateway.nextcloud.on(
        "PROPFIND",
        HOME,
        multistatus(
            &[
                member("work", CALENDAR, &["VEVENT"], ""),
                member("birthdays", CALENDAR, &["VEVENT"], free),
                member("team_shared_by_bob", CALENDAR, &["VEVENT"], bob),
                member("tasks", CALENDAR, &["VTODO"], ""),
            ]
            .concat(),
        ),
    );
    // Monday, 23 November, 9:00 to 12:00 in Berlin.
    gateway.nextcloud.on(
        "REPORT",
        WORK,
        busy("FREEBUSY:20261123T080000Z/20261123T110000Z"),
    );
    person(&gateway);
    gateway
}

fn starts(answer: &Value) -> Vec<&str> {
    let slots = answer["slots"].as_array().expect("list").iter();
    slots
        .map(|slot| slot["start_datetime"].as_str().expect("a time"))
        .collect()
}

#[tokio::test]
async fn own_busy_times_come_from_the_calendars_that_count() {
    let gateway = scene().await;
    let arguments = json!({ "duration_minutes": 120, "date_range_end": "2026-11-23" });
    let answer = gateway
        .ok(READ, "nc_calendar_find_availability", arguments)
        .await;
    assert_eq!(
        starts(&answer),
        ["2026-11-23T12:00:00+01:00", "2026-11-23T14:00:00+01:00"]
    );
    assert_eq!(
        (&answer["timezone"], &answer["checked"]),
        (&json!("Europe/Berlin"), &json!(["the user"]))
    );
    let report = last(&gateway, "REPORT");
    assert_eq!(report.target, WORK);
    assert!(
        report.body.contains("<c:free-busy-query")
            && report
                .body
                .contains(r#"<c:time-range start="20261121T090000Z" end="20261123T230000Z"/>"#),
        "{}",
        report.body
    );
    assert_eq!(
        methods(&gateway),
        ["PROPFIND", "REPORT"],
        "nobody else is asked"
    );
}

#[tokio::test]
async fn attendees_are_asked_through_the_outbox() {
    let gateway = scene().await;
    let reply = |lines: &str| {
        format!(
            "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VFREEBUSY\n{lines}\nEND:VFREEBUSY\nEND:VCALENDAR\n"
        )
    };
    let answers = format!(
        r#"<?xml version="1.0"?><cal:schedule-response xmlns:d="DAV:" xmlns:cal="urn:ietf:params:xml:ns:caldav">
        <cal:response><cal:recipient><d:href>mailto:bob@example.test</d:href></cal:recipient>
        <cal:request-status>2.0;Success</cal:request-status><cal:calendar-data>{}</cal:calendar-data></cal:response>
        <cal:response><cal:recipient><d:href>mailto:nobody@example.test</d:href></cal:recipient>
        <cal:request-status>3.7;Could not find principal</cal:request-status></cal:response></cal:schedule-response>"#,
        reply(
            "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20261123T110000Z/20261123T130000Z\nFREEBUSY;FBTYPE=FREE:20261123T130000Z/20261123T160000Z"
        ),
    );
    gateway.nextcloud.on(
        "POST",
        &format!("{HOME}outbox/"),
        Answer::text(200, "application/xml", &answers),
    );
    let arguments = json!({
        "duration_minutes": 60, "attendees": "bob@example.test, nobody@example.test, silent@example.test",
        "date_range_start": "2026-11-23", "date_range_end": "2026-11-23", "preferred_times": "15:00-17:00",
    });
    let answer = gateway
        .ok(READ, "nc_calendar_find_availability", arguments)
        .await;
    assert_eq!(
        answer["slots"],
        json!([
            { "start_datetime": "2026-11-23T15:00:00+01:00", "end_datetime": "2026-11-23T16:00:00+01:00", "preferred": true },
            { "start_datetime": "2026-11-23T16:00:00+01:00", "end_datetime": "2026-11-23T17:00:00+01:00", "preferred": true },
            { "start_datetime": "2026-11-23T14:00:00+01:00", "end_datetime": "2026-11-23T15:00:00+01:00", "preferred": false },
        ])
    );
    assert_eq!(answer["checked"], json!(["the user", "bob@example.test"]));
    assert_eq!(
        answer["unknown_attendees"],
        json!(["nobody@example.test", "silent@example.test"])
    );
    let post = last(&gateway, "POST");
    assert_eq!(
        post.header("content-type"),
        Some("text/calendar; charset=utf-8")
    );
    assert_eq!(
        values(&post.body, "ORGANIZER:"),
        ["mailto:alice@example.test"]
    );
    assert_eq!(values(&post.body, "ATTENDEE:").len(), 3);
    assert_eq!(
        (values(&post.body, "METHOD:"), values(&post.body, "DTEND:")),
        (
            vec!["REQUEST".to_owned()],
            vec!["20261123T230000Z".to_owned()]
        )
    );
}

#[tokio::test]
async fn hours_and_weekends_are_the_callers_choice() {
    let gateway = scene().await;
    let arguments = json!({
        "duration_minutes": 600, "date_range_end": "2026-11-22", "business_hours_only": false, "exclude_weekends": false,
    });
    let answer = gateway
        .ok(READ, "nc_calendar_find_availability", arguments)
        .await;
    assert_eq!(
        starts(&answer),
        [
            "2026-11-21T10:00:00+01:00",
            "2026-11-22T00:00:00+01:00",
            "2026-11-22T10:00:00+01:00"
        ]
    );
    let weekend = json!({ "duration_minutes": 60, "date_range_end": "2026-11-22" });
    let answer = gateway
        .ok(READ, "nc_calendar_find_availability", weekend)
        .await;
    assert!(
        starts(&answer).is_empty()
            && answer["note"]
                .as_str()
                .expect("a note")
                .contains("longer span"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_cannot_be_answered_is_said() {
    let gateway = scene().await;
    for (change, word) in [
        (json!({ "duration_minutes": 0 }), "duration_minutes"),
        (json!({ "date_range_end": "2026-11-20" }), "is over"),
        (json!({ "date_range_end": "2027-11-20" }), "two months"),
        (json!({ "preferred_times": "noon" }), "noon"),
        (json!({ "attendees": "bob" }), "bob"),
    ] {
        let mut arguments = json!({ "duration_minutes": 60 });
        arguments
            .as_object_mut()
            .expect("object")
            .extend(change.as_object().expect("object").clone());
        let sentence = gateway
            .failure(READ, "nc_calendar_find_availability", arguments)
            .await;
        assert!(sentence.contains(word), "{sentence}");
    }
}
