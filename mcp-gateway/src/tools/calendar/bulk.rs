//! Changing, deleting or moving many events at once, each told on its own.

use std::collections::HashSet;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    edit::{Draft, priority},
    listing::{Access, Wanted, names, objects_of, window},
    object::Kind,
    recurrence::occurrences,
    reminder::{Action as Does, Reminded, Reminder},
    store::{self, Found, now, replace},
    view::Event,
    zone::Zone,
};
use crate::{
    error::{ToolError, describe},
    nextcloud::{CalendarObject, Client},
};

/// The most events of one call.
const MOST: usize = 100;

/// What is done with the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Operation {
    /// Changes the fields given as `new_…`.
    Update,
    /// Deletes them; events that repeat are left alone.
    Delete,
    /// Moves them to another calendar.
    Move,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct BulkArguments {
    /// What to do: update, delete or move.
    operation: Operation,
    /// Only events whose title contains this, in upper or lower case.
    #[serde(default)]
    title_contains: Option<String>,
    /// Only events in one of these categories, separated by commas.
    #[serde(default)]
    categories: Option<String>,
    /// Only events in this calendar; all calendars that can be written unless given.
    #[serde(default)]
    calendar_name: Option<String>,
    /// The first day or moment; today unless given.
    #[serde(default)]
    start_date: String,
    /// The last day (it counts) or moment; 31 days after the start unless given.
    #[serde(default)]
    end_date: String,
    /// Only events with this status: CONFIRMED, TENTATIVE or CANCELLED.
    #[serde(default)]
    status: Option<String>,
    /// Only events whose place contains this, in upper or lower case.
    #[serde(default)]
    location_contains: Option<String>,
    /// For update: the new title.
    #[serde(default)]
    new_title: Option<String>,
    /// For update: the new description; an empty text removes it.
    #[serde(default)]
    new_description: Option<String>,
    /// For update: the new place; an empty text removes it.
    #[serde(default)]
    new_location: Option<String>,
    /// For update: the new categories, separated by commas; an empty text removes them.
    #[serde(default)]
    new_categories: Option<String>,
    /// For update: the new priority from 1 to 9; 0 for none.
    #[serde(default)]
    new_priority: Option<i64>,
    /// For update: replaces all reminders by one this many minutes before; 0 removes all.
    #[serde(default)]
    new_reminder_minutes: Option<u32>,
    /// For move: the name of the calendar that gets the events.
    #[serde(default)]
    target_calendar: Option<String>,
}

/// What became of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    /// It was changed.
    Updated,
    /// It was deleted.
    Deleted,
    /// It was moved.
    Moved,
    /// It was left alone on purpose.
    Skipped,
    /// It could not be done.
    Failed,
}

/// One event and what became of it.
#[derive(Serialize, JsonSchema)]
struct Item {
    /// The event's id.
    uid: String,
    /// The title it had.
    title: String,
    /// The calendar it was in.
    calendar_name: String,
    /// When it starts.
    start_datetime: String,
    /// Whether it repeats; then the whole series is meant.
    recurring: bool,
    /// What became of it.
    outcome: Outcome,
    /// Why it was left alone or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What became of the events.
#[derive(Serialize, JsonSchema)]
pub(super) struct Report {
    /// The events that matched, one by one.
    results: Vec<Item>,
    /// How many were done.
    succeeded: usize,
    /// How many were left alone on purpose.
    skipped: usize,
    /// How many failed.
    failed: usize,
    /// Whether deleted events are in the trash bin now.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_trash_bin: Option<bool>,
    /// What was not looked at, and how to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

pub(super) async fn run(client: Client, arguments: BulkArguments) -> Result<Report, ToolError> {
    check(&arguments)?;
    let home = store::home(&client).await;
    let window = window(
        &arguments.start_date,
        &arguments.end_date,
        now(&client),
        &home,
    )?;
    let wanted = Wanted::new(
        arguments.title_contains.as_deref(),
        arguments.location_contains.as_deref(),
        arguments.categories.as_deref(),
        arguments.status.as_deref(),
    );
    let writable = names(&client, Kind::Event, Access::Write).await?;
    let given = [&arguments.calendar_name, &arguments.target_calendar];
    let mut given = given.into_iter().flatten().filter(|name| !name.is_empty());
    if let Some(name) = given.find(|name| !writable.contains(name)) {
        return Err(ToolError::not_found(format!(
            "The calendar \"{name}\" does not exist or cannot be written, so nothing was done. Use \
             nc_calendar_list_calendars to see the calendars."
        )));
    }
    let calendars = match arguments.calendar_name.as_deref() {
        Some(name) if !name.is_empty() => vec![name.to_owned()],
        Some(_) | None => writable,
    };
    let mut seen = HashSet::new();
    let mut matching = Vec::new();
    for found in objects_of(&client, calendars, window).await? {
        let first = occurrences(&found.object, Kind::Event, window, &home)
            .iter()
            .map(|time| {
                (
                    Event::at(&found.stored, &found.object, time),
                    time.to - time.from,
                )
            })
            .find(|(event, length)| wanted.matches(event, length / 60));
        if let Some((event, _)) = first
            && seen.insert(found.stored.href.clone())
        {
            matching.push((found, event));
        }
    }
    let rest = matching.len().saturating_sub(MOST);
    matching.truncate(MOST);
    let (mut results, matches) = (Vec::new(), matching.len());
    for (found, event) in matching {
        results.push(item(&client, &arguments, found, event, &home).await);
        let done = results.len();
        client
            .progress()
            .report(done, Some(matches), || {
                format!("{done} of {matches} events")
            })
            .await;
    }
    let count = |wanted: &[Outcome]| {
        let results = results.iter();
        results
            .filter(|item| wanted.contains(&item.outcome))
            .count()
    };
    let succeeded = count(&[Outcome::Updated, Outcome::Deleted, Outcome::Moved]);
    let in_trash_bin = if arguments.operation == Operation::Delete && succeeded > 0 {
        Some(store::trash(&client).await?.is_some())
    } else {
        None
    };
    Ok(Report {
        succeeded,
        skipped: count(&[Outcome::Skipped]),
        failed: count(&[Outcome::Failed]),
        in_trash_bin,
        note: (rest > 0).then(|| {
            format!(
                "{rest} more events match and were not touched: one call does {MOST}. Call again \
                 with a later start_date or narrower conditions."
            )
        }),
        results,
    })
}

fn check(arguments: &BulkArguments) -> Result<(), ToolError> {
    let is_given =
        |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    let has_condition = is_given(&arguments.title_contains)
        || is_given(&arguments.categories)
        || is_given(&arguments.calendar_name)
        || is_given(&arguments.status)
        || is_given(&arguments.location_contains)
        || !arguments.start_date.trim().is_empty()
        || !arguments.end_date.trim().is_empty();
    if !has_condition {
        return Err(ToolError::invalid(
            "Say which events are meant: give at least one of title_contains, categories, \
             calendar_name, start_date, end_date, status and location_contains.",
        ));
    }
    let has_change = arguments.new_title.is_some()
        || arguments.new_description.is_some()
        || arguments.new_location.is_some()
        || arguments.new_categories.is_some()
        || arguments.new_priority.is_some()
        || arguments.new_reminder_minutes.is_some();
    match arguments.operation {
        Operation::Update if !has_change => Err(ToolError::invalid(
            "There is nothing to change: give at least one of the fields that begin with new_.",
        )),
        Operation::Move if !is_given(&arguments.target_calendar) => Err(ToolError::invalid(
            "Give target_calendar, the name of the calendar that gets the events.",
        )),
        Operation::Update | Operation::Move | Operation::Delete => {
            arguments.new_priority.map(priority).transpose().map(drop)
        }
    }
}

async fn item(
    client: &Client,
    arguments: &BulkArguments,
    found: Found,
    event: Event,
    home: &Zone,
) -> Item {
    let done = match arguments.operation {
        Operation::Update => update(client, arguments, &found, &event, home).await,
        // The question was about a span of time; a series goes on before and after it.
        Operation::Delete if event.recurring => Ok((
            Outcome::Skipped,
            Some(
                "It repeats beyond that span of time. Delete the series with \
                 nc_calendar_delete_event, or end it with recurrence_end_date."
                    .to_owned(),
            ),
        )),
        Operation::Delete => written(
            &found.stored,
            client.delete_calendar_object(&found.stored).await,
            Outcome::Deleted,
        ),
        Operation::Move => transfer(client, arguments, &found.stored).await,
    };
    let (outcome, reason) = done.unwrap_or_else(|error| (Outcome::Failed, Some(error.to_string())));
    Item {
        uid: event.uid,
        title: event.title,
        calendar_name: event.calendar_name,
        start_datetime: event.start_datetime,
        recurring: event.recurring,
        outcome,
        reason,
    }
}

type Done = Result<(Outcome, Option<String>), ToolError>;

async fn update(
    client: &Client,
    arguments: &BulkArguments,
    found: &Found,
    event: &Event,
    home: &Zone,
) -> Done {
    // Once more by its address: XML does not keep the line ends.
    let stored = client
        .get_calendar_object(&found.stored.calendar, &found.stored.name)
        .await;
    let about = store::about(Kind::Event, &event.uid);
    let stored = stored.map_err(|error| describe(error, &about))?;
    let found = Found::new(stored).ok_or_else(super::edit::unreadable)?;
    let mut draft = Draft::of(&found.object, Kind::Event);
    for (name, value) in [
        ("SUMMARY", &arguments.new_title),
        ("DESCRIPTION", &arguments.new_description),
        ("LOCATION", &arguments.new_location),
    ] {
        if let Some(value) = value {
            draft.text(name, value)?;
        }
    }
    if let Some(categories) = &arguments.new_categories {
        draft.categories(categories)?;
    }
    if let Some(number) = arguments.new_priority {
        draft.raw("PRIORITY", &priority(number)?)?;
    }
    if let Some(minutes) = arguments.new_reminder_minutes {
        let about = Reminded {
            title: arguments.new_title.as_deref().unwrap_or(&event.title),
            kind: Kind::Event,
            has_start: true,
            email: None,
            zone: home,
        };
        let reminder = (minutes > 0).then(|| Reminder::before(minutes, Does::Display));
        let alarms = reminder.iter().map(|one| one.component(&about));
        draft.alarms(alarms.collect::<Result<_, _>>()?)?;
    }
    draft.stamp(now(client), arguments.new_location.is_some())?;
    replace(client, &found, Kind::Event, "", draft.finish()).await?;
    Ok((Outcome::Updated, None))
}

async fn transfer(client: &Client, arguments: &BulkArguments, stored: &CalendarObject) -> Done {
    let target = arguments.target_calendar.as_deref().unwrap_or_default();
    if target == stored.calendar {
        let reason = "It is in that calendar already.".to_owned();
        return Ok((Outcome::Skipped, Some(reason)));
    }
    let moved = client.move_calendar_object(stored, target).await;
    written(stored, moved, Outcome::Moved)
}

fn written(
    stored: &CalendarObject,
    result: Result<(), crate::nextcloud::Error>,
    outcome: Outcome,
) -> Done {
    match result {
        Ok(()) => Ok((outcome, None)),
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => Err(ToolError::failed(
            "It was changed by somebody else just now, or the target holds one of this name; \
             nothing was done with it.",
        )
        .because(error)),
        Err(error) => Err(describe(error, &store::about(Kind::Event, &stored.name))),
    }
}
