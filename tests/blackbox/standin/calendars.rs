//! Calendars where the recordings do not go: isolation, repeating events, moving, what a calendar takes.

use anyhow::Result;
use harness::http::Answer;
use reqwest::StatusCode;

use super::Scene;

const HOME: &str = "/remote.php/dav/calendars/alice";
const ICS: (&str, &str) = ("content-type", "text/calendar; charset=utf-8");
const XML: (&str, &str) = ("content-type", "application/xml; charset=utf-8");

fn event(uid: &str, more: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20261121T000000Z\r\n{more}END:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn todo(uid: &str, more: &str) -> String {
    event(uid, more).replace("VEVENT", "VTODO")
}

async fn put(scene: &Scene, path: &str, text: &str) -> Result<Answer> {
    let target = format!("{HOME}/{path}");
    scene.call_with("alice", "PUT", &target, &[ICS], text).await
}

/// The names of the objects that a `calendar-query` finds.
async fn query(scene: &Scene, calendar: &str, filter: &str) -> Result<Vec<String>> {
    let body = format!(
        "<c:calendar-query xmlns:d=\"DAV:\" xmlns:c=\"urn:ietf:params:xml:ns:caldav\"><d:prop>\
         <d:getetag/></d:prop><c:filter><c:comp-filter name=\"VCALENDAR\">{filter}\
         </c:comp-filter></c:filter></c:calendar-query>"
    );
    let target = format!("{HOME}/{calendar}/");
    let answer = scene
        .call_with("alice", "REPORT", &target, &[XML, ("depth", "1")], &body)
        .await?;
    assert_eq!(answer.status, StatusCode::MULTI_STATUS, "{}", answer.body);
    let hrefs = answer.body.split("<d:href>").skip(1);
    let names = hrefs.filter_map(|rest| rest.split("</d:href>").next()?.rsplit('/').next());
    Ok(names.map(str::to_owned).collect())
}

#[tokio::test]
async fn calendars_of_others_are_not_there() -> Result<()> {
    let scene = Scene::new().await?;
    let text = event("secret", "DTSTART:20261201T100000Z\r\n");
    assert_eq!(put(&scene, "personal/s.ics", &text).await?.status, 201);
    for (method, path) in [
        ("PROPFIND", ""),
        ("PROPFIND", "/personal/"),
        ("GET", "/personal/s.ics"),
        ("PUT", "/personal/s.ics"),
        ("DELETE", "/personal/s.ics"),
        ("DELETE", "/personal/"),
        ("MKCALENDAR", "/mine/"),
        ("PROPFIND", "/trashbin/"),
    ] {
        let target = format!("{HOME}{path}");
        let answer = scene
            .call_with("bob", method, &target, &[ICS], &text)
            .await?;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
        assert!(!answer.body.contains("secret"), "{}", answer.body);
    }
    let own = "/remote.php/dav/calendars/bob/personal/s.ics";
    assert_eq!(scene.call("bob", "GET", own, "").await?.status, 404);
    let stolen = [(
        "destination",
        "/remote.php/dav/calendars/alice/personal/x.ics",
    )];
    scene.call_with("bob", "PUT", own, &[ICS], &text).await?;
    let answer = scene.call_with("bob", "MOVE", own, &stolen, "").await?;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(
        scene.nextcloud.calendar_objects("alice", "personal").len(),
        1
    );
    Ok(())
}

#[tokio::test]
async fn queries_follow_rules_exceptions_and_properties() -> Result<()> {
    let scene = Scene::new().await?;
    scene
        .call("alice", "MKCALENDAR", &format!("{HOME}/all/"), "")
        .await?;
    let series = "DTSTART:20261201T100000Z\r\nDTEND:20261201T110000Z\r\nSUMMARY:Weekly\\, long\r\n\
                  RRULE:FREQ=WEEKLY;COUNT=4\r\nEXDATE:20261208T100000Z\r\n";
    put(&scene, "all/w.ics", &event("w", series)).await?;
    put(
        &scene,
        "all/t.ics",
        &todo(
            "t",
            "DUE:20261202T100000Z\r\nSTATUS:COMPLETED\r\nCOMPLETED:20261201T000000Z\r\n",
        ),
    )
    .await?;
    put(&scene, "all/u.ics", &todo("u", "SUMMARY:open\r\n")).await?;
    let range = |start: &str, end: &str| {
        format!(
            "<c:comp-filter name=\"VEVENT\"><c:time-range start=\"{start}\" end=\"{end}\"/></c:comp-filter>"
        )
    };
    for (start, end, is_there) in [
        ("20261201T000000Z", "20261202T000000Z", true),
        ("20261202T000000Z", "20261208T000000Z", false),
        ("20261208T000000Z", "20261209T000000Z", false),
        ("20261215T105959Z", "20261215T110000Z", true),
        ("20261215T110000Z", "20261216T000000Z", false),
        ("20261229T000000Z", "20270101T000000Z", false),
    ] {
        let found = query(&scene, "all", &range(start, end)).await?;
        assert_eq!(!found.is_empty(), is_there, "{start} to {end}");
    }
    let property = |component: &str, name: &str, test: &str| {
        format!(
            "<c:comp-filter name=\"{component}\"><c:prop-filter name=\"{name}\">{test}</c:prop-filter></c:comp-filter>"
        )
    };
    let matches = "<c:text-match>WEEKLY, L</c:text-match>";
    assert_eq!(
        query(&scene, "all", &property("VEVENT", "SUMMARY", matches)).await?,
        ["w.ics"]
    );
    let exact = "<c:text-match collation=\"i;octet\">WEEKLY</c:text-match>";
    assert!(
        query(&scene, "all", &property("VEVENT", "SUMMARY", exact))
            .await?
            .is_empty()
    );
    let absent = property("VTODO", "COMPLETED", "<c:is-not-defined/>");
    assert_eq!(query(&scene, "all", &absent).await?, ["u.ics"]);
    Ok(())
}

#[tokio::test]
async fn a_calendar_takes_only_what_it_is_for() -> Result<()> {
    let scene = Scene::new().await?;
    let answer = put(&scene, "personal/t.ics", &todo("t", "")).await?;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        answer
            .body
            .contains("This calendar only supports VEVENT. We found a VTODO"),
        "{}",
        answer.body
    );
    let birthdays = put(
        &scene,
        "contact_birthdays/e.ics",
        &event("e", "DTSTART:20261201T100000Z\r\n"),
    )
    .await?;
    assert_eq!(birthdays.status, StatusCode::FORBIDDEN);
    for broken in [
        event("e", ""),
        event("e", "DTSTART;TZID=Europe/Berlin:20261201T100000\r\n"),
        event("e", "DTSTART:20261201T100000Z\r\nUID:f\r\n"),
        event(
            "e",
            "DTSTART:20261201T100000Z\r\nBEGIN:VALARM\r\nEND:VALARM\r\n",
        ),
    ] {
        let answer = put(&scene, "personal/e.ics", &broken).await?;
        assert_eq!(
            answer.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{broken}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_event_moves_between_calendars_and_stays_the_same() -> Result<()> {
    let scene = Scene::new().await?;
    scene
        .call("alice", "MKCALENDAR", &format!("{HOME}/other/"), "")
        .await?;
    let text = event("e", "DTSTART:20261201T100000Z\r\nX-ODD:\tkept\r\n");
    put(&scene, "personal/e.ics", &text).await?;
    let source = format!("{HOME}/personal/e.ics");
    let to = format!("{}{HOME}/other/e.ics", scene.nextcloud.url());
    let headers = [("destination", to.as_str()), ("overwrite", "F")];
    let stale = [headers[0], headers[1], ("if-match", "\"x\"")];
    let answer = scene
        .call_with("alice", "MOVE", &source, &stale, "")
        .await?;
    assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED);
    let answer = scene
        .call_with("alice", "MOVE", &source, &headers, "")
        .await?;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert!(
        scene
            .nextcloud
            .calendar_objects("alice", "personal")
            .is_empty()
    );
    assert_eq!(
        scene.nextcloud.calendar_objects("alice", "other"),
        [("e.ics".to_owned(), text.clone())]
    );
    put(&scene, "personal/e.ics", &text).await?;
    let answer = scene
        .call_with("alice", "MOVE", &source, &headers, "")
        .await?;
    assert_eq!(
        answer.status,
        StatusCode::PRECONDITION_FAILED,
        "it is there already"
    );
    Ok(())
}
