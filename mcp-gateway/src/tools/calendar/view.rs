//! Events and tasks as the tools show them.

use calcard::icalendar::{ICalendarComponent, ICalendarProperty};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    attendee::{Participant, attendees, organizer},
    object::{Kind, Object, number, text, texts},
    recurrence::{Occurrence, Window, occurrences, repeats},
    reminder::{Reminder, reminders},
    zone::Zone,
};
use crate::nextcloud::CalendarObject;

/// An event, or one time of an event that repeats.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Event {
    /// The event's id, which the other tools take as `event_uid`.
    pub(super) uid: String,
    /// The name of the calendar.
    pub(super) calendar_name: String,
    /// The title.
    pub(super) title: String,
    /// The start: a date, or a time with its offset (without one if it is the same on every wall).
    pub(super) start_datetime: String,
    /// The end; of an event of whole days, the day after the last one.
    pub(super) end_datetime: String,
    /// Whether it lasts whole days.
    pub(super) all_day: bool,
    /// The time zone of the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) timezone: Option<String>,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// The place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) location: Option<String>,
    /// CONFIRMED, TENTATIVE or CANCELLED.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<String>,
    /// The priority from 1, the highest, to 9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) priority: Option<i64>,
    /// PUBLIC, PRIVATE or CONFIDENTIAL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) privacy: Option<String>,
    /// A link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    /// The colour, a name of CSS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) color: Option<String>,
    /// The categories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) categories: Vec<String>,
    /// Whether it repeats.
    pub(super) recurring: bool,
    /// How it repeats, a rule of iCalendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recurrence_rule: Option<String>,
    /// Which time of the series this is: its start before it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recurrence_id: Option<String>,
    /// How many times of the series were changed on their own.
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) exceptions: usize,
    /// Who invites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organizer: Option<Participant>,
    /// Who is invited.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attendees: Vec<Participant>,
    /// The reminders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reminders: Vec<Reminder>,
    /// Where it is stored.
    pub(super) href: String,
    /// The version; pass it as `etag` to change this version and no other.
    pub(super) etag: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Event {
    /// The event itself: the series when it repeats.
    pub(super) fn whole(stored: &CalendarObject, object: &Object, home: &Zone) -> Option<Self> {
        let component = object.main(Kind::Event)?;
        let (start, end) = object.span(component, Kind::Event, home)?;
        let (from, to) = (start.instant(home), end.instant(home));
        let original = object.time(component, &ICalendarProperty::RecurrenceId, home);
        let one = Occurrence {
            component,
            start,
            end,
            original,
            from,
            to,
        };
        Some(Self::at(stored, object, &one))
    }

    /// The event at one of its times.
    pub(super) fn at(stored: &CalendarObject, object: &Object, one: &Occurrence<'_>) -> Self {
        let component = one.component;
        let get = |name| text(component, &name);
        let series = object.series(Kind::Event);
        Self {
            uid: get(ICalendarProperty::Uid).unwrap_or_default(),
            calendar_name: stored.calendar.clone(),
            title: get(ICalendarProperty::Summary).unwrap_or_default(),
            start_datetime: one.start.iso(),
            end_datetime: one.end.iso(),
            all_day: one.start.is_date(),
            timezone: one.start.zone().map(|zone| zone.id().to_owned()),
            description: get(ICalendarProperty::Description),
            location: get(ICalendarProperty::Location),
            status: get(ICalendarProperty::Status),
            priority: number(component, &ICalendarProperty::Priority).filter(|&one| one > 0),
            privacy: get(ICalendarProperty::Class),
            url: get(ICalendarProperty::Url),
            color: get(ICalendarProperty::Color),
            categories: texts(component, &ICalendarProperty::Categories),
            recurring: series.is_some_and(repeats) || component.is_recurrence_override(),
            recurrence_rule: series.and_then(|series| text(series, &ICalendarProperty::Rrule)),
            recurrence_id: one.original.as_ref().map(super::when::When::iso),
            exceptions: object.exceptions(Kind::Event).count(),
            organizer: organizer(component),
            attendees: attendees(component),
            reminders: reminders(object, component),
            href: stored.href.clone(),
            etag: stored.etag.clone(),
        }
    }
}

/// A task.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Task {
    /// The task's id, which the other tools take as `todo_uid`.
    pub(super) uid: String,
    /// The name of the calendar.
    pub(super) calendar_name: String,
    /// What is to be done.
    pub(super) summary: String,
    /// The description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// NEEDS-ACTION, IN-PROCESS, COMPLETED or CANCELLED.
    pub(super) status: String,
    /// The priority from 1, the highest, to 9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) priority: Option<i64>,
    /// How much of it is done, in percent.
    pub(super) percent_complete: i64,
    /// When it is due: a date, or a time with its offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) due: Option<String>,
    /// When work on it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dtstart: Option<String>,
    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completed: Option<String>,
    /// The categories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) categories: Vec<String>,
    /// How it repeats, a rule of iCalendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recurrence_rule: Option<String>,
    /// When a task that repeats is due next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_due: Option<String>,
    /// The id of the task that this one is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent_uid: Option<String>,
    /// The reminders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reminders: Vec<Reminder>,
    /// Where it is stored.
    pub(super) href: String,
    /// The version; pass it as `etag` to change this version and no other.
    pub(super) etag: String,
}

/// How far the next time of a task that repeats is looked for, in seconds: some ten years.
const NEXT: i64 = 10 * 366 * super::when::DAY;

impl Task {
    /// The task in an object; `now` decides which of its times is next.
    pub(super) fn read(
        stored: &CalendarObject,
        object: &Object,
        home: &Zone,
        now: i64,
    ) -> Option<Self> {
        let component = object.main(Kind::Task)?;
        let get = |name| text(component, &name);
        let time = |name| {
            let time = object.time(component, &name, home)?;
            Some(time.iso())
        };
        let completed = time(ICalendarProperty::Completed);
        let percent = number(component, &ICalendarProperty::PercentComplete);
        let status = get(ICalendarProperty::Status).unwrap_or_else(|| {
            let is_done = completed.is_some() || percent == Some(100);
            let status = if is_done { "COMPLETED" } else { "NEEDS-ACTION" };
            status.to_owned()
        });
        let next_due = repeats(component).then(|| {
            let window = Window {
                from: now,
                to: now.saturating_add(NEXT),
            };
            let next = occurrences(object, Kind::Task, window, home);
            next.first().map(|one| one.end.iso())
        });
        let parent = component.property(&ICalendarProperty::RelatedTo);
        Some(Self {
            uid: get(ICalendarProperty::Uid).unwrap_or_default(),
            calendar_name: stored.calendar.clone(),
            summary: get(ICalendarProperty::Summary).unwrap_or_default(),
            description: get(ICalendarProperty::Description),
            percent_complete: percent.unwrap_or(if status == "COMPLETED" { 100 } else { 0 }),
            status,
            priority: number(component, &ICalendarProperty::Priority).filter(|&one| one > 0),
            due: time(ICalendarProperty::Due),
            dtstart: time(ICalendarProperty::Dtstart),
            completed,
            categories: texts(component, &ICalendarProperty::Categories),
            recurrence_rule: get(ICalendarProperty::Rrule),
            next_due: next_due.flatten(),
            parent_uid: parent.and_then(|entry| Some(entry.values.first()?.as_text()?.to_owned())),
            reminders: reminders(object, component),
            href: stored.href.clone(),
            etag: stored.etag.clone(),
        })
    }
}

/// The id of what an object is about.
pub(super) fn uid(object: &Object, kind: Kind) -> Option<&str> {
    object.main(kind).and_then(ICalendarComponent::uid)
}
