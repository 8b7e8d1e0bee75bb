//! What the tools for events take.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::reminder::Reminder;

#[derive(Deserialize, JsonSchema)]
pub(in super::super) struct CreateArguments {
    /// The name of the calendar, as `nc_calendar_list_calendars` shows it.
    pub(super) calendar_name: String,
    /// The title.
    pub(super) title: String,
    /// The start: "2026-12-01T09:00:00" in `timezone`, a time with an offset, or a date when
    /// `all_day` is true.
    pub(super) start_datetime: String,
    /// The end, written like the start; for whole days the day after the last one. An hour, or
    /// one day, after the start unless given.
    #[serde(default)]
    pub(super) end_datetime: String,
    /// Whether it lasts whole days.
    #[serde(default)]
    pub(super) all_day: bool,
    /// The description.
    #[serde(default)]
    pub(super) description: String,
    /// The place.
    #[serde(default)]
    pub(super) location: String,
    /// Categories, separated by commas.
    #[serde(default)]
    pub(super) categories: String,
    /// Whether it repeats; a rule says so too.
    #[serde(default)]
    pub(super) recurring: Option<bool>,
    /// How it repeats, a rule of iCalendar such as "FREQ=WEEKLY;BYDAY=MO,WE".
    #[serde(default)]
    pub(super) recurrence_rule: String,
    /// The last day on which it may repeat, such as "2026-12-31".
    #[serde(default)]
    pub(super) recurrence_end_date: String,
    /// How many minutes before the start to remind; 0 for not at all.
    #[serde(default = "fifteen")]
    pub(super) reminder_minutes: u32,
    /// Whether to remind by e-mail as well.
    #[serde(default)]
    pub(super) reminder_email: bool,
    /// CONFIRMED, TENTATIVE or CANCELLED.
    #[serde(default = "confirmed")]
    pub(super) status: String,
    /// The priority from 1, the highest, to 9; 0 for none.
    #[serde(default = "five")]
    pub(super) priority: i64,
    /// PUBLIC, PRIVATE or CONFIDENTIAL: what people see with whom the calendar is shared.
    #[serde(default = "public")]
    pub(super) privacy: String,
    /// The e-mail addresses of who is invited, separated by commas. Nextcloud sends invitations.
    #[serde(default)]
    pub(super) attendees: String,
    /// A link.
    #[serde(default)]
    pub(super) url: String,
    /// The colour: a name of CSS, or "#RRGGBB" for the name nearest to it.
    #[serde(default)]
    pub(super) color: String,
    /// The time zone of the times, such as "Europe/Berlin"; the user's unless given.
    #[serde(default)]
    pub(super) timezone: String,
    /// Several reminders, or other ones; then `reminder_minutes` and `reminder_email` do not count.
    #[serde(default)]
    pub(super) reminders: Option<Vec<Reminder>>,
}

pub(super) fn fifteen() -> u32 {
    15
}

pub(super) fn five() -> i64 {
    5
}

pub(super) fn confirmed() -> String {
    "CONFIRMED".to_owned()
}

pub(super) fn public() -> String {
    "PUBLIC".to_owned()
}

#[derive(Deserialize, JsonSchema)]
pub(in super::super) struct MeetingArguments {
    /// The title.
    pub(super) title: String,
    /// The day, such as "2026-12-01".
    pub(super) date: String,
    /// When it starts, such as "14:00", in the user's time zone.
    pub(super) time: String,
    /// How many minutes it lasts.
    #[serde(default = "sixty")]
    pub(super) duration_minutes: u32,
    /// The name of the calendar.
    #[serde(default = "personal")]
    pub(super) calendar_name: String,
    /// The e-mail addresses of who is invited, separated by commas. Nextcloud sends invitations.
    #[serde(default)]
    pub(super) attendees: String,
    /// The place.
    #[serde(default)]
    pub(super) location: String,
    /// The description.
    #[serde(default)]
    pub(super) description: String,
    /// How many minutes before the start to remind; 0 for not at all.
    #[serde(default = "fifteen")]
    pub(super) reminder_minutes: u32,
}

pub(super) fn sixty() -> u32 {
    60
}

pub(super) fn personal() -> String {
    "personal".to_owned()
}

#[derive(Deserialize, JsonSchema)]
pub(in super::super) struct EventArguments {
    /// The name of the calendar, as `nc_calendar_list_calendars` shows it.
    pub(super) calendar_name: String,
    /// The event's `uid`.
    pub(super) event_uid: String,
}

#[derive(Deserialize, JsonSchema)]
pub(in super::super) struct UpdateArguments {
    /// The name of the calendar, as `nc_calendar_list_calendars` shows it.
    pub(super) calendar_name: String,
    /// The event's `uid`.
    pub(super) event_uid: String,
    /// The new title.
    #[serde(default)]
    pub(super) title: Option<String>,
    /// The new start. The end moves along unless it is given too.
    #[serde(default)]
    pub(super) start_datetime: Option<String>,
    /// The new end; for whole days the day after the last one.
    #[serde(default)]
    pub(super) end_datetime: Option<String>,
    /// Whether it lasts whole days from now on.
    #[serde(default)]
    pub(super) all_day: Option<bool>,
    /// The new description.
    #[serde(default)]
    pub(super) description: Option<String>,
    /// The new place.
    #[serde(default)]
    pub(super) location: Option<String>,
    /// The new categories, separated by commas.
    #[serde(default)]
    pub(super) categories: Option<String>,
    /// False makes it an event that does not repeat; the changed times of the series go.
    #[serde(default)]
    pub(super) recurring: Option<bool>,
    /// The new rule, such as "FREQ=WEEKLY;BYDAY=MO,WE"; an empty text has the same effect as
    /// `recurring` false.
    #[serde(default)]
    pub(super) recurrence_rule: Option<String>,
    /// The last day on which it may repeat; an empty text makes the series endless.
    #[serde(default)]
    pub(super) recurrence_end_date: Option<String>,
    /// Replaces all reminders by one this many minutes before the start; 0 removes all.
    #[serde(default)]
    pub(super) reminder_minutes: Option<u32>,
    /// True adds a reminder by e-mail, false removes those by e-mail.
    #[serde(default)]
    pub(super) reminder_email: Option<bool>,
    /// CONFIRMED, TENTATIVE or CANCELLED.
    #[serde(default)]
    pub(super) status: Option<String>,
    /// The priority from 1, the highest, to 9; 0 for none.
    #[serde(default)]
    pub(super) priority: Option<i64>,
    /// PUBLIC, PRIVATE or CONFIDENTIAL.
    #[serde(default)]
    pub(super) privacy: Option<String>,
    /// All who are invited from now on, separated by commas; who stays keeps their answer.
    #[serde(default)]
    pub(super) attendees: Option<String>,
    /// The new link.
    #[serde(default)]
    pub(super) url: Option<String>,
    /// The new colour: a name of CSS, or "#RRGGBB" for the name nearest to it.
    #[serde(default)]
    pub(super) color: Option<String>,
    /// The time zone of the times that are given. Alone it moves the event into that zone without
    /// changing when it happens.
    #[serde(default)]
    pub(super) timezone: Option<String>,
    /// All reminders from now on; an empty list removes them.
    #[serde(default)]
    pub(super) reminders: Option<Vec<Reminder>>,
    /// The etag of the version that you read; the current version is changed unless given.
    #[serde(default)]
    pub(super) etag: String,
}
