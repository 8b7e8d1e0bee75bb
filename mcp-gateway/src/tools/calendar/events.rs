//! Events: create, read, change, delete.

mod arguments;
mod change;

use calcard::icalendar::ICalendarProperty;
use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use self::{
    arguments::{CreateArguments, EventArguments, MeetingArguments, UpdateArguments},
    arguments::{confirmed, fifteen, five, public},
    change::{Details, HOUR, checked_end, checked_rule, new_reminders, set_rule, set_times, time},
};
use super::{
    edit::{Draft, rule_end, unreadable},
    object::{Kind, text},
    recurrence::repeats,
    reminder::{Action, Reminder},
    store::{self, Found, create as put_new, find, look_for, now, replace, zone},
    view::Event,
    when::{DAY, When},
    zone::Zone,
};
use crate::{
    error::{ToolError, describe},
    nextcloud::Client,
};

/// An event that was deleted.
#[derive(Serialize, JsonSchema)]
pub(super) struct Gone {
    /// The event's id.
    event_uid: String,
    /// Its title was.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Whether something was deleted; false when there was no such event any more.
    deleted: bool,
    /// Whether a whole series went.
    was_series: bool,
    /// Whether it is in the trash bin of the calendars now.
    in_trash_bin: bool,
    /// How many days the trash bin keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_days: Option<u64>,
}

pub(super) async fn create(client: Client, arguments: CreateArguments) -> Result<Event, ToolError> {
    let zone = zone(&client, Some(&arguments.timezone)).await?;
    create_in(&client, arguments, &zone).await
}

pub(super) async fn create_meeting(
    client: Client,
    arguments: MeetingArguments,
) -> Result<Event, ToolError> {
    let zone = store::home(&client).await;
    let time = format!("{}T{}", arguments.date.trim(), arguments.time.trim());
    let start = When::read(&time, &zone)?;
    let end = start.plus(i64::from(arguments.duration_minutes) * 60);
    let arguments = CreateArguments {
        calendar_name: arguments.calendar_name,
        title: arguments.title,
        start_datetime: start.iso(),
        end_datetime: end.iso(),
        all_day: false,
        description: arguments.description,
        location: arguments.location,
        categories: String::new(),
        recurring: None,
        recurrence_rule: String::new(),
        recurrence_end_date: String::new(),
        reminder_minutes: arguments.reminder_minutes,
        reminder_email: false,
        status: confirmed(),
        priority: five(),
        privacy: public(),
        attendees: arguments.attendees,
        url: String::new(),
        color: String::new(),
        timezone: String::new(),
        reminders: None,
    };
    create_in(&client, arguments, &zone).await
}

async fn create_in(
    client: &Client,
    arguments: CreateArguments,
    zone: &Zone,
) -> Result<Event, ToolError> {
    let (uid, now) = (Uuid::new_v4().to_string(), now(client));
    let mut draft = Draft::new(Kind::Event, &uid, now);
    let start = time(&arguments.start_datetime, arguments.all_day, zone)?;
    let end = match arguments.end_datetime.trim() {
        "" if arguments.all_day => start.plus(DAY),
        "" => start.plus(HOUR),
        text => time(text, arguments.all_day, zone)?,
    };
    let end = checked_end(&start, end, zone)?;
    draft.time("DTSTART", Some(&start))?;
    draft.time("DTEND", Some(&end))?;
    let rule = match arguments.recurring {
        Some(false) => "",
        Some(true) | None => arguments.recurrence_rule.trim(),
    };
    if arguments.recurring == Some(true) && rule.is_empty() {
        return Err(ToolError::invalid(
            "An event that repeats needs a recurrence_rule, such as \"FREQ=WEEKLY\".",
        ));
    }
    draft.raw("RRULE", &checked_rule(rule)?)?;
    let mut last = end.instant(zone);
    if !arguments.recurrence_end_date.trim().is_empty() {
        let until = When::read(&arguments.recurrence_end_date, zone)?;
        draft.end_rule(Some(&rule_end(&until, &start, zone)))?;
        last = last.max(until.instant(zone));
    }
    draft.define_zones(&[&start, &end], last);
    let reminders = arguments.reminders.unwrap_or_else(|| {
        let minutes = arguments.reminder_minutes;
        let display = (minutes > 0).then(|| Reminder::before(minutes, Action::Display));
        let minutes = if minutes > 0 { minutes } else { fifteen() };
        let email = Reminder::before(minutes, Action::Email);
        let email = arguments.reminder_email.then_some(email);
        display.into_iter().chain(email).collect()
    });
    let details = Details {
        title: Some(&arguments.title),
        description: Some(&arguments.description),
        location: Some(&arguments.location),
        categories: Some(&arguments.categories),
        status: Some(&arguments.status),
        priority: Some(arguments.priority),
        privacy: Some(&arguments.privacy),
        url: Some(&arguments.url),
        color: Some(&arguments.color),
        attendees: Some(&arguments.attendees),
        reminders: Some(&reminders),
    };
    details
        .apply(client, &mut draft, &arguments.title, zone)
        .await?;
    draft.stamp(now, false)?;
    let calendar = &arguments.calendar_name;
    let found = put_new(client, calendar, Kind::Event, &uid, draft.finish()).await?;
    shown(&found, zone)
}

pub(super) async fn get(client: Client, arguments: EventArguments) -> Result<Event, ToolError> {
    let EventArguments {
        calendar_name,
        event_uid,
    } = arguments;
    let found = find(&client, &calendar_name, Kind::Event, &event_uid).await?;
    shown(&found, &store::home(&client).await)
}

pub(super) async fn update(client: Client, arguments: UpdateArguments) -> Result<Event, ToolError> {
    let UpdateArguments {
        calendar_name,
        event_uid,
        etag,
        ..
    } = &arguments;
    let found = find(&client, calendar_name, Kind::Event, event_uid).await?;
    let home = store::home(&client).await;
    let mut draft = Draft::of(&found.object, Kind::Event);
    let is_moved = set_times(&mut draft, &found, &arguments, &home)?;
    let is_repeated = set_rule(&mut draft, &found, &arguments, &home)?;
    let event = shown(&found, &home)?;
    let reminders = new_reminders(&found, &arguments);
    let details = Details {
        title: arguments.title.as_deref(),
        description: arguments.description.as_deref(),
        location: arguments.location.as_deref(),
        categories: arguments.categories.as_deref(),
        status: arguments.status.as_deref(),
        priority: arguments.priority,
        privacy: arguments.privacy.as_deref(),
        url: arguments.url.as_deref(),
        color: arguments.color.as_deref(),
        attendees: arguments.attendees.as_deref(),
        reminders: reminders.as_deref(),
    };
    if details.is_empty() && !is_moved && !is_repeated {
        return Err(ToolError::invalid(
            "There is nothing to change: give at least one field, or leave the event as it is.",
        ));
    }
    let title = arguments.title.as_deref().unwrap_or(&event.title);
    details.apply(&client, &mut draft, title, &home).await?;
    let is_revision = is_moved
        || is_repeated
        || details.location.is_some()
        || details.status.is_some()
        || details.attendees.is_some();
    draft.stamp(now(&client), is_revision)?;
    let found = replace(&client, &found, Kind::Event, etag, draft.finish()).await?;
    shown(&found, &home)
}

pub(super) async fn delete(client: Client, arguments: EventArguments) -> Result<Gone, ToolError> {
    let EventArguments {
        calendar_name,
        event_uid,
    } = arguments;
    let Some(found) = look_for(&client, &calendar_name, Kind::Event, &event_uid).await? else {
        return Ok(Gone {
            event_uid,
            title: None,
            deleted: false,
            was_series: false,
            in_trash_bin: false,
            kept_days: None,
        });
    };
    let main = found.object.main(Kind::Event);
    let title = main.and_then(|event| text(event, &ICalendarProperty::Summary));
    let was_series = main.is_some_and(repeats);
    match client.delete_calendar_object(&found.stored).await {
        Ok(()) => {}
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => {
            return Err(ToolError::failed(format!(
                "The event \"{event_uid}\" was changed just now, so it was not deleted. Read it \
                 again with nc_calendar_get_event and delete it if it is still unwanted."
            ))
            .because(error));
        }
        Err(error) => return Err(describe(error, &store::about(Kind::Event, &event_uid))),
    }
    let kept_days = store::trash(&client).await?;
    Ok(Gone {
        event_uid,
        title,
        deleted: true,
        was_series,
        in_trash_bin: kept_days.is_some(),
        kept_days,
    })
}

/// An event as the tools show it.
pub(super) fn shown(found: &Found, home: &Zone) -> Result<Event, ToolError> {
    Event::whole(&found.stored, &found.object, home).ok_or_else(unreadable)
}
