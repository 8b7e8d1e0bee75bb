//! Calendar and tasks: the move itself, a weekly round, and what is to be done for them.

use anyhow::Result;
use serde_json::{Value, json};

use super::office::{Office, lines};
use super::worker::{Worker, each, number, text};

/// Everything that could leave its segment.
const MOVE: &str = "umzug 100% #1+ü?";
const TITLE: &str = "Umzug, Teil 1; \"Köln\" → 東京 🚚\\";
const ROUND: &str = "פגישה שבועית";

fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

pub(crate) async fn chapter(judy: &Worker) -> Result<()> {
    let manage = |action: &str, name: &str| json!({ "action": action, "calendar_name": name });
    let mut new = manage("create", MOVE);
    new["display_name"] = json!("Umzug <Büro> & \"mehr\"");
    let made = judy
        .does("nc_calendar_manage_calendar", new.clone())
        .await?;
    assert_eq!(
        made["calendars"][0]["display_name"], new["display_name"],
        "{made}"
    );
    judy.cannot("nc_calendar_manage_calendar", new).await?;
    judy.cannot("nc_calendar_manage_calendar", manage("create", "a/../b"))
        .await?;
    judy.does("nc_calendar_manage_calendar", manage("create", "alt"))
        .await?;
    let mut green = manage("update", "alt");
    green["color"] = json!("#00FF00");
    judy.does("nc_calendar_manage_calendar", green).await?;

    // The move: a day in another zone, changed once, and once too late.
    let moving = judy
        .does(
            "nc_calendar_create_event",
            json!({
                "calendar_name": MOVE, "title": TITLE, "start_datetime": "2031-03-03T09:00:00",
                "end_datetime": "2031-03-03T17:30:00", "timezone": "Europe/Berlin",
                "location": "Straße 5; Hof, links", "description": "Zeile 1\nZeile 2, \\n ist keine",
                "categories": "Umzug, Büro",
            }),
        )
        .await?;
    let at = json!({ "calendar_name": MOVE, "event_uid": text(&moving, "uid")? });
    let mut change = at.clone();
    change["etag"] = moving["etag"].clone();
    change["location"] = json!("Rampe 100%");
    let changed = judy
        .does("nc_calendar_update_event", change.clone())
        .await?;
    assert_eq!(changed["description"], "Zeile 1\nZeile 2, \\n ist keine");
    change["location"] = json!("VERALTET");
    let conflict = judy.cannot("nc_calendar_update_event", change).await?;
    assert!(
        conflict.contains("Rampe 100%"),
        "the current version is there: {conflict}"
    );
    let read = judy.does("nc_calendar_get_event", at.clone()).await?;
    assert_eq!(
        (&read["title"], &read["etag"]),
        (&json!(TITLE), &changed["etag"])
    );

    round_and_meetings(judy).await
}

async fn round_and_meetings(judy: &Worker) -> Result<()> {
    // A round every Tuesday, four times, in March: three of them.
    judy.does(
        "nc_calendar_create_event",
        json!({
            "calendar_name": "alt", "title": ROUND, "start_datetime": "2031-03-11T10:00:00",
            "end_datetime": "2031-03-11T11:00:00", "recurrence_rule": "FREQ=WEEKLY;COUNT=4",
            "timezone": "UTC",
        }),
    )
    .await?;
    let march = json!({
        "start_date": "2031-03-01", "end_date": "2031-03-31", "search_all_calendars": true,
    });
    let listed = judy.does("nc_calendar_list_events", march).await?;
    let mut titles = each(&listed["events"], "title");
    titles.sort_by_key(ToString::to_string);
    assert_eq!(
        titles,
        [json!(TITLE), json!(ROUND), json!(ROUND), json!(ROUND)]
    );

    // A free hour on the day of the move; a meeting there, which is then moved and called off.
    let free = judy
        .does(
            "nc_calendar_find_availability",
            json!({
                "duration_minutes": 60, "date_range_start": "2031-03-11T09:00:00Z",
                "date_range_end": "2031-03-11T12:00:00Z",
            }),
        )
        .await?;
    let starts = each(&free["slots"], "start_datetime");
    assert!(!starts.is_empty(), "{free}");
    assert!(
        starts
            .iter()
            .all(|start| !start.to_string().contains("T10:")),
        "{free}"
    );
    for title in ["Übergabe 1", "Übergabe 2"] {
        judy.does(
            "nc_calendar_create_meeting",
            json!({ "title": title, "date": "2031-03-12", "time": "14:00", "calendar_name": "alt" }),
        )
        .await?;
    }
    let bulk = json!({
        "operation": "move", "title_contains": "übergabe", "calendar_name": "alt",
        "start_date": "2031-03-12", "end_date": "2031-03-12", "target_calendar": MOVE,
    });
    let report = judy.does("nc_calendar_bulk_operations", bulk).await?;
    assert_eq!(number(&report, "succeeded")?, 2, "{report}");
    let second = report["results"].as_array().into_iter().flatten();
    let second = second
        .clone()
        .find(|item| item["title"] == "Übergabe 2")
        .unwrap();
    let second = json!({ "calendar_name": MOVE, "event_uid": second["uid"] });
    for is_there in [true, false] {
        let gone = judy
            .does("nc_calendar_delete_event", second.clone())
            .await?;
        assert_eq!(gone["deleted"], is_there, "{gone}");
    }
    judy.cannot("nc_calendar_get_event", second).await?;
    let nowhere = json!({ "calendar_name": "gibt es nicht", "event_uid": "x" });
    judy.cannot("nc_calendar_get_event", nowhere).await?;
    let soon = judy
        .does(
            "nc_calendar_get_upcoming_events",
            json!({ "calendar_name": "alt" }),
        )
        .await?;
    assert_eq!(soon["events"], json!([]));
    Ok(())
}

pub(crate) async fn tasks(judy: &Worker) -> Result<()> {
    let create = |summary: &str, due: &str| json!({ "calendar_name": "alt", "summary": summary, "due": due, "categories": "Umzug" });
    let pack = judy
        .does(
            "nc_calendar_create_todo",
            create("Kisten packen, 50% & mehr 📦", "2031-03-01"),
        )
        .await?;
    let call = judy
        .does("nc_calendar_create_todo", create("Telefon ummelden", ""))
        .await?;
    judy.does("nc_calendar_create_todo", create("Wegwerfen", "2031-01-01"))
        .await?;
    let at = |task: &Value| json!({ "calendar_name": "alt", "todo_uid": task["uid"] });

    let mut half = at(&pack);
    half["percent_complete"] = json!(50);
    half["etag"] = pack["etag"].clone();
    judy.does("nc_calendar_update_todo", half.clone()).await?;
    half["percent_complete"] = json!(99);
    judy.cannot("nc_calendar_update_todo", half).await?;
    let mut done = at(&call);
    done["status"] = json!("COMPLETED");
    judy.does("nc_calendar_update_todo", done).await?;

    let waste = judy
        .does(
            "nc_calendar_search_todos",
            json!({ "summary_contains": "wegw" }),
        )
        .await?;
    let waste = json!({ "calendar_name": "alt", "todo_uid": waste["todos"][0]["uid"] });
    for is_there in [true, false] {
        let gone = judy.does("nc_calendar_delete_todo", waste.clone()).await?;
        assert_eq!(gone["deleted"], is_there, "{gone}");
    }
    let mut late = waste;
    late["summary"] = json!("Zu spät");
    judy.cannot("nc_calendar_update_todo", late).await?;
    let open = json!({ "calendar_name": "alt", "status": "COMPLETED" });
    let listed = judy.does("nc_calendar_list_todos", open).await?;
    assert_eq!(
        each(&listed["todos"], "summary"),
        [json!("Telefon ummelden")]
    );
    let listed = judy.does("nc_calendar_list_calendars", json!({})).await?;
    let mut names = each(&listed["calendars"], "name");
    names.retain(|name| name == MOVE || name == "alt");
    assert_eq!(names.len(), 2, "{listed}");
    Ok(())
}

pub(crate) async fn remain(office: &Office<'_>) -> Result<()> {
    let home = "/remote.php/dav/calendars/judy/";
    let calendars = office.members(home).await?;
    assert_eq!(
        calendars,
        [
            "alt",
            "contact_birthdays",
            "inbox",
            "outbox",
            "personal",
            "trashbin",
            MOVE
        ]
    );
    assert_eq!(office.objects(&format!("{home}personal/")).await?, [""; 0]);
    let moved = office.objects(&format!("{home}{}/", encoded(MOVE))).await?;
    let mut titles: Vec<_> = moved
        .iter()
        .flat_map(|event| lines(event, "SUMMARY"))
        .collect();
    titles.sort();
    assert_eq!(
        titles,
        [
            "SUMMARY:Umzug\\, Teil 1\\; \"Köln\" → 東京 🚚\\\\",
            "SUMMARY:Übergabe 1"
        ]
    );
    let moving = moved.iter().find(|event| event.contains("Teil 1")).unwrap();
    assert_eq!(lines(moving, "LOCATION"), ["LOCATION:Rampe 100%"]);
    assert!(
        lines(moving, "DTSTART").contains(&"DTSTART;TZID=Europe/Berlin:20310303T090000".to_owned()),
        "{moving}"
    );
    let (old, tasks): (Vec<_>, Vec<_>) = office
        .objects(&format!("{home}alt/"))
        .await?
        .into_iter()
        .partition(|object| object.contains("BEGIN:VEVENT"));
    assert_eq!(old.len(), 1, "{old:?}");
    assert_eq!(lines(&old[0], "SUMMARY"), [format!("SUMMARY:{ROUND}")]);
    assert_eq!(lines(&old[0], "RRULE"), ["RRULE:FREQ=WEEKLY;COUNT=4"]);

    let mut tasks: Vec<_> = tasks
        .iter()
        .map(|task| {
            ["SUMMARY", "STATUS", "PERCENT-COMPLETE", "DUE"]
                .map(|name| lines(task, name).concat())
                .join("|")
        })
        .collect();
    tasks.sort();
    assert_eq!(
        tasks,
        [
            "SUMMARY:Kisten packen\\, 50% & mehr 📦|STATUS:IN-PROCESS|PERCENT-COMPLETE:50|DUE;VALUE=DATE:20310301",
            "SUMMARY:Telefon ummelden|STATUS:COMPLETED|PERCENT-COMPLETE:100|",
        ]
    );
    Ok(())
}
