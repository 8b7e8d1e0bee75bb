//! What of a task changes, and how: times, progress, everything else.

use calcard::icalendar::ICalendarProperty;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::{
    edit::{Draft, one_of, priority},
    object::{Kind, number, text},
    recurrence::repeats,
    reminder::{Action, Reminded, Reminder},
    store::{self, Found, now},
    when::When,
    zone::Zone,
};
use super::STATUS;
use crate::{
    error::{Describe, ToolError},
    nextcloud::Client,
};

#[derive(Deserialize, JsonSchema)]
pub(in super::super) struct UpdateArguments {
    /// The name of the calendar, as `nc_calendar_list_calendars` shows it.
    pub(super) calendar_name: String,
    /// The task's `uid`.
    pub(super) todo_uid: String,
    /// What is to be done.
    #[serde(default)]
    pub(super) summary: Option<String>,
    /// The new description.
    #[serde(default)]
    pub(super) description: Option<String>,
    /// NEEDS-ACTION, IN-PROCESS, COMPLETED or CANCELLED. COMPLETED sets the percentage and the
    /// time as well; the others take them back.
    #[serde(default)]
    pub(super) status: Option<String>,
    /// The priority from 1, the highest, to 9; 0 for none.
    #[serde(default)]
    pub(super) priority: Option<i64>,
    /// How much of it is done, 0 to 100. Alone, 100 completes the task.
    #[serde(default)]
    pub(super) percent_complete: Option<i64>,
    /// When it is due.
    #[serde(default)]
    pub(super) due: Option<String>,
    /// When work on it starts.
    #[serde(default)]
    pub(super) dtstart: Option<String>,
    /// When it was done.
    #[serde(default)]
    pub(super) completed: Option<String>,
    /// The new categories, separated by commas.
    #[serde(default)]
    pub(super) categories: Option<String>,
    /// All reminders from now on; an empty list removes them.
    #[serde(default)]
    pub(super) reminders: Option<Vec<Reminder>>,
    /// The etag of the version that you read; the current version is changed unless given.
    #[serde(default)]
    pub(super) etag: String,
}

/// Makes the changes; `found` is the task as it was, if there was one.
pub(super) async fn apply(
    client: &Client,
    draft: &mut Draft,
    found: Option<&Found>,
    changes: &UpdateArguments,
    home: &Zone,
) -> Result<(), ToolError> {
    let UpdateArguments {
        summary,
        description,
        categories,
        priority: importance,
        reminders,
        ..
    } = changes;
    let is_new = found.is_none();
    let nothing = summary.is_none()
        && description.is_none()
        && categories.is_none()
        && importance.is_none()
        && reminders.is_none()
        && changes.status.is_none()
        && changes.percent_complete.is_none()
        && changes.due.is_none()
        && changes.dtstart.is_none()
        && changes.completed.is_none();
    if nothing {
        return Err(ToolError::invalid(
            "There is nothing to change: give at least one field, or leave the task as it is.",
        ));
    }
    for (name, value) in [("SUMMARY", summary), ("DESCRIPTION", description)] {
        if let Some(value) = value {
            draft.text(name, value)?;
        }
    }
    if let Some(categories) = categories {
        draft.categories(categories)?;
    }
    match importance {
        Some(0) if is_new => {}
        Some(number) => draft.raw("PRIORITY", &priority(*number)?)?,
        None => {}
    }
    set_times(draft, found, changes, home)?;
    set_progress(draft, found, changes, home, now(client))?;
    if let Some(reminders) = reminders {
        let needs_email = reminders.iter().any(|one| one.action == Action::Email);
        let email = if needs_email {
            client.person().await.about(&store::CALENDARS)?.email
        } else {
            None
        };
        let old = found.and_then(|found| found.object.main(Kind::Task));
        let old_title = old.and_then(|task| text(task, &ICalendarProperty::Summary));
        let about = Reminded {
            title: summary
                .as_deref()
                .or(old_title.as_deref())
                .unwrap_or_default(),
            kind: Kind::Task,
            has_start: draft.part()?.line("DTSTART").is_some(),
            email: email.as_deref(),
            zone: home,
        };
        let alarms = reminders.iter().map(|one| one.component(&about));
        draft.alarms(alarms.collect::<Result<_, _>>()?)?;
    }
    Ok(())
}

/// Sets when the task is due and when it starts.
fn set_times(
    draft: &mut Draft,
    found: Option<&Found>,
    changes: &UpdateArguments,
    home: &Zone,
) -> Result<(), ToolError> {
    let old = |name: &ICalendarProperty| {
        let found = found?;
        found
            .object
            .time(found.object.main(Kind::Task)?, name, home)
    };
    let wanted = |given: &Option<String>, name: &ICalendarProperty| match given.as_deref() {
        None => Ok(old(name)),
        Some(text) if text.trim().is_empty() => Ok(None),
        Some(text) => {
            // As the event it belongs to was written, so that it stays in its zone.
            let before = old(name);
            let zone = before.as_ref().and_then(When::zone).unwrap_or(home);
            When::read(text, zone).map(Some)
        }
    };
    let start = wanted(&changes.dtstart, &ICalendarProperty::Dtstart)?;
    let due = wanted(&changes.due, &ICalendarProperty::Due)?;
    if let (Some(start), Some(due)) = (&start, &due) {
        if start.is_date() != due.is_date() {
            return Err(ToolError::invalid(
                "A task's dtstart and due are both dates or both times. Write them alike.",
            ));
        }
        if start.until(due, home) < 0 {
            return Err(ToolError::invalid(format!(
                "The task would be due on {}, before its start {}. Correct one of them.",
                due.iso(),
                start.iso()
            )));
        }
    }
    let series = found.and_then(|found| found.object.series(Kind::Task));
    if series.is_some_and(repeats) && start.is_none() && due.is_none() {
        return Err(ToolError::invalid(
            "A task that repeats needs a due date or a start.",
        ));
    }
    if changes.dtstart.is_some() {
        draft.time("DTSTART", start.as_ref())?;
    }
    if changes.due.is_some() {
        draft.time("DUE", due.as_ref())?;
        draft.raw("DURATION", "")?;
    }
    let times: Vec<&When> = start.iter().chain(&due).collect();
    let last = times.iter().map(|time| time.instant(home)).max();
    draft.define_zones(&times, last.unwrap_or_default());
    Ok(())
}

/// Sets status, percentage and time of completion so that they agree.
fn set_progress(
    draft: &mut Draft,
    found: Option<&Found>,
    changes: &UpdateArguments,
    home: &Zone,
    now: i64,
) -> Result<(), ToolError> {
    let old = found.and_then(|found| found.object.main(Kind::Task));
    let old_status = old.and_then(|task| text(task, &ICalendarProperty::Status));
    let old_percent = old.and_then(|task| number(task, &ICalendarProperty::PercentComplete));
    let percent = changes.percent_complete;
    if percent.is_some_and(|percent| !(0..=100).contains(&percent)) {
        return Err(ToolError::invalid(
            "percent_complete is a number from 0 to 100.",
        ));
    }
    let status = match (&changes.status, percent, &changes.completed) {
        (Some(status), ..) => Some(one_of("status of a task", status, STATUS)?),
        (None, Some(100), _) => Some("COMPLETED".to_owned()),
        (None, Some(0), _) => Some("NEEDS-ACTION".to_owned()),
        (None, Some(_), _) => Some("IN-PROCESS".to_owned()),
        (None, None, Some(time)) if !time.trim().is_empty() => Some("COMPLETED".to_owned()),
        (None, None, _) => None,
    };
    if let Some(status) = &status {
        draft.raw("STATUS", status)?;
        let is_done = status == "COMPLETED";
        let was_done = old_status.as_deref() == Some("COMPLETED") || old_percent == Some(100);
        match percent {
            None if is_done => draft.raw("PERCENT-COMPLETE", "100")?,
            None if was_done => draft.raw("PERCENT-COMPLETE", "0")?,
            Some(_) | None => {}
        }
        let has_time = draft.part()?.line("COMPLETED").is_some();
        if is_done && !has_time && changes.completed.is_none() {
            draft.time("COMPLETED", Some(&When::at(now, &Zone::utc())))?;
        } else if !is_done {
            draft.time("COMPLETED", None)?;
        }
    }
    if let Some(percent) = percent {
        draft.raw("PERCENT-COMPLETE", &percent.to_string())?;
    }
    match changes.completed.as_deref().map(str::trim) {
        None => {}
        Some("") => draft.time("COMPLETED", None)?,
        Some(text) => {
            // RFC 5545 §3.8.2.1: always a time in universal time.
            let time = When::read(text, home)?;
            let time = When::at(time.instant(home), &Zone::utc());
            draft.time("COMPLETED", Some(&time))?;
        }
    }
    Ok(())
}
