//! Tasks: what the tools send for them and make of the answers.

use serde_json::json;

use super::{
    HOME, WORK, calendar, found, gateway, home, last, lines, methods, object, titles, trash, values,
};
use crate::support::Answer;

const READ: &str = "todo.read calendar.read";
const WRITE: &str = "todo.write calendar.read";
const TASK: &str = "/remote.php/dav/calendars/alice/work/t.ics";

fn task(uid: &str, summary: &str, more: &str) -> String {
    calendar(&format!(
        "BEGIN:VTODO\nUID:{uid}\nDTSTAMP:20261101T000000Z\nSUMMARY:{summary}\n{more}\nX-KEPT:1\nEND:VTODO"
    ))
}

#[tokio::test]
async fn tasks_need_scopes_of_both_kinds() {
    let gateway = gateway().await;
    let params = json!({ "name": "nc_calendar_create_todo", "arguments": { "calendar_name": "work", "summary": "x" } });
    for scope in [
        "todo.write",
        "calendar.read calendar.write",
        "todo.read calendar.read",
    ] {
        let reply = gateway.rpc(scope, "tools/call", params.clone()).await;
        assert_eq!(reply.status, 403, "{scope}");
        let challenge = reply.header("www-authenticate");
        assert!(
            challenge.contains("todo.write") && challenge.contains("calendar.read"),
            "{challenge}"
        );
    }
    assert!(gateway.nextcloud.all_seen().is_empty());
}

#[tokio::test]
async fn a_task_is_created_with_a_due_date() {
    let gateway = gateway().await;
    gateway.nextcloud.on(
        "PUT",
        &format!("{WORK}*"),
        Answer::text(201, "text/html", "").with("etag", "\"e1\""),
    );
    let task = gateway.ok(WRITE, "nc_calendar_create_todo", json!({
        "calendar_name": "work", "summary": "Write, test", "due": "2026-12-01T18:00", "priority": 1,
        "categories": "Home", "reminders": [{ "minutes_before": 60 }],
    })).await;
    assert_eq!(
        (&task["due"], &task["status"], &task["percent_complete"]),
        (
            &json!("2026-12-01T18:00:00+01:00"),
            &json!("NEEDS-ACTION"),
            &json!(0)
        )
    );
    let put = last(&gateway, "PUT");
    let written = lines(&put.body);
    for line in [
        "BEGIN:VTODO",
        "SUMMARY:Write\\, test",
        "DUE;TZID=Europe/Berlin:20261201T180000",
        "STATUS:NEEDS-ACTION",
        "PRIORITY:1",
        "CATEGORIES:Home",
        "TRIGGER;RELATED=END:-PT60M",
        "TZID:Europe/Berlin",
    ] {
        assert!(
            written.iter().any(|one| one == line),
            "{line} in\n{}",
            put.body
        );
    }
    let odd = json!({ "calendar_name": "work", "summary": "x", "due": "2026-12-01", "dtstart": "2026-12-02" });
    let sentence = gateway.failure(WRITE, "nc_calendar_create_todo", odd).await;
    assert!(sentence.contains("before its start"), "{sentence}");
}

#[tokio::test]
async fn status_percentage_and_time_agree() {
    let open = task("t", "Write", "STATUS:NEEDS-ACTION\nRELATED-TO:parent");
    let done = task(
        "t",
        "Write",
        "STATUS:COMPLETED\nPERCENT-COMPLETE:100\nCOMPLETED:20261101T000000Z",
    );
    for (before, change, status, percent, completed) in [
        (
            &open,
            json!({ "status": "COMPLETED" }),
            "COMPLETED",
            "100",
            vec!["20261121T090000Z"],
        ),
        (
            &open,
            json!({ "percent_complete": 100 }),
            "COMPLETED",
            "100",
            vec!["20261121T090000Z"],
        ),
        (
            &open,
            json!({ "percent_complete": 40 }),
            "IN-PROCESS",
            "40",
            vec![],
        ),
        (
            &open,
            json!({ "completed": "2026-11-20T12:00:00" }),
            "COMPLETED",
            "100",
            vec!["20261120T110000Z"],
        ),
        (
            &done,
            json!({ "status": "NEEDS-ACTION" }),
            "NEEDS-ACTION",
            "0",
            vec![],
        ),
        (
            &done,
            json!({ "percent_complete": 50 }),
            "IN-PROCESS",
            "50",
            vec![],
        ),
        (
            &done,
            json!({ "summary": "Read" }),
            "COMPLETED",
            "100",
            vec!["20261101T000000Z"],
        ),
    ] {
        let gateway = gateway().await;
        gateway.nextcloud.on("GET", TASK, object(before, "e1"));
        gateway.nextcloud.on(
            "PUT",
            TASK,
            Answer::text(204, "text/html", "").with("etag", "\"e2\""),
        );
        let mut arguments = json!({ "calendar_name": "work", "todo_uid": "t" });
        arguments
            .as_object_mut()
            .expect("object")
            .extend(change.as_object().expect("object").clone());
        let task = gateway
            .ok(WRITE, "nc_calendar_update_todo", arguments)
            .await;
        assert_eq!(task["status"], status, "{change}");
        let put = last(&gateway, "PUT");
        assert_eq!(put.header("if-match"), Some("\"e1\""));
        assert_eq!(values(&put.body, "STATUS:"), [status], "{change}");
        assert_eq!(
            values(&put.body, "PERCENT-COMPLETE:"),
            [percent],
            "{change}"
        );
        assert_eq!(values(&put.body, "COMPLETED:"), completed, "{change}");
        assert!(put.body.contains("X-KEPT:1\r\n"), "{}", put.body);
    }
}

#[tokio::test]
async fn a_conflict_brings_the_current_task_along() {
    let gateway = gateway().await;
    gateway.nextcloud.on(
        "GET",
        TASK,
        object(&task("t", "Write", "STATUS:IN-PROCESS"), "e2"),
    );
    gateway
        .nextcloud
        .on("PUT", TASK, Answer::dav_error(412, "x"));
    let arguments =
        json!({ "calendar_name": "work", "todo_uid": "t", "due": "2026-12-01", "etag": "e1" });
    let sentence = gateway
        .failure(WRITE, "nc_calendar_update_todo", arguments)
        .await;
    assert!(
        sentence.contains("The task \"t\" was changed since you read it"),
        "{sentence}"
    );
    assert!(
        sentence.contains(r#""status":"IN-PROCESS""#) && sentence.contains(r#""etag":"e2""#),
        "{sentence}"
    );
}

#[tokio::test]
async fn the_important_and_urgent_comes_first() {
    let gateway = gateway().await;
    let objects = [
        ("a.ics", "1", task("a", "Some day", "PRIORITY:9")),
        (
            "b.ics",
            "1",
            task(
                "b",
                "Later",
                "DUE;VALUE=DATE:20261210\nPRIORITY:5\nCATEGORIES:Home",
            ),
        ),
        (
            "c.ics",
            "1",
            task("c", "Soon", "DUE:20261201T100000Z\nPRIORITY:1"),
        ),
        (
            "d.ics",
            "1",
            task(
                "d",
                "Again",
                "DTSTART:20260101T100000Z\nDUE:20260101T110000Z\nRRULE:FREQ=WEEKLY",
            ),
        ),
    ];
    let objects: Vec<_> = objects
        .iter()
        .map(|(name, etag, text)| (*name, *etag, text.as_str()))
        .collect();
    gateway.nextcloud.on("REPORT", WORK, found(WORK, &objects));
    gateway.nextcloud.on("PROPFIND", HOME, home());
    let list = gateway
        .ok(
            READ,
            "nc_calendar_list_todos",
            json!({ "calendar_name": "work", "status": "NEEDS-ACTION" }),
        )
        .await;
    assert_eq!(
        titles(&list["todos"]),
        ["Again", "Soon", "Later", "Some day"]
    );
    assert_eq!(list["todos"][0]["next_due"], "2026-11-26T11:00:00Z");
    let report = last(&gateway, "REPORT");
    assert!(
        report.body.contains(
            r#"<c:comp-filter name="VTODO"><c:prop-filter name="COMPLETED"><c:is-not-defined/>"#
        ),
        "{}",
        report.body
    );
    let list = gateway
        .ok(
            READ,
            "nc_calendar_search_todos",
            json!({ "min_priority": 5, "status": "" }),
        )
        .await;
    assert_eq!(titles(&list["todos"]), ["Soon", "Later"]);
    let reports = gateway
        .nextcloud
        .seen()
        .iter()
        .filter(|one| one.method == "REPORT")
        .count();
    assert_eq!(reports, 2, "calendars without tasks are not asked");
    let list = gateway
        .ok(
            READ,
            "nc_calendar_search_todos",
            json!({ "categories": "HOME", "summary_contains": "late" }),
        )
        .await;
    assert_eq!(titles(&list["todos"]), ["Later"]);
}

#[tokio::test]
async fn a_deleted_task_is_said_to_be_in_the_trash_bin() {
    let gateway = gateway().await;
    trash(&gateway);
    gateway
        .nextcloud
        .on("GET", TASK, object(&task("t", "Write", "X-A:1"), "e1"));
    gateway
        .nextcloud
        .on("DELETE", TASK, Answer::text(204, "text/html", ""));
    let arguments = json!({ "calendar_name": "work", "todo_uid": "t" });
    let gone = gateway
        .ok(WRITE, "nc_calendar_delete_todo", arguments)
        .await;
    assert_eq!(
        gone,
        json!({ "todo_uid": "t", "summary": "Write", "deleted": true, "in_trash_bin": true, "kept_days": 30 })
    );
    assert_eq!(methods(&gateway), ["GET", "DELETE", "PROPFIND"]);
    assert_eq!(last(&gateway, "DELETE").header("if-match"), Some("\"e1\""));
}
