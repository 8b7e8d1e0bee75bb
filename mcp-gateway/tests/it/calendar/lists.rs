//! Lists of calendars and events.

use serde_json::json;

use super::{
    CALENDAR, DELETED, HOME, READ, WORK, calendar, found, gateway, home, last, member, multistatus,
    titles,
};
use crate::support::Answer;

fn event(uid: &str, title: &str, lines: &str) -> String {
    calendar(&format!(
        "BEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20261101T000000Z\nSUMMARY:{title}\n{lines}\nEND:VEVENT"
    ))
}

#[tokio::test]
async fn calendars_are_told_from_what_only_looks_like_them() {
    let gateway = gateway().await;
    let privileges = "<d:current-user-privilege-set><d:privilege><d:read/></d:privilege></d:current-user-privilege-set>";
    let bob = "<d:owner><d:href>/remote.php/dav/principals/users/bob/</d:href></d:owner>";
    let source = "<cs:source><d:href>https://example.org/holidays.ics</d:href></cs:source>";
    let named = "<d:displayname>Ärger &amp; Spaß</d:displayname>";
    gateway.nextcloud.on(
        "PROPFIND",
        HOME,
        multistatus(
            &[
                member("", "", &[], ""),
                member("my%20cal", CALENDAR, &["VEVENT", "VTODO"], named),
                member(
                    "team_shared_by_bob",
                    CALENDAR,
                    &["VEVENT"],
                    &format!("{privileges}{bob}"),
                ),
                member("holidays", "<cs:subscribed/>", &[], source),
                member("gone", DELETED, &["VEVENT"], ""),
                member("outbox", "<cal:schedule-outbox/>", &[], ""),
            ]
            .concat(),
        ),
    );
    let list = gateway
        .ok(READ, "nc_calendar_list_calendars", json!({}))
        .await;
    assert_eq!(
        list["calendars"],
        json!([
            { "name": "my cal", "display_name": "Ärger & Spaß", "holds_events": true, "holds_tasks": true, "read_only": false },
            { "name": "team_shared_by_bob", "display_name": "team_shared_by_bob", "holds_events": true,
              "holds_tasks": false, "read_only": true, "shared_by": "bob" },
            { "name": "holidays", "display_name": "holidays", "holds_events": false, "holds_tasks": false,
              "read_only": true, "source": "https://example.org/holidays.ics" },
        ])
    );
    let request = last(&gateway, "PROPFIND");
    assert_eq!(
        (
            request.header("depth"),
            request.header("x-nc-caldav-webcal-caching")
        ),
        (Some("1"), Some("Off"))
    );
}

#[tokio::test]
async fn nextcloud_chooses_by_time_and_repeating_events_are_there_for_each_time() {
    let gateway = gateway().await;
    let weekly = event(
        "w",
        "Weekly",
        "DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:PT30M\nRRULE:FREQ=WEEKLY\nEXDATE;TZID=Europe/Berlin:20261207T090000",
    );
    let single = event(
        "s",
        "Lunch",
        "DTSTART:20261202T110000Z\nDTEND:20261202T120000Z\nLOCATION:Café Ä\nCATEGORIES:Private,Food\nATTENDEE:mailto:bob@example.test",
    );
    gateway.nextcloud.on(
        "REPORT",
        WORK,
        found(WORK, &[("w.ics", "1", &weekly), ("s.ics", "2", &single)]),
    );
    let arguments =
        json!({ "calendar_name": "work", "start_date": "2026-11-30", "end_date": "2026-12-14" });
    let list = gateway
        .ok(READ, "nc_calendar_list_events", arguments.clone())
        .await;
    assert_eq!(titles(&list["events"]), ["Weekly", "Lunch", "Weekly"]);
    assert_eq!(
        list["events"][2]["start_datetime"],
        "2026-12-14T09:00:00+01:00"
    );
    assert_eq!(
        list["events"][2]["recurrence_id"],
        "2026-12-14T09:00:00+01:00"
    );
    assert_eq!((&list["total"], &list["note"]), (&json!(3), &json!(null)));
    let report = last(&gateway, "REPORT");
    assert!(
        report
            .body
            .contains(r#"<c:time-range start="20261129T230000Z" end="20261214T230000Z"/>"#),
        "{}",
        report.body
    );
    assert_eq!(report.header("depth"), Some("1"));

    for (condition, expected) in [
        (
            json!({ "title_contains": "WEEK" }),
            vec!["Weekly", "Weekly"],
        ),
        (json!({ "location_contains": "café ä" }), vec!["Lunch"]),
        (json!({ "categories": "food, other" }), vec!["Lunch"]),
        (json!({ "min_attendees": 1 }), vec!["Lunch"]),
        (json!({ "min_duration_minutes": 31 }), vec!["Lunch"]),
        (json!({ "status": "cancelled" }), vec![]),
    ] {
        let mut all = arguments.clone();
        all.as_object_mut()
            .expect("object")
            .extend(condition.as_object().expect("object").clone());
        let list = gateway.ok(READ, "nc_calendar_list_events", all).await;
        assert_eq!(titles(&list["events"]), expected, "{condition}");
    }

    let mut cut = arguments;
    cut["limit"] = json!(1);
    let list = gateway.ok(READ, "nc_calendar_list_events", cut).await;
    assert_eq!(
        (
            list["events"].as_array().expect("list").len(),
            &list["total"]
        ),
        (1, &json!(3))
    );
    let note = list["note"].as_str().expect("a note");
    assert!(
        note.contains("2 more") && note.contains("2026-12-02T11:00:00Z"),
        "{note}"
    );
}

#[tokio::test]
async fn without_a_calendar_all_are_asked_for_the_next_31_days() {
    let gateway = gateway().await;
    gateway.nextcloud.on("PROPFIND", HOME, home());
    let late = event(
        "l",
        "Late",
        "DTSTART:20261125T110000Z\nDTEND:20261125T120000Z",
    );
    let early = event(
        "e",
        "Early",
        "DTSTART:20261124T110000Z\nDTEND:20261124T120000Z",
    );
    let personal = format!("{HOME}personal/");
    gateway.nextcloud.on(
        "REPORT",
        &personal,
        found(&personal, &[("l.ics", "1", &late)]),
    );
    gateway
        .nextcloud
        .on("REPORT", WORK, found(WORK, &[("e.ics", "2", &early)]));
    let list = gateway.ok(READ, "nc_calendar_list_events", json!({})).await;
    assert_eq!(titles(&list["events"]), ["Early", "Late"]);
    assert_eq!(list["events"][0]["calendar_name"], "work");
    assert!(
        last(&gateway, "REPORT")
            .body
            .contains(r#"start="20261120T230000Z" end="20261221T230000Z""#)
    );
}

#[tokio::test]
async fn upcoming_events_start_now() {
    let gateway = gateway().await;
    let personal = format!("{HOME}personal/");
    let running = event(
        "r",
        "Running",
        "DTSTART:20261121T083000Z\nDTEND:20261121T093000Z",
    );
    let over = event(
        "o",
        "Over",
        "DTSTART:20261121T080000Z\nDTEND:20261121T090000Z",
    );
    gateway.nextcloud.on(
        "REPORT",
        &personal,
        found(
            &personal,
            &[("r.ics", "1", &running), ("o.ics", "2", &over)],
        ),
    );
    let list = gateway
        .ok(READ, "nc_calendar_get_upcoming_events", json!({}))
        .await;
    assert_eq!(
        titles(&list["events"]),
        ["Running"],
        "what is over is not upcoming"
    );
    assert!(
        last(&gateway, "REPORT")
            .body
            .contains(r#"start="20261121T090000Z" end="20261128T090000Z""#)
    );
}

#[tokio::test]
async fn one_unreadable_object_does_not_hide_the_others() {
    let gateway = gateway().await;
    let good = event(
        "g",
        "Good",
        "DTSTART:20261124T110000Z\nDTEND:20261124T120000Z",
    );
    gateway.nextcloud.on(
        "REPORT",
        WORK,
        found(WORK, &[("b.ics", "1", "garbage"), ("g.ics", "2", &good)]),
    );
    let list = gateway
        .ok(
            READ,
            "nc_calendar_list_events",
            json!({ "calendar_name": "work" }),
        )
        .await;
    assert_eq!(titles(&list["events"]), ["Good"]);
}

#[tokio::test]
async fn a_calendar_that_is_not_there_is_named() {
    let gateway = gateway().await;
    gateway.nextcloud.on(
        "REPORT",
        WORK,
        Answer::dav_error(404, "Node with name 'work' could not be found"),
    );
    let sentence = gateway
        .failure(
            READ,
            "nc_calendar_list_events",
            json!({ "calendar_name": "work" }),
        )
        .await;
    assert!(
        sentence.contains("The calendar \"work\" does not exist")
            && sentence.contains("nc_calendar_list_calendars"),
        "{sentence}"
    );
    let sentence = gateway
        .failure(
            READ,
            "nc_calendar_list_events",
            json!({ "calendar_name": ".." }),
        )
        .await;
    assert!(sentence.contains("cannot be named"), "{sentence}");
}
