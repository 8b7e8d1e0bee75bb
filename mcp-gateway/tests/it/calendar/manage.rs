//! Calendars: make, change, delete; many events at once.

use serde_json::json;

use super::{
    CALENDAR, DELETED, HOME, WORK, WRITE, calendar, found, gateway, home, last, member, methods,
    multistatus, object, trash,
};
use crate::support::Answer;

const TEAM: &str = "/remote.php/dav/calendars/alice/team%20%231/";

#[tokio::test]
async fn a_calendar_is_made_for_events_and_tasks() {
    let gateway = gateway().await;
    gateway
        .nextcloud
        .on("MKCALENDAR", TEAM, Answer::text(201, "text/html", ""));
    gateway.nextcloud.on(
        "PROPFIND",
        HOME,
        multistatus(&member("team%20%231", CALENDAR, &["VEVENT", "VTODO"], "")),
    );
    let arguments =
        json!({ "action": "create", "calendar_name": "team #1", "display_name": "A <b> & c" });
    let made = gateway
        .ok(WRITE, "nc_calendar_manage_calendar", arguments)
        .await;
    assert_eq!(made["calendars"][0]["name"], "team #1");
    let request = last(&gateway, "MKCALENDAR");
    for part in [
        "<d:displayname>A &lt;b&gt; &amp; c</d:displayname>",
        "<a:calendar-color>#1976D2</a:calendar-color>",
        r#"<c:comp name="VEVENT"/><c:comp name="VTODO"/>"#,
    ] {
        assert!(request.body.contains(part), "{part} in {}", request.body);
    }
}

#[tokio::test]
async fn a_taken_name_is_explained() {
    let gateway = gateway().await;
    gateway.nextcloud.on(
        "MKCALENDAR",
        TEAM,
        Answer::dav_error(405, "The resource you tried to create already exists"),
    );
    gateway.nextcloud.on(
        "PROPFIND",
        HOME,
        multistatus(&member("team%20%231", DELETED, &["VEVENT"], "")),
    );
    gateway.nextcloud.on(
        "PROPFIND",
        HOME,
        multistatus(&member("team%20%231", CALENDAR, &["VEVENT"], "")),
    );
    let arguments = json!({ "action": "create", "calendar_name": "team #1" });
    let sentence = gateway
        .failure(WRITE, "nc_calendar_manage_calendar", arguments.clone())
        .await;
    assert!(
        sentence.contains("still in the trash bin and holds the name"),
        "{sentence}"
    );
    let sentence = gateway
        .failure(WRITE, "nc_calendar_manage_calendar", arguments)
        .await;
    assert!(
        sentence.contains("There is a calendar \"team #1\" already"),
        "{sentence}"
    );
    for name in ["", "inbox", "a/b"] {
        let arguments = json!({ "action": "create", "calendar_name": name });
        let sentence = gateway
            .failure(WRITE, "nc_calendar_manage_calendar", arguments)
            .await;
        assert!(sentence.contains("cannot be the name"), "{sentence}");
    }
}

#[tokio::test]
async fn a_calendar_is_changed_by_its_properties() {
    let gateway = gateway().await;
    gateway.nextcloud.on("PROPPATCH", WORK, multistatus(""));
    gateway.nextcloud.on("PROPFIND", HOME, home());
    let arguments = json!({ "action": "update", "calendar_name": "work", "display_name": "Jobs", "description": "", "color": "navy" });
    gateway
        .ok(WRITE, "nc_calendar_manage_calendar", arguments)
        .await;
    let request = last(&gateway, "PROPPATCH");
    assert!(
        request.body.contains("<d:set><d:prop><d:displayname>Jobs</d:displayname><a:calendar-color>#000080</a:calendar-color></d:prop></d:set>"),
        "{}", request.body
    );
    assert!(
        request
            .body
            .contains("<d:remove><d:prop><c:calendar-description/></d:prop></d:remove>"),
        "{}",
        request.body
    );
    let nothing = json!({ "action": "update", "calendar_name": "work" });
    let sentence = gateway
        .failure(WRITE, "nc_calendar_manage_calendar", nothing)
        .await;
    assert!(sentence.contains("nothing to change"), "{sentence}");
    let odd = json!({ "action": "update", "calendar_name": "work", "color": "not a colour" });
    let sentence = gateway
        .failure(WRITE, "nc_calendar_manage_calendar", odd)
        .await;
    assert!(sentence.contains("not a colour"), "{sentence}");
}

#[tokio::test]
async fn a_deleted_calendar_is_said_to_be_in_the_trash_bin() {
    let gateway = gateway().await;
    trash(&gateway);
    gateway
        .nextcloud
        .on("DELETE", WORK, Answer::text(204, "text/html", ""));
    let arguments = json!({ "action": "delete", "calendar_name": "work" });
    let gone = gateway
        .ok(WRITE, "nc_calendar_manage_calendar", arguments)
        .await;
    assert_eq!(
        (&gone["in_trash_bin"], &gone["kept_days"]),
        (&json!(true), &json!(30))
    );
    assert!(
        gone["message"]
            .as_str()
            .expect("text")
            .contains("no new calendar can have its name")
    );
}

fn event(uid: &str, title: &str, more: &str) -> String {
    calendar(&format!(
        "BEGIN:VEVENT\nUID:{uid}\nDTSTAMP:20261101T000000Z\nDTSTART:20261202T110000Z\nDTEND:20261202T120000Z\nSUMMARY:{title}\n{more}\nX-KEPT:1\nEND:VEVENT"
    ))
}

#[tokio::test]
async fn bulk_operations_say_what_became_of_each_event() {
    let gateway = gateway().await;
    trash(&gateway);
    gateway.nextcloud.on("PROPFIND", HOME, home());
    let (one, two, weekly, other) = (
        event("1", "Old one", "X-A:1"),
        event("2", "Old two", "X-A:1"),
        event("3", "Old series", "RRULE:FREQ=WEEKLY"),
        event("4", "Else", "X-A:1"),
    );
    let found = found(
        WORK,
        &[
            ("1.ics", "a", &one),
            ("2.ics", "b", &two),
            ("3.ics", "c", &weekly),
            ("4.ics", "d", &other),
        ],
    );
    gateway.nextcloud.on("REPORT", WORK, found);
    gateway.nextcloud.on(
        "DELETE",
        &format!("{WORK}1.ics"),
        Answer::text(204, "text/html", ""),
    );
    gateway.nextcloud.on(
        "DELETE",
        &format!("{WORK}2.ics"),
        Answer::dav_error(412, "x"),
    );
    let arguments =
        json!({ "operation": "delete", "calendar_name": "work", "title_contains": "old" });
    let report = gateway
        .ok(WRITE, "nc_calendar_bulk_operations", arguments)
        .await;
    let outcomes: Vec<_> = report["results"]
        .as_array()
        .expect("list")
        .iter()
        .map(|item| {
            (
                item["uid"].as_str().expect("uid"),
                item["outcome"].as_str().expect("outcome"),
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [("1", "deleted"), ("2", "failed"), ("3", "skipped")]
    );
    assert_eq!(
        (&report["succeeded"], &report["failed"], &report["skipped"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(report["in_trash_bin"], true);
    let deleted = gateway
        .nextcloud
        .seen()
        .into_iter()
        .find(|one| one.method == "DELETE")
        .expect("a request");
    assert_eq!(
        deleted.header("if-match"),
        Some("\"a\""),
        "only what was read is deleted"
    );
}

#[tokio::test]
async fn bulk_updates_keep_what_they_do_not_change_and_moves_stay_one_object() {
    let gateway = gateway().await;
    gateway.nextcloud.on("PROPFIND", HOME, home());
    let text = event("1", "Old", "X-A:1");
    let place = format!("{WORK}1.ics");
    gateway
        .nextcloud
        .on("REPORT", WORK, found(WORK, &[("1.ics", "a", &text)]));
    gateway.nextcloud.on("GET", &place, object(&text, "a"));
    gateway.nextcloud.on(
        "PUT",
        &place,
        Answer::text(204, "text/html", "").with("etag", "\"b\""),
    );
    gateway
        .nextcloud
        .on("MOVE", &place, Answer::text(201, "text/html", ""));
    let update = json!({ "operation": "update", "calendar_name": "work", "new_title": "New", "new_location": "" });
    let report = gateway
        .ok(WRITE, "nc_calendar_bulk_operations", update)
        .await;
    assert_eq!(report["results"][0]["outcome"], "updated");
    let put = last(&gateway, "PUT");
    assert_eq!(put.header("if-match"), Some("\"a\""));
    assert!(
        put.body.contains("SUMMARY:New\r\n") && put.body.contains("X-A:1\r\nX-KEPT:1\r\n"),
        "{}",
        put.body
    );

    let transfer =
        json!({ "operation": "move", "calendar_name": "work", "target_calendar": "personal" });
    let report = gateway
        .ok(WRITE, "nc_calendar_bulk_operations", transfer)
        .await;
    assert_eq!(report["results"][0]["outcome"], "moved");
    let moved = last(&gateway, "MOVE");
    assert_eq!(
        moved.header("destination"),
        Some(format!("{}{HOME}personal/1.ics", gateway.nextcloud.url).as_str())
    );
    assert_eq!(
        (moved.header("overwrite"), moved.header("if-match")),
        (Some("F"), Some("\"a\""))
    );
}

#[tokio::test]
async fn bulk_operations_need_conditions_and_stop_at_a_bound() {
    let gateway = gateway().await;
    for (arguments, word) in [
        (json!({ "operation": "delete" }), "which events are meant"),
        (
            json!({ "operation": "update", "calendar_name": "work" }),
            "new_",
        ),
        (
            json!({ "operation": "move", "calendar_name": "work" }),
            "target_calendar",
        ),
        (
            json!({ "operation": "update", "calendar_name": "work", "new_priority": 10 }),
            "priority",
        ),
    ] {
        let sentence = gateway
            .failure(WRITE, "nc_calendar_bulk_operations", arguments)
            .await;
        assert!(sentence.contains(word), "{sentence}");
    }
    assert!(methods(&gateway).is_empty(), "nothing was asked");

    gateway.nextcloud.on("PROPFIND", HOME, home());
    let missing =
        json!({ "operation": "move", "calendar_name": "work", "target_calendar": "nope" });
    let sentence = gateway
        .failure(WRITE, "nc_calendar_bulk_operations", missing)
        .await;
    assert!(
        sentence.contains("\"nope\" does not exist or cannot be written"),
        "{sentence}"
    );

    let many: Vec<(String, String)> = (0..120)
        .map(|n| (format!("{n}.ics"), event(&n.to_string(), "Old", "X-A:1")))
        .collect();
    let many: Vec<(&str, &str, &str)> = many
        .iter()
        .map(|(name, text)| (name.as_str(), "a", text.as_str()))
        .collect();
    gateway.nextcloud.on("REPORT", WORK, found(WORK, &many));
    gateway.nextcloud.on(
        "DELETE",
        &format!("{WORK}*"),
        Answer::text(204, "text/html", ""),
    );
    trash(&gateway);
    let all = json!({ "operation": "delete", "calendar_name": "work" });
    let report = gateway.ok(WRITE, "nc_calendar_bulk_operations", all).await;
    assert_eq!(report["succeeded"], 100);
    assert!(
        report["note"]
            .as_str()
            .expect("a note")
            .starts_with("20 more events match"),
        "{}",
        report["note"]
    );
    assert_eq!(
        methods(&gateway)
            .iter()
            .filter(|one| *one == "DELETE")
            .count(),
        100
    );
}
