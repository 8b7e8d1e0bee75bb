//! When people are free: the busy times of all, and the gaps that suit.

mod slots;

use std::collections::BTreeSet;

use calcard::icalendar::{
    ICalendar, ICalendarComponentType, ICalendarFreeBusyType, ICalendarParameterName,
    ICalendarParameterValue, ICalendarPeriod, ICalendarProperty, ICalendarValue,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::slots::{Hours, Preferences, Span};
use super::{
    attendee::{Participant, addresses},
    recurrence::Window,
    store::{self, CALENDARS, about_calendar, now},
    when::{DAY, When},
    zone::Zone,
};
use crate::{
    error::{Describe, ToolError},
    nextcloud::{Answerer, Calendar, Client, utc_stamp},
    tools::content_line::{Component, Line},
};

/// How many days are looked at unless the caller says.
const DAYS: i64 = 7;
/// The longest span of time of one question, in seconds.
const LONGEST: i64 = 62 * DAY;
/// The most slots of one answer.
const MOST: usize = 20;
/// How many calendars are asked at the same time.
const AT_ONCE: usize = 4;

#[derive(Deserialize, JsonSchema)]
pub(super) struct Arguments {
    /// How many minutes are needed.
    duration_minutes: u32,
    /// The e-mail addresses of who else has to be free, separated by commas; the user always has
    /// to.
    #[serde(default)]
    attendees: String,
    /// The first day or moment to look at; now unless given.
    #[serde(default)]
    date_range_start: String,
    /// The last day (it counts) or moment; a week after the start unless given.
    #[serde(default)]
    date_range_end: String,
    /// Whether only 9:00 to 17:00 in the user's time zone will do.
    #[serde(default = "yes")]
    business_hours_only: bool,
    /// Whether Saturdays and Sundays are left out.
    #[serde(default = "yes")]
    exclude_weekends: bool,
    /// Times of the day that come first, separated by commas: "morning", "afternoon", "evening",
    /// or from–to such as "09:00-11:30".
    #[serde(default)]
    preferred_times: String,
}

fn yes() -> bool {
    true
}

/// A time when everybody is free.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Slot {
    /// The start, in the user's time zone.
    start_datetime: String,
    /// The end.
    end_datetime: String,
    /// Whether it is at one of the preferred times.
    preferred: bool,
}

/// When everybody is free.
#[derive(Serialize, JsonSchema)]
pub(super) struct Availability {
    /// The slots: those at preferred times first, then the others, each in order.
    slots: Vec<Slot>,
    /// The user's time zone, in which all times are.
    timezone: String,
    /// Where the span of time starts that was looked at.
    from: String,
    /// Where it ends.
    to: String,
    /// Who was asked for, with the user.
    checked: Vec<String>,
    /// Attendees whose calendars this Nextcloud does not know, so they may be busy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_attendees: Vec<String>,
    /// What else is to be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

pub(super) async fn find(client: Client, arguments: Arguments) -> Result<Availability, ToolError> {
    if arguments.duration_minutes == 0 || arguments.duration_minutes > 24 * 60 {
        return Err(ToolError::invalid(
            "duration_minutes is a number from 1 to 1440.",
        ));
    }
    let preferences = Preferences::read(&arguments.preferred_times)?;
    let attendees = addresses(&arguments.attendees)?;
    let home = store::home(&client).await;
    let window = window(&arguments, now(&client), &home)?;
    let mut busy = own_busy(&client, window).await?;
    let mut checked = vec!["the user".to_owned()];
    let mut unknown_attendees = Vec::new();
    if !attendees.is_empty() {
        for answer in ask(&client, &attendees, window).await? {
            let address = answer.address.trim();
            let address = address
                .strip_prefix("mailto:")
                .unwrap_or(address)
                .to_owned();
            if answer.status.trim().starts_with("2.") {
                busy.extend(busy_times(&answer.text).unwrap_or_default());
                checked.push(address);
            } else {
                unknown_attendees.push(address);
            }
        }
        let answered: BTreeSet<String> = checked
            .iter()
            .chain(&unknown_attendees)
            .map(|address| address.to_lowercase())
            .collect();
        let silent = attendees.iter().map(|one| one.email.clone());
        unknown_attendees.extend(silent.filter(|one| !answered.contains(&one.to_lowercase())));
    }
    let hours = Hours {
        business_only: arguments.business_hours_only,
        exclude_weekends: arguments.exclude_weekends,
        preferences,
    };
    let length = i64::from(arguments.duration_minutes) * 60;
    let mut found = hours.slots(window, busy, length, &home);
    let total = found.len();
    found.truncate(MOST);
    let slots = found.iter().map(|slot| Slot {
        start_datetime: When::at(slot.from, &home).iso(),
        end_datetime: When::at(slot.from + length, &home).iso(),
        preferred: slot.is_preferred,
    });
    let note = if total == 0 {
        Some(
            "Nobody found a common gap. Try a longer span of time, a shorter meeting, or \
             business_hours_only and exclude_weekends set to false."
                .to_owned(),
        )
    } else {
        (total > MOST).then(|| format!("{} more slots: narrow the span of time.", total - MOST))
    };
    Ok(Availability {
        slots: slots.collect(),
        timezone: home.id().to_owned(),
        from: When::at(window.from, &home).iso(),
        to: When::at(window.to, &home).iso(),
        checked,
        unknown_attendees,
        note,
    })
}

fn window(arguments: &Arguments, now: i64, home: &Zone) -> Result<Window, ToolError> {
    let read = |text: &str| match text.trim() {
        "" => Ok(None),
        text => When::read(text, home).map(Some),
    };
    let start = read(&arguments.date_range_start)?.map(|start| start.instant(home));
    let start = start.unwrap_or(now);
    let end = read(&arguments.date_range_end)?;
    // The last day counts.
    let end = end.map(|end| if end.is_date() { end.plus(DAY) } else { end });
    let window = Window {
        // The past is over.
        from: start.max(now),
        to: end.map_or(start.max(now) + DAYS * DAY, |end| end.instant(home)),
    };
    if window.to <= window.from {
        return Err(ToolError::invalid(
            "That span of time is over, or its end is not after its start. Give dates in the \
             future.",
        ));
    }
    if window.to - window.from > LONGEST {
        return Err(ToolError::invalid(
            "That span of time is longer than two months. Ask for a shorter one.",
        ));
    }
    Ok(window)
}

/// When the user is busy, by their own calendars.
async fn own_busy(client: &Client, window: Window) -> Result<Vec<Span>, ToolError> {
    let calendars = client.calendars().await.about(&CALENDARS)?;
    // What others share shows when they are busy, not when the user is.
    let counts =
        |one: &Calendar| one.holds("VEVENT") && !one.is_transparent && one.shared_by.is_none();
    let own = calendars.into_iter().filter(counts).map(|one| one.name);
    let answers: Vec<Vec<Span>> = stream::iter(own)
        .map(|name| async move {
            let text = client.free_busy(&name, (window.from, window.to)).await;
            let text = text.about(&about_calendar(&name))?;
            busy_times(&text).ok_or_else(|| not_understood(&name))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(answers.into_iter().flatten().collect())
}

fn not_understood(name: &str) -> ToolError {
    ToolError::failed(format!(
        "Nextcloud's answer about the busy times of the calendar \"{name}\" could not be \
         understood. Look at the events with nc_calendar_list_events instead."
    ))
}

/// Asks when the attendees are busy.
async fn ask(
    client: &Client,
    attendees: &[Participant],
    window: Window,
) -> Result<Vec<Answerer>, ToolError> {
    let user = client.person().await.about(&CALENDARS)?;
    let Some(email) = user.email else {
        return Err(ToolError::failed(
            "Nextcloud knows no e-mail address of this account, so it cannot ask when others are \
             busy. Leave the attendees out, or let the user enter an address in the personal \
             settings.",
        ));
    };
    let mut question = Component::new("VFREEBUSY");
    for (name, value) in [
        ("UID", Uuid::new_v4().to_string()),
        ("DTSTAMP", utc_stamp(now(client))),
        ("DTSTART", utc_stamp(window.from)),
        ("DTEND", utc_stamp(window.to)),
        ("ORGANIZER", format!("mailto:{email}")),
    ] {
        question.set(name, [Line::new(name).raw(&value)]);
    }
    let lines = attendees
        .iter()
        .map(|one| Line::new("ATTENDEE").raw(&format!("mailto:{}", one.email)));
    question.set("ATTENDEE", lines);
    let mut calendar = Component::new("VCALENDAR");
    for (name, value) in [
        ("VERSION", "2.0"),
        ("PRODID", "-//MCP Token Broker//Nextcloud tools//EN"),
        ("METHOD", "REQUEST"),
    ] {
        calendar.set(name, [Line::new(name).raw(value)]);
    }
    calendar.push(question);
    client
        .ask_free_busy(calendar.to_string())
        .await
        .about(&CALENDARS)
}

/// The times in a VFREEBUSY at which somebody is not free; `None` when it is none.
fn busy_times(text: &str) -> Option<Vec<Span>> {
    let calendar = ICalendar::parse(text).ok()?;
    let mut components = calendar.components.iter();
    let answer = components.find(|one| one.component_type == ICalendarComponentType::VFreebusy)?;
    let mut busy = Vec::new();
    for entry in answer.properties(&ICalendarProperty::Freebusy) {
        let is_free = matches!(
            entry.parameter(&ICalendarParameterName::Fbtype),
            Some(ICalendarParameterValue::Fbtype(ICalendarFreeBusyType::Free))
        );
        if is_free {
            continue;
        }
        for value in &entry.values {
            let instant = |time: &calcard::common::PartialDateTime| {
                let zones = super::zone::Zones::default();
                let time = When::stored(time, entry, &zones, &Zone::utc())?;
                Some(time.instant(&Zone::utc()))
            };
            let ICalendarValue::Period(period) = value else {
                continue;
            };
            let span = match period {
                ICalendarPeriod::Range { start, end } => instant(start).zip(instant(end)),
                ICalendarPeriod::Duration { start, duration } => {
                    instant(start).map(|start| (start, start + duration.as_seconds()))
                }
            };
            busy.extend(span.map(|(from, to)| Span { from, to }));
        }
    }
    Some(busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_times_are_read_and_free_ones_are_not() {
        let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VFREEBUSY\r\n\
            FREEBUSY:20261203T110000Z/20261203T113000Z,20261203T120000Z/PT30M\r\n\
            FREEBUSY;FBTYPE=BUSY-TENTATIVE:20261203T130000Z/20261203T140000Z\r\n\
            FREEBUSY;FBTYPE=FREE:20261203T150000Z/20261203T160000Z\r\n\
            END:VFREEBUSY\r\nEND:VCALENDAR\r\n";
        let noon = When::read("2026-12-03T12:00Z", &Zone::utc()).expect("time");
        let noon = noon.instant(&Zone::utc());
        let busy = busy_times(text).expect("busy times");
        let relative: Vec<_> = busy
            .iter()
            .map(|span| ((span.from - noon) / 60, (span.to - noon) / 60))
            .collect();
        assert_eq!(relative, [(-60, -30), (0, 30), (60, 120)]);
        assert_eq!(busy_times("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"), None);
        assert_eq!(busy_times("garbage"), None);
    }
}
