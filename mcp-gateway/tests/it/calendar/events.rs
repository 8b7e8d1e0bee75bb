//! Events: create, read, change, delete.

use serde_json::json;

use super::{
    READ, WORK, WRITE, calendar, found, gateway, last, lines, methods, object, person, trash,
    values,
};
use crate::support::Answer;

const NEW: &str = "/remote.php/dav/calendars/alice/work/*";
const PLAN: &str = "/remote.php/dav/calendars/alice/work/plan.ics";

fn plan() -> String {
    calendar(
        "BEGIN:VTIMEZONE
         TZID:Our office
         BEGIN:STANDARD
         DTSTART:19961027T030000
         TZOFFSETFROM:+0100
         TZOFFSETTO:+0100
         END:STANDARD
         END:VTIMEZONE
         BEGIN:VEVENT
         UID:plan
         DTSTAMP:20261101T000000Z
         DTSTART;TZID=Our office;X-KEPT=1:20261201T090000
         DTEND;TZID=Our office:20261201T100000
         SUMMARY;LANGUAGE=de:Plan
         DESCRIPTION:A long text that was folded by somebody else in a place of their o
          wn choice
         X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-TITLE=\"foo:bar\":geo:1,2
         COMMENT:kept
         SEQUENCE:3
         BEGIN:VALARM
         ACTION:DISPLAY
         TRIGGER:-PT10M
         DESCRIPTION:Plan
         X-WR-ALARMUID:kept
         END:VALARM
         END:VEVENT",
    )
    .replace("o\r\nwn", "o\r\n wn")
}

#[tokio::test]
async fn an_event_is_created_with_all_it_says() {
    let gateway = gateway().await;
    person(&gateway);
    gateway.nextcloud.on(
        "PUT",
        NEW,
        Answer::text(201, "text/html", "").with("etag", "\"e1\""),
    );
    let event = gateway
        .ok(
            WRITE,
            "nc_calendar_create_event",
            json!({
                "calendar_name": "work", "title": "Plan, Q1; 50%\nand more", "start_datetime": "2026-12-01T09:00",
                "end_datetime": "2026-12-01T10:30:00", "description": "a\\b", "location": "Room 1",
                "categories": "Work, Team", "recurrence_rule": "FREQ=WEEKLY;BYDAY=TU",
                "recurrence_end_date": "2026-12-31", "reminder_minutes": 30, "reminder_email": true,
                "status": "tentative", "priority": 2, "privacy": "PRIVATE",
                "attendees": "Bob <bob@example.test>, carol@example.test", "url": "https://example.org/a?b=c,d;e",
                "color": "#ff0000", "timezone": "America/New_York",
            }),
        )
        .await;
    let put = last(&gateway, "PUT");
    assert_eq!(put.header("if-none-match"), Some("*"));
    assert_eq!(
        put.header("content-type"),
        Some("text/calendar; charset=utf-8")
    );
    let uid = event["uid"].as_str().expect("uid");
    assert_eq!(put.target, format!("{WORK}{uid}.ics"));
    let written = lines(&put.body);
    for line in [
        "SUMMARY:Plan\\, Q1\\; 50%\\nand more",
        "DTSTART;TZID=America/New_York:20261201T090000",
        "DTEND;TZID=America/New_York:20261201T103000",
        "DESCRIPTION:a\\\\b",
        "LOCATION:Room 1",
        "CATEGORIES:Work,Team",
        "RRULE:FREQ=WEEKLY;BYDAY=TU;UNTIL=20270101T045959Z",
        "STATUS:TENTATIVE",
        "PRIORITY:2",
        "CLASS:PRIVATE",
        "URL:https://example.org/a?b=c,d;e",
        "COLOR:red",
        "ORGANIZER;CN=\"Alice, A\":mailto:alice@example.test",
        "ATTENDEE;CN=Bob;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:bob@example.test",
        "TZID:America/New_York",
        "ACTION:EMAIL",
        "DTSTAMP:20261121T090000Z",
    ] {
        assert!(
            written.iter().any(|one| one == line),
            "{line} in\n{}",
            put.body
        );
    }
    assert_eq!(values(&put.body, "TRIGGER:"), ["-PT30M", "-PT30M"]);
    assert!(
        put.body.split("\r\n").all(|line| line.len() <= 75),
        "{}",
        put.body
    );
    assert_eq!(event["start_datetime"], "2026-12-01T09:00:00-05:00");
    assert_eq!(event["timezone"], "America/New_York");
    assert_eq!(event["etag"], "e1");
    assert_eq!(event["attendees"][1]["email"], "carol@example.test");
    assert_eq!(event["reminders"][0]["minutes_before"], 30);
    assert_eq!(event["recurring"], true);
}

#[tokio::test]
async fn a_time_without_a_zone_is_the_users() {
    let gateway = gateway().await;
    gateway.nextcloud.on(
        "PUT",
        NEW,
        Answer::text(201, "text/html", "").with("etag", "\"e1\""),
    );
    let arguments = json!({
        "calendar_name": "work", "title": "Call", "date": "2026-07-01", "time": "14:00", "duration_minutes": 45,
        "reminder_minutes": 0,
    });
    let event = gateway
        .ok(WRITE, "nc_calendar_create_meeting", arguments)
        .await;
    assert_eq!(event["start_datetime"], "2026-07-01T14:00:00+02:00");
    assert_eq!(event["end_datetime"], "2026-07-01T14:45:00+02:00");
    let put = last(&gateway, "PUT");
    assert_eq!(
        values(&put.body, "DTSTART;"),
        ["TZID=Europe/Berlin:20260701T140000"]
    );
    assert!(
        !put.body.contains("VALARM") && !put.body.contains("ORGANIZER"),
        "{}",
        put.body
    );
}

#[tokio::test]
async fn whole_days_have_no_zone() {
    let gateway = gateway().await;
    gateway.nextcloud.on(
        "PUT",
        NEW,
        Answer::text(201, "text/html", "").with("etag", "\"e1\""),
    );
    for (end, stored) in [
        ("", "20261202"),
        ("2026-12-01", "20261202"),
        ("2026-12-03", "20261203"),
    ] {
        let arguments = json!({
            "calendar_name": "work", "title": "Trip", "start_datetime": "2026-12-01", "end_datetime": end,
            "all_day": true, "recurrence_rule": "FREQ=YEARLY", "recurrence_end_date": "2030-12-01",
        });
        let event = gateway
            .ok(WRITE, "nc_calendar_create_event", arguments)
            .await;
        assert_eq!(
            (&event["all_day"], &event["start_datetime"]),
            (&json!(true), &json!("2026-12-01"))
        );
        let put = last(&gateway, "PUT");
        assert_eq!(
            values(&put.body, "DTEND;"),
            [format!("VALUE=DATE:{stored}")]
        );
        assert_eq!(values(&put.body, "RRULE:"), ["FREQ=YEARLY;UNTIL=20301201"]);
        assert!(!put.body.contains("VTIMEZONE"), "{}", put.body);
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anything_is_written() {
    let gateway = gateway().await;
    for (change, word) in [
        (json!({ "start_datetime": "soon" }), "soon"),
        (json!({ "start_datetime": "2026-12-01" }), "all_day"),
        (
            json!({ "end_datetime": "2026-11-30T09:00" }),
            "before the start",
        ),
        (json!({ "timezone": "Mars/Base" }), "Mars/Base"),
        (json!({ "recurrence_rule": "FREQ=NEVER" }), "FREQ=NEVER"),
        (json!({ "recurring": true }), "recurrence_rule"),
        (
            json!({ "recurrence_end_date": "2026-12-31" }),
            "recurrence_rule",
        ),
        (json!({ "status": "MAYBE" }), "TENTATIVE"),
        (json!({ "priority": 12 }), "priority"),
        (json!({ "privacy": "SECRET" }), "CONFIDENTIAL"),
        (json!({ "attendees": "bob" }), "bob"),
        (json!({ "url": "nowhere" }), "https://"),
        (json!({ "color": "blurple" }), "blurple"),
        (
            json!({ "reminders": [{ "minutes_before": 5, "trigger": "-PT5M" }] }),
            "exactly one",
        ),
    ] {
        let mut arguments = json!({
            "calendar_name": "work", "title": "Plan", "start_datetime": "2026-12-01T09:00:00",
        });
        let object = arguments.as_object_mut().expect("object");
        object.extend(change.as_object().expect("object").clone());
        let sentence = gateway
            .failure(WRITE, "nc_calendar_create_event", arguments)
            .await;
        assert!(sentence.contains(word), "{sentence}");
    }
    assert!(!methods(&gateway).contains(&"PUT".to_owned()));
}

#[tokio::test]
async fn an_event_is_found_by_its_id_whatever_it_is_called() {
    let gateway = gateway().await;
    let named = "/remote.php/dav/calendars/alice/my%20cal%23two/a%20b%40c.ics";
    gateway.nextcloud.on(
        "GET",
        named,
        object(&plan().replace("UID:plan", "UID:a b@c"), "e1"),
    );
    let arguments = json!({ "calendar_name": "my cal#two", "event_uid": "a b@c" });
    let event = gateway.ok(READ, "nc_calendar_get_event", arguments).await;
    assert_eq!(event["uid"], "a b@c");
    assert_eq!(event["start_datetime"], "2026-12-01T09:00:00+01:00");
    assert_eq!(event["timezone"], "Our office");
    assert_eq!(event["etag"], "e1");
    assert_eq!(methods(&gateway), ["GET"]);

    gateway.nextcloud.on(
        "GET",
        PLAN,
        Answer::dav_error(404, "Calendar object not found"),
    );
    gateway.nextcloud.on(
        "REPORT",
        WORK,
        found(
            WORK,
            &[
                ("other.ics", "x", &plan().replace("UID:plan", "UID:plan-2")),
                ("odd.ics", "e2", &plan()),
            ],
        ),
    );
    gateway
        .nextcloud
        .on("GET", &format!("{WORK}odd.ics"), object(&plan(), "e2"));
    let arguments = json!({ "calendar_name": "work", "event_uid": "plan" });
    let event = gateway.ok(READ, "nc_calendar_get_event", arguments).await;
    assert_eq!(
        (&event["etag"], &event["href"]),
        (&json!("e2"), &json!(format!("{WORK}odd.ics")))
    );
    let report = last(&gateway, "REPORT");
    assert_eq!(report.header("depth"), Some("1"));
    assert!(
        report.body.contains(r#"<c:comp-filter name="VEVENT"><c:prop-filter name="UID"><c:text-match collation="i;octet">plan</c:text-match>"#),
        "{}", report.body
    );
}

#[tokio::test]
async fn an_update_changes_its_own_lines_and_no_other_byte() {
    let gateway = gateway().await;
    gateway.nextcloud.on("GET", PLAN, object(&plan(), "e1"));
    gateway.nextcloud.on(
        "PUT",
        PLAN,
        Answer::text(204, "text/html", "").with("etag", "\"e2\""),
    );
    let arguments = json!({
        "calendar_name": "work", "event_uid": "plan", "title": "New plan", "location": "Room 2", "etag": "\"e1\"",
    });
    let event = gateway
        .ok(WRITE, "nc_calendar_update_event", arguments)
        .await;
    assert_eq!(
        (&event["title"], &event["etag"]),
        (&json!("New plan"), &json!("e2"))
    );
    let put = last(&gateway, "PUT");
    assert_eq!(put.header("if-match"), Some("\"e1\""));
    assert_eq!(put.header("if-none-match"), None);
    let expected = plan()
        .replace("SUMMARY;LANGUAGE=de:Plan", "SUMMARY:New plan")
        .replace("DTSTAMP:20261101T000000Z", "DTSTAMP:20261121T090000Z")
        .replace(
            "SEQUENCE:3\r\n",
            "SEQUENCE:4\r\nLOCATION:Room 2\r\nLAST-MODIFIED:20261121T090000Z\r\n",
        );
    assert_eq!(put.body, expected);
}

#[tokio::test]
async fn without_an_etag_the_version_just_read_is_changed_and_an_empty_text_clears() {
    let gateway = gateway().await;
    gateway.nextcloud.on("GET", PLAN, object(&plan(), "e7"));
    gateway.nextcloud.on(
        "PUT",
        PLAN,
        Answer::text(204, "text/html", "").with("etag", "\"e8\""),
    );
    let arguments = json!({
        "calendar_name": "work", "event_uid": "plan", "description": "", "reminders": [],
    });
    let event = gateway
        .ok(WRITE, "nc_calendar_update_event", arguments)
        .await;
    assert!(
        event.get("description").is_none() && event.get("reminders").is_none(),
        "{event}"
    );
    let put = last(&gateway, "PUT");
    assert_eq!(put.header("if-match"), Some("\"e7\""));
    assert!(
        !put.body.contains("DESCRIPTION") && !put.body.contains("VALARM"),
        "{}",
        put.body
    );
}

#[tokio::test]
async fn a_conflict_brings_the_current_version_along() {
    let gateway = gateway().await;
    gateway.nextcloud.on("GET", PLAN, object(&plan(), "e2"));
    gateway.nextcloud.on(
        "PUT",
        PLAN,
        Answer::dav_error(
            412,
            "An If-Match header was specified, but none of the specified ETags matched.",
        ),
    );
    let arguments =
        json!({ "calendar_name": "work", "event_uid": "plan", "title": "x", "etag": "e1" });
    let sentence = gateway
        .failure(WRITE, "nc_calendar_update_event", arguments)
        .await;
    assert!(
        sentence.contains("was changed since you read it, so nothing was written"),
        "{sentence}"
    );
    assert!(
        sentence.contains(r#""etag":"e2""#) && sentence.contains(r#""title":"Plan""#),
        "{sentence}"
    );
    assert_eq!(last(&gateway, "PUT").header("if-match"), Some("\"e1\""));
}

#[tokio::test]
async fn a_series_moves_with_its_exceptions() {
    let series = calendar(
        "BEGIN:VEVENT
         UID:plan
         DTSTAMP:20261101T000000Z
         DTSTART;TZID=Europe/Berlin:20261201T090000
         DURATION:PT1H
         SUMMARY:Plan
         RRULE:FREQ=WEEKLY;X-OWN=1;COUNT=9
         EXDATE;TZID=Europe/Berlin:20261208T090000
         EXDATE:20261222T080000Z
         END:VEVENT
         BEGIN:VEVENT
         UID:plan
         DTSTAMP:20261101T000000Z
         RECURRENCE-ID;TZID=Europe/Berlin:20261215T090000
         DTSTART;TZID=Europe/Berlin:20261216T120000
         DURATION:PT1H
         SUMMARY:Elsewhere
         END:VEVENT",
    );
    let gateway = gateway().await;
    gateway.nextcloud.on("GET", PLAN, object(&series, "e1"));
    gateway.nextcloud.on(
        "PUT",
        PLAN,
        Answer::text(204, "text/html", "").with("etag", "\"e2\""),
    );
    let arguments = json!({
        "calendar_name": "work", "event_uid": "plan", "start_datetime": "2026-12-01T11:30:00",
        "recurrence_end_date": "2027-01-31",
    });
    let event = gateway
        .ok(WRITE, "nc_calendar_update_event", arguments)
        .await;
    assert_eq!(
        event["end_datetime"], "2026-12-01T12:30:00+01:00",
        "the length stays"
    );
    let put = last(&gateway, "PUT");
    let written = lines(&put.body);
    for line in [
        "DTSTART;TZID=Europe/Berlin:20261201T113000",
        "DTEND;TZID=Europe/Berlin:20261201T123000",
        "EXDATE;TZID=Europe/Berlin:20261208T113000",
        "EXDATE;TZID=Europe/Berlin:20261222T113000",
        "RECURRENCE-ID;TZID=Europe/Berlin:20261215T113000",
        "DTSTART;TZID=Europe/Berlin:20261216T120000",
        "RRULE:FREQ=WEEKLY;X-OWN=1;UNTIL=20270131T225959Z",
        "SUMMARY:Elsewhere",
    ] {
        assert!(
            written.iter().any(|one| one == line),
            "{line} in\n{}",
            put.body
        );
    }
    assert_eq!(put.body.matches("DURATION").count(), 1, "{}", put.body);

    let days = json!({ "calendar_name": "work", "event_uid": "plan", "all_day": true });
    let sentence = gateway
        .failure(WRITE, "nc_calendar_update_event", days)
        .await;
    assert!(
        sentence.contains("changed or cancelled on their own"),
        "{sentence}"
    );

    let once = json!({ "calendar_name": "work", "event_uid": "plan", "recurring": false });
    let event = gateway.ok(WRITE, "nc_calendar_update_event", once).await;
    assert_eq!(event["recurring"], false);
    let put = last(&gateway, "PUT");
    assert!(
        !put.body.contains("Elsewhere") && !put.body.contains("EXDATE"),
        "{}",
        put.body
    );
}

#[tokio::test]
async fn an_invitation_is_read_back_because_nextcloud_changed_it() {
    let gateway = gateway().await;
    person(&gateway);
    let stored = plan().replace(
        "COMMENT:kept",
        "ORGANIZER:mailto:alice@example.test\r\nATTENDEE;SCHEDULE-STATUS=5.0:mailto:bob@example.test",
    );
    gateway.nextcloud.on("GET", PLAN, object(&plan(), "e1"));
    gateway.nextcloud.on("GET", PLAN, object(&stored, "e2"));
    gateway
        .nextcloud
        .on("PUT", PLAN, Answer::text(204, "text/html", ""));
    let arguments =
        json!({ "calendar_name": "work", "event_uid": "plan", "attendees": "bob@example.test" });
    let event = gateway
        .ok(WRITE, "nc_calendar_update_event", arguments)
        .await;
    assert_eq!(event["etag"], "e2");
    assert_eq!(event["attendees"][0]["email"], "bob@example.test");
    assert_eq!(methods(&gateway), ["GET", "PROPFIND", "PUT", "GET"]);
}

#[tokio::test]
async fn deleting_says_where_it_went_and_deletes_only_what_was_read() {
    let gateway = gateway().await;
    trash(&gateway);
    gateway.nextcloud.on("GET", PLAN, object(&plan(), "e1"));
    gateway
        .nextcloud
        .on("DELETE", PLAN, Answer::text(204, "text/html", ""));
    gateway.nextcloud.on(
        "DELETE",
        PLAN,
        Answer::dav_error(412, "none of the specified ETags matched"),
    );
    let arguments = json!({ "calendar_name": "work", "event_uid": "plan" });
    let gone = gateway
        .ok(WRITE, "nc_calendar_delete_event", arguments.clone())
        .await;
    assert_eq!(
        gone,
        json!({ "event_uid": "plan", "title": "Plan", "deleted": true, "was_series": false,
                "in_trash_bin": true, "kept_days": 30 })
    );
    assert_eq!(last(&gateway, "DELETE").header("if-match"), Some("\"e1\""));
    let sentence = gateway
        .failure(WRITE, "nc_calendar_delete_event", arguments)
        .await;
    assert!(
        sentence.contains("was changed just now, so it was not deleted"),
        "{sentence}"
    );
}

#[tokio::test]
async fn what_is_gone_already_is_no_failure_to_delete_and_one_to_read() {
    let gateway = gateway().await;
    gateway.nextcloud.on(
        "GET",
        PLAN,
        Answer::dav_error(404, "Calendar object not found"),
    );
    gateway.nextcloud.on("REPORT", WORK, found(WORK, &[]));
    let arguments = json!({ "calendar_name": "work", "event_uid": "plan" });
    let gone = gateway
        .ok(WRITE, "nc_calendar_delete_event", arguments.clone())
        .await;
    assert_eq!(
        (&gone["deleted"], &gone["in_trash_bin"]),
        (&json!(false), &json!(false))
    );
    let sentence = gateway
        .failure(READ, "nc_calendar_get_event", arguments)
        .await;
    assert!(
        sentence.contains("\"plan\" does not exist in the calendar \"work\""),
        "{sentence}"
    );
    assert!(sentence.contains("nc_calendar_list_events"), "{sentence}");

    gateway.nextcloud.on(
        "REPORT",
        WORK,
        Answer::dav_error(404, "Node with name 'work' could not be found"),
    );
    let arguments = json!({ "calendar_name": "work", "event_uid": "plan" });
    gateway
        .ok(WRITE, "nc_calendar_delete_event", arguments.clone())
        .await;
    let sentence = gateway
        .failure(READ, "nc_calendar_get_event", arguments)
        .await;
    assert!(
        sentence.contains("The calendar \"work\" does not exist"),
        "{sentence}"
    );
}
