//! A week planned by two people through their agents, over the whole installation.

use anyhow::{Context as _, Result};
use harness::mcp_client::{self, McpPoster};
use serde_json::{Value, json};

use crate::support::{Agent, run, shared};

/// Calls a tool that has to succeed and gives its structured content.
async fn ok(poster: &McpPoster, tool: &str, arguments: Value) -> Result<Value> {
    let result = poster.call(tool, arguments).await?;
    assert_ne!(result["isError"], true, "{tool}: {result}");
    Ok(result["structuredContent"].clone())
}

/// Calls a tool that has to fail and gives what the model reads.
async fn failure(poster: &McpPoster, tool: &str, arguments: Value) -> Result<String> {
    let result = poster.call(tool, arguments).await?;
    assert_eq!(result["isError"], true, "{tool}: {result}");
    Ok(mcp_client::text(&result))
}

fn titles(events: &Value) -> Vec<&str> {
    let events = events["events"].as_array().into_iter().flatten();
    events.filter_map(|event| event["title"].as_str()).collect()
}

#[test]
fn a_meeting_is_found_made_moved_and_called_off() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        for name in ["sybil", "rupert"] {
            nextcloud.change_account(name, |account| {
                account.email = format!("{name}@example.test");
            });
        }
        nextcloud.change_account("sybil", |account| {
            let zone = "America/New_York".to_owned();
            account.profile.insert("timezone".to_owned(), zone);
        });
        let agent = Agent::new(deployment).await?;
        let sybil = agent.poster(&agent.log_in("sybil").await?.access_token);
        let rupert = agent.poster(&agent.log_in("rupert").await?.access_token);

        // Rupert has a weekly lesson; once it is elsewhere, once it is off.
        let lesson = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Old phone//EN\r\nBEGIN:VEVENT\r\n\
            UID:lesson@phone\r\nDTSTAMP:20300101T000000Z\r\nDTSTART:20310303T140000Z\r\nDTEND:20310303T150000Z\r\n\
            SUMMARY;X-P=\"a:b\":Cello\r\nRRULE:FREQ=WEEKLY\r\nEXDATE:20310310T140000Z\r\nX-PHONE:keeps\r\n  this\r\n\
            END:VEVENT\r\nBEGIN:VEVENT\r\nUID:lesson@phone\r\nDTSTAMP:20300101T000000Z\r\nSEQUENCE:4\r\n\
            RECURRENCE-ID:20310317T140000Z\r\nDTSTART:20310317T180000Z\r\nDTEND:20310317T190000Z\r\nSUMMARY:Concert\r\n\
            END:VEVENT\r\nEND:VCALENDAR\r\n";
        nextcloud.put_calendar_object("rupert", "personal", "old phone #1.ics", lesson)?;
        let march = json!({ "calendar_name": "personal", "start_date": "2031-03-01", "end_date": "2031-03-24" });
        let list = ok(&rupert, "nc_calendar_list_events", march.clone()).await?;
        assert_eq!(titles(&list), ["Cello", "Concert", "Cello"]);
        let list = ok(&sybil, "nc_calendar_list_events", march).await?;
        assert!(titles(&list).is_empty(), "it is not hers: {list}");

        // Sybil finds a time for both, which is 10:00 in New York: the lesson is at 9:00 there.
        let question = json!({
            "duration_minutes": 60, "attendees": "rupert@example.test, nobody@example.test",
            "date_range_start": "2031-03-03", "date_range_end": "2031-03-03",
        });
        let free = ok(&sybil, "nc_calendar_find_availability", question).await?;
        assert_eq!(free["timezone"], "America/New_York");
        assert_eq!(
            free["slots"][0]["start_datetime"], "2031-03-03T10:00:00-05:00",
            "{free}"
        );
        assert_eq!(free["unknown_attendees"], json!(["nobody@example.test"]));

        let title = "Umzug: Köln → 東京; #1, 🚚";
        let meeting = json!({
            "title": title, "date": "2031-03-03", "time": "10:00", "attendees": "Rupert <rupert@example.test>",
        });
        let made = ok(&sybil, "nc_calendar_create_meeting", meeting).await?;
        let uid = made["uid"].clone();
        let at = json!({ "calendar_name": "personal", "event_uid": uid });
        let invited = ok(&rupert, "nc_calendar_get_event", at.clone()).await?;
        assert_eq!(
            (&invited["title"], &invited["organizer"]["email"]),
            (&json!(title), &json!("sybil@example.test"))
        );

        // Two changes at the same version: the second is a conflict that shows the first.
        let mut change = at.clone();
        change["etag"] = made["etag"].clone();
        change["location"] = json!("Room <1> & \"2\"");
        let changed = ok(&sybil, "nc_calendar_update_event", change.clone()).await?;
        assert_ne!(changed["etag"], made["etag"]);
        change["location"] = json!("Elsewhere");
        let conflict = failure(&sybil, "nc_calendar_update_event", change).await?;
        assert!(conflict.contains("Room <1> & \\\"2\\\""), "{conflict}");

        // The phone's object keeps every byte that the change is not about.
        let mut rename = json!({ "calendar_name": "personal", "event_uid": "lesson@phone", "title": "Cello, at last" });
        ok(&rupert, "nc_calendar_update_event", rename.clone()).await?;
        rename["title"] = json!("Cello");
        ok(&rupert, "nc_calendar_update_event", rename).await?;
        let stored = nextcloud.calendar_objects("rupert", "personal");
        let (_, text) = stored
            .iter()
            .find(|(name, _)| name == "old phone #1.ics")
            .context("gone")?;
        let kept = |text: &str| {
            let lines = text.split_inclusive("\r\n");
            let own = ["DTSTAMP", "LAST-MODIFIED", "SUMMARY"];
            lines
                .filter(|line| !own.iter().any(|one| line.starts_with(one)))
                .collect::<String>()
        };
        assert_eq!(kept(text), kept(lesson));
        assert!(
            text.contains("SUMMARY:Cello\r\n") && text.contains("SUMMARY:Concert\r\n"),
            "{text}"
        );

        let gone = ok(&sybil, "nc_calendar_delete_event", at.clone()).await?;
        assert_eq!(
            (&gone["deleted"], &gone["in_trash_bin"], &gone["kept_days"]),
            (&json!(true), &json!(true), &json!(30))
        );
        let gone = ok(&sybil, "nc_calendar_delete_event", at).await?;
        assert_eq!(gone["deleted"], false);
        assert!(nextcloud.calendar_objects("sybil", "personal").is_empty());
        Ok(())
    })
}

#[test]
fn tasks_live_in_a_calendar_that_is_made_for_them() -> Result<()> {
    run(async {
        let deployment = shared().await?;
        let nextcloud = deployment.nextcloud.as_ref().context("no stand-in")?;
        let agent = Agent::new(deployment).await?;
        let trent = agent.poster(&agent.log_in("trent").await?.access_token);

        let task = json!({ "calendar_name": "personal", "summary": "Write" });
        let refused = failure(&trent, "nc_calendar_create_todo", task).await?;
        assert!(refused.contains("only supports VEVENT"), "{refused}");

        let name = "to do: 100% #1 ü?";
        let manage = |action: &str| json!({ "action": action, "calendar_name": name });
        ok(&trent, "nc_calendar_manage_calendar", manage("create")).await?;
        let mut renamed = manage("update");
        renamed["display_name"] = json!("Zu <tun> & \"lassen\"");
        renamed["color"] = json!("#00ff00");
        let shown = ok(&trent, "nc_calendar_manage_calendar", renamed).await?;
        assert_eq!(
            shown["calendars"][0]["display_name"],
            "Zu <tun> & \"lassen\""
        );
        assert_eq!(shown["calendars"][0]["color"], "#00FF00");

        let task = json!({
            "calendar_name": name, "summary": "Write, test; \"ship\" \\ rest\nמחר", "due": "2031-03-03T18:00:00+02:00",
            "priority": 1, "reminders": [{ "trigger": "-P1D" }, { "action": "AUDIO", "minutes_before": 5 }],
        });
        let made = ok(&trent, "nc_calendar_create_todo", task).await?;
        assert_eq!(made["due"], "2031-03-03T16:00:00Z");
        let at = json!({ "calendar_name": name, "todo_uid": made["uid"] });
        let mut done = at.clone();
        done["percent_complete"] = json!(100);
        done["etag"] = made["etag"].clone();
        let done = ok(&trent, "nc_calendar_update_todo", done).await?;
        assert_eq!(
            (&done["status"], &done["summary"]),
            (&json!("COMPLETED"), &made["summary"])
        );
        assert_eq!(done["reminders"][0]["minutes_before"], 24 * 60);
        let open = ok(
            &trent,
            "nc_calendar_search_todos",
            json!({ "status": "NEEDS-ACTION" }),
        )
        .await?;
        assert_eq!(open["total"], 0);
        let list = json!({ "calendar_name": name, "status": "COMPLETED" });
        let list = ok(&trent, "nc_calendar_list_todos", list).await?;
        assert_eq!(list["todos"][0]["uid"], made["uid"]);

        let gone = ok(&trent, "nc_calendar_delete_todo", at).await?;
        assert_eq!(gone["in_trash_bin"], true);
        let gone = ok(&trent, "nc_calendar_manage_calendar", manage("delete")).await?;
        assert_eq!(gone["in_trash_bin"], true);
        let taken = failure(&trent, "nc_calendar_manage_calendar", manage("create")).await?;
        assert!(taken.contains("still in the trash bin"), "{taken}");
        let list = ok(&trent, "nc_calendar_list_calendars", json!({})).await?;
        let names: Vec<_> = list["calendars"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| &one["name"])
            .collect();
        assert_eq!(names, ["personal", "contact_birthdays"]);
        assert!(nextcloud.calendar_objects("trent", name).is_empty());
        Ok(())
    })
}
