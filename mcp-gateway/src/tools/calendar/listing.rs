//! Lists of events: in a span of time, and those that come next.

use futures_util::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    edit::words,
    object::Kind,
    recurrence::{Window, occurrences},
    store::{self, CALENDARS, Found, about_calendar, now},
    view::Event,
    when::{DAY, When},
    zone::Zone,
};
use crate::{
    error::{Describe, ToolError},
    nextcloud::{Calendar, CalendarKind, Client, Filter},
};

/// How many days are looked at unless the caller says.
const DAYS: i64 = 31;
/// The longest span of time of one question, in seconds: some ten years.
const LONGEST: i64 = 3660 * DAY;
/// The most events of one answer.
const MOST: usize = 500;
/// How many calendars are asked at the same time.
const AT_ONCE: usize = 4;

#[derive(Deserialize, JsonSchema)]
pub(super) struct ListArguments {
    /// The name of the calendar; all calendars unless given.
    #[serde(default)]
    calendar_name: String,
    /// The first day or moment; today unless given.
    #[serde(default)]
    start_date: String,
    /// The last day (it counts) or the moment at which the list ends; 31 days after the start
    /// unless given.
    #[serde(default)]
    end_date: String,
    /// The most events to return, up to 500.
    #[serde(default = "fifty")]
    limit: usize,
    /// Only events with at least this many attendees.
    #[serde(default)]
    min_attendees: Option<usize>,
    /// Only events that last at least this many minutes.
    #[serde(default)]
    min_duration_minutes: Option<i64>,
    /// Only events in one of these categories, separated by commas.
    #[serde(default)]
    categories: Option<String>,
    /// Only events with this status: CONFIRMED, TENTATIVE or CANCELLED.
    #[serde(default)]
    status: Option<String>,
    /// Only events whose title contains this, in upper or lower case.
    #[serde(default)]
    title_contains: Option<String>,
    /// Only events whose place contains this, in upper or lower case.
    #[serde(default)]
    location_contains: Option<String>,
    /// Whether to look into all calendars, whatever `calendar_name` says.
    #[serde(default)]
    search_all_calendars: bool,
}

fn fifty() -> usize {
    50
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct UpcomingArguments {
    /// The name of the calendar; an empty text means all calendars.
    #[serde(default = "personal")]
    calendar_name: String,
    /// How many days ahead to look.
    #[serde(default = "seven")]
    days_ahead: u32,
    /// The most events to return, up to 500.
    #[serde(default = "ten")]
    limit: usize,
}

fn personal() -> String {
    "personal".to_owned()
}

fn seven() -> u32 {
    7
}

fn ten() -> usize {
    10
}

/// Events in their order.
#[derive(Serialize, JsonSchema)]
pub(super) struct EventList {
    /// The events; one that repeats is there once for each of its times.
    events: Vec<Event>,
    /// How many there are in the span of time, with those beyond the limit.
    total: usize,
    /// Where the span of time starts.
    from: String,
    /// Where it ends.
    to: String,
    /// What is missing, and how to get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// What events have to be like.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub(super) min_attendees: usize,
    pub(super) min_minutes: i64,
    pub(super) categories: Vec<String>,
    pub(super) status: Option<String>,
    pub(super) title: Option<String>,
    pub(super) location: Option<String>,
}

impl Wanted {
    /// Whether an event that lasts so many minutes is wanted.
    pub(super) fn matches(&self, event: &Event, minutes: i64) -> bool {
        let contains = |text: Option<&str>, wanted: &Option<String>| match wanted {
            None => true,
            Some(wanted) => text.is_some_and(|text| text.to_lowercase().contains(wanted)),
        };
        let status = event.status.as_deref().unwrap_or("CONFIRMED");
        let is_in = |wanted: &String| {
            let mut categories = event.categories.iter();
            categories.any(|category| category.to_lowercase() == *wanted)
        };
        event.attendees.len() >= self.min_attendees
            && minutes >= self.min_minutes
            && (self.categories.is_empty() || self.categories.iter().any(is_in))
            && self.status.as_deref().is_none_or(|wanted| wanted == status)
            && contains(Some(&event.title), &self.title)
            && contains(event.location.as_deref(), &self.location)
    }

    /// The words of a caller, in lower case where case does not matter.
    pub(super) fn new(
        title: Option<&str>,
        location: Option<&str>,
        categories: Option<&str>,
        status: Option<&str>,
    ) -> Self {
        let lower = |text: Option<&str>| {
            let text = text.map(str::trim).filter(|text| !text.is_empty());
            text.map(str::to_lowercase)
        };
        Self {
            title: lower(title),
            location: lower(location),
            categories: words(categories.unwrap_or_default())
                .map(str::to_lowercase)
                .collect(),
            status: lower(status).map(|status| status.to_uppercase()),
            ..Self::default()
        }
    }
}

pub(super) async fn list(client: Client, arguments: ListArguments) -> Result<EventList, ToolError> {
    let home = store::home(&client).await;
    let window = window(
        &arguments.start_date,
        &arguments.end_date,
        now(&client),
        &home,
    )?;
    let wanted = Wanted {
        min_attendees: arguments.min_attendees.unwrap_or_default(),
        min_minutes: arguments.min_duration_minutes.unwrap_or_default(),
        ..Wanted::new(
            arguments.title_contains.as_deref(),
            arguments.location_contains.as_deref(),
            arguments.categories.as_deref(),
            arguments.status.as_deref(),
        )
    };
    let calendar = Some(arguments.calendar_name.as_str())
        .filter(|name| !name.is_empty() && !arguments.search_all_calendars);
    answer(&client, calendar, window, &wanted, arguments.limit, &home).await
}

pub(super) async fn upcoming(
    client: Client,
    arguments: UpcomingArguments,
) -> Result<EventList, ToolError> {
    let home = store::home(&client).await;
    let from = now(&client);
    let length = (i64::from(arguments.days_ahead) * DAY).clamp(DAY, LONGEST);
    let window = Window {
        from,
        to: from.saturating_add(length),
    };
    let calendar = Some(arguments.calendar_name.as_str()).filter(|name| !name.is_empty());
    let wanted = Wanted::default();
    answer(&client, calendar, window, &wanted, arguments.limit, &home).await
}

async fn answer(
    client: &Client,
    calendar: Option<&str>,
    window: Window,
    wanted: &Wanted,
    limit: usize,
    home: &Zone,
) -> Result<EventList, ToolError> {
    let mut found: Vec<(i64, Event)> = Vec::new();
    for one in objects(client, calendar, window).await? {
        for time in occurrences(&one.object, Kind::Event, window, home) {
            let event = Event::at(&one.stored, &one.object, &time);
            if wanted.matches(&event, (time.to - time.from) / 60) {
                found.push((time.from, event));
            }
        }
    }
    found.sort_by_key(|(from, _)| *from);
    let (total, limit) = (found.len(), limit.clamp(1, MOST));
    let rest = found.get(limit).map(|(_, event)| {
        format!(
            "{} more: ask again with start_date \"{}\", with a higher limit (up to {MOST}), or \
             with narrower conditions.",
            total - limit,
            event.start_datetime
        )
    });
    found.truncate(limit);
    Ok(EventList {
        events: found.into_iter().map(|(_, event)| event).collect(),
        total,
        from: When::at(window.from, home).iso(),
        to: When::at(window.to, home).iso(),
        note: rest,
    })
}

/// The span of time between two dates of a caller.
pub(super) fn window(start: &str, end: &str, now: i64, home: &Zone) -> Result<Window, ToolError> {
    let read = |text: &str| match text.trim() {
        "" => Ok(None),
        text => When::read(text, home).map(Some),
    };
    let today = When::Date(home.local(now).date());
    // The last day counts.
    let end = read(end)?.map(|end| if end.is_date() { end.plus(DAY) } else { end });
    let from = match (read(start)?, &end) {
        (Some(start), _) => start,
        (None, Some(end)) if end.instant(home) <= today.instant(home) => end.plus(-DAYS * DAY),
        (None, _) => today,
    };
    let to = end.unwrap_or_else(|| from.plus(DAYS * DAY));
    let window = Window {
        from: from.instant(home),
        to: to.instant(home),
    };
    if window.to <= window.from {
        return Err(ToolError::invalid(format!(
            "The end {} is not after the start {}. Correct one of them.",
            to.iso(),
            from.iso()
        )));
    }
    if window.to - window.from > LONGEST {
        return Err(ToolError::invalid(
            "That span of time is longer than ten years. Ask for a shorter one.",
        ));
    }
    Ok(window)
}

/// The events of one calendar, or of all, that happen in a span of time.
async fn objects(
    client: &Client,
    calendar: Option<&str>,
    window: Window,
) -> Result<Vec<Found>, ToolError> {
    let names = match calendar {
        Some(name) => vec![name.to_owned()],
        None => names(client, Kind::Event, Access::Read).await?,
    };
    objects_of(client, names, window).await
}

/// The events of these calendars that happen in a span of time.
pub(super) async fn objects_of(
    client: &Client,
    calendars: Vec<String>,
    window: Window,
) -> Result<Vec<Found>, ToolError> {
    let filter = Filter {
        component: Kind::Event.component(),
        range: Some((window.from, window.to)),
        property: None,
    };
    query(client, calendars, filter).await
}

/// What calendars are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

/// The names of the user's calendars that may hold such things.
pub(super) async fn names(
    client: &Client,
    kind: Kind,
    access: Access,
) -> Result<Vec<String>, ToolError> {
    let calendars = client.calendars().await.about(&CALENDARS)?;
    let usable = |one: &Calendar| {
        one.kind == CalendarKind::Calendar
            && (one.components.is_empty() || one.holds(kind.component()))
            && (access == Access::Read || one.is_writable)
    };
    let names = calendars.into_iter().filter(usable).map(|one| one.name);
    Ok(names.collect())
}

/// What matches in these calendars.
pub(super) async fn query(
    client: &Client,
    calendars: Vec<String>,
    filter: Filter<'_>,
) -> Result<Vec<Found>, ToolError> {
    let answers: Vec<Vec<Found>> = stream::iter(calendars)
        .map(|name| async move {
            let objects = client.calendar_query(&name, filter).await;
            let objects = objects.about(&about_calendar(&name))?;
            // What is no calendar text cannot be shown; its owner sees it in the app.
            Ok::<_, ToolError>(objects.into_iter().filter_map(Found::new).collect())
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(answers.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zone {
        Zone::named("Europe/Berlin").expect("zone")
    }

    fn spans(start: &str, end: &str) -> Result<(String, String), ToolError> {
        let now = When::read("2026-11-21T10:00", &berlin())
            .expect("time")
            .instant(&berlin());
        let window = window(start, end, now, &berlin())?;
        let show = |instant| When::at(instant, &berlin()).iso();
        Ok((show(window.from), show(window.to)))
    }

    #[test]
    fn a_span_of_time_is_always_bounded() {
        for (start, end, from, to) in [
            (
                "",
                "",
                "2026-11-21T00:00:00+01:00",
                "2026-12-22T00:00:00+01:00",
            ),
            (
                "2026-07-01",
                "2026-07-01",
                "2026-07-01T00:00:00+02:00",
                "2026-07-02T00:00:00+02:00",
            ),
            (
                "2026-12-01T09:00",
                "2026-12-01T10:00",
                "2026-12-01T09:00:00+01:00",
                "2026-12-01T10:00:00+01:00",
            ),
            (
                "",
                "2026-01-31",
                "2026-01-01T00:00:00+01:00",
                "2026-02-01T00:00:00+01:00",
            ),
        ] {
            assert_eq!(
                spans(start, end).expect(start),
                (from.to_owned(), to.to_owned())
            );
        }
        assert!(spans("2026-12-02", "2026-12-01").is_err());
        assert!(spans("1990-01-01", "2026-12-01").is_err());
        assert!(spans("soon", "").is_err());
    }
}
