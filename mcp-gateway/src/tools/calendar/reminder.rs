//! Reminders of events and tasks (VALARM, RFC 5545 §3.6.6).

use calcard::icalendar::{
    ICalendarComponent, ICalendarComponentType, ICalendarParameterName, ICalendarParameterValue,
    ICalendarProperty, ICalendarRelated, ICalendarValue,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    object::{Kind, Object, text},
    when::When,
    zone::Zone,
};
use crate::{
    error::ToolError,
    tools::content_line::{Component, Line},
};

/// What a reminder does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Action {
    /// A message on the screen.
    #[default]
    Display,
    /// An e-mail to the user.
    Email,
    /// A sound.
    Audio,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Display => "DISPLAY",
            Self::Email => "EMAIL",
            Self::Audio => "AUDIO",
        }
    }
}

/// What a reminder counts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Related {
    /// The start.
    #[default]
    Start,
    /// The end, or when a task is due.
    End,
}

/// A reminder. Give exactly one of `minutes_before`, `trigger_at` and `trigger`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Reminder {
    /// What it does.
    #[serde(default)]
    pub(super) action: Action,
    /// How many minutes before the start (or the end, see `related`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) minutes_before: Option<u32>,
    /// A fixed time, such as "2026-12-01T09:00:00".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trigger_at: Option<String>,
    /// A duration of iCalendar, such as "-P1D" for a day before or "PT5M" for five minutes after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trigger: Option<String>,
    /// What the time counts from.
    #[serde(default, skip_serializing_if = "is_start")]
    pub(super) related: Related,
    /// The text of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    /// The subject of the e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_start(related: &Related) -> bool {
    *related == Related::Start
}

/// What the reminders of one event or task share.
pub(super) struct Reminded<'a> {
    /// Its title, which is the text of a reminder without one.
    pub(super) title: &'a str,
    /// What it is: a task counts from when it is due unless it has a start.
    pub(super) kind: Kind,
    /// Whether it has a start to count from.
    pub(super) has_start: bool,
    /// The user's address, for e-mails.
    pub(super) email: Option<&'a str>,
    /// The zone of fixed times.
    pub(super) zone: &'a Zone,
}

impl Reminder {
    /// One this many minutes before the start.
    pub(super) fn before(minutes: u32, action: Action) -> Self {
        Self {
            action,
            minutes_before: Some(minutes),
            ..Self::default()
        }
    }

    /// The reminder as a component.
    pub(super) fn component(&self, about: &Reminded<'_>) -> Result<Component, ToolError> {
        let mut alarm = Component::new("VALARM");
        alarm.set("ACTION", [Line::new("ACTION").raw(self.action.name())]);
        alarm.set("TRIGGER", [self.trigger_line(about)?]);
        let description = self.description.as_deref().unwrap_or(about.title);
        if self.action != Action::Audio {
            alarm.set("DESCRIPTION", [Line::new("DESCRIPTION").text(description)]);
        }
        if self.action == Action::Email {
            let summary = self.summary.as_deref().unwrap_or(about.title);
            alarm.set("SUMMARY", [Line::new("SUMMARY").text(summary)]);
            let Some(email) = about.email else {
                return Err(ToolError::invalid(
                    "Nextcloud knows no e-mail address of this account, so it cannot send \
                     reminders by e-mail. Use the action DISPLAY, or let the user enter an address \
                     in the personal settings.",
                ));
            };
            let address = format!("mailto:{email}");
            alarm.set("ATTENDEE", [Line::new("ATTENDEE").raw(&address)]);
        }
        Ok(alarm)
    }

    fn trigger_line(&self, about: &Reminded<'_>) -> Result<Line, ToolError> {
        let related = if about.kind == Kind::Task && !about.has_start {
            Related::End
        } else {
            self.related
        };
        let relative = |value: &str| {
            let line = Line::new("TRIGGER");
            let line = match related {
                Related::Start => line,
                Related::End => line.param("RELATED", "END"),
            };
            line.raw(value)
        };
        match (&self.minutes_before, &self.trigger_at, &self.trigger) {
            (Some(minutes), None, None) => Ok(relative(&format!("-PT{minutes}M"))),
            (None, Some(time), None) => match When::read(time, about.zone)? {
                When::Date(_) => Err(ToolError::invalid(format!(
                    "The reminder at \"{time}\" needs a time of the day, such as \
                     \"{time}T09:00:00\"."
                ))),
                time @ (When::Floating(_) | When::Zoned(..)) => {
                    let time = When::at(time.instant(about.zone), &Zone::utc());
                    let line = Line::new("TRIGGER").param("VALUE", "DATE-TIME");
                    Ok(line.raw(&time.ical()))
                }
            },
            (None, None, Some(text)) if is_duration(text.trim()) => Ok(relative(text.trim())),
            (None, None, Some(text)) => Err(ToolError::invalid(format!(
                "\"{text}\" is no duration of iCalendar. Write \"-PT30M\" for half an hour before \
                 or \"-P1D\" for a day before, or use minutes_before."
            ))),
            _ => Err(ToolError::invalid(
                "Each reminder needs exactly one of minutes_before, trigger_at and trigger.",
            )),
        }
    }
}

/// Whether a text is a duration (RFC 5545 §3.3.6).
pub(super) fn is_duration(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-']);
    let Some(text) = text.strip_prefix('P') else {
        return false;
    };
    let (days, times) = text.split_once('T').unwrap_or((text, ""));
    let parts = |text: &str, units: &[char]| {
        let mut rest = text;
        let mut units = units.iter();
        while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()) {
            let unit = rest.get(end..).and_then(|rest| rest.chars().next());
            if end == 0 || end > 9 || !units.any(|one| Some(*one) == unit) {
                return false;
            }
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        rest.is_empty()
    };
    !(days.is_empty() && times.is_empty())
        && text.ends_with(|c: char| c.is_ascii_uppercase() && c != 'T')
        && parts(days, &['W', 'D'])
        && parts(times, &['H', 'M', 'S'])
}

/// The reminders of a component.
pub(super) fn reminders(object: &Object, component: &ICalendarComponent) -> Vec<Reminder> {
    let alarms = object
        .inside(component)
        .filter(|one| one.component_type == ICalendarComponentType::VAlarm);
    alarms.filter_map(|alarm| reminder(object, alarm)).collect()
}

fn reminder(object: &Object, alarm: &ICalendarComponent) -> Option<Reminder> {
    let action = match text(alarm, &ICalendarProperty::Action)?
        .to_uppercase()
        .as_str()
    {
        "EMAIL" => Action::Email,
        "AUDIO" => Action::Audio,
        _ => Action::Display,
    };
    let entry = alarm.property(&ICalendarProperty::Trigger)?;
    let is_end = entry
        .parameter(&ICalendarParameterName::Related)
        .is_some_and(|value| {
            matches!(
                value,
                ICalendarParameterValue::Related(ICalendarRelated::End)
            )
        });
    let mut reminder = Reminder {
        action,
        related: if is_end { Related::End } else { Related::Start },
        description: text(alarm, &ICalendarProperty::Description),
        summary: text(alarm, &ICalendarProperty::Summary),
        ..Reminder::default()
    };
    if let ICalendarValue::Duration(length) = entry.values.first()? {
        let seconds = length.as_seconds();
        match u32::try_from(-seconds / 60) {
            Ok(minutes) if seconds <= 0 && seconds % 60 == 0 => {
                reminder.minutes_before = Some(minutes);
            }
            Ok(_) | Err(_) => reminder.trigger = Some(length.to_string()),
        }
    } else {
        let time = When::first(entry, object.zones(), &Zone::utc())?;
        reminder.trigger_at = Some(time.iso());
    }
    Some(reminder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(zone: &Zone) -> Reminded<'_> {
        Reminded {
            title: "Plan, A",
            kind: Kind::Event,
            has_start: true,
            email: Some("alice@example.test"),
            zone,
        }
    }

    #[test]
    fn reminders_come_back_as_they_were_given() {
        let zone = Zone::named("Europe/Berlin").expect("zone");
        let given = [
            Reminder::before(30, Action::Display),
            Reminder {
                action: Action::Email,
                trigger: Some("PT5M".to_owned()),
                related: Related::End,
                summary: Some("Soon".to_owned()),
                ..Reminder::default()
            },
            Reminder {
                action: Action::Audio,
                trigger_at: Some("2026-12-01T08:00:00Z".to_owned()),
                ..Reminder::default()
            },
        ];
        let mut event = Component::new("VEVENT");
        for reminder in &given {
            event.push(reminder.component(&about(&zone)).expect("alarm"));
        }
        let mut calendar = Component::new("VCALENDAR");
        calendar.push(event);
        let object = Object::parse(&calendar.to_string()).expect("object");
        let read = reminders(&object, object.main(Kind::Event).expect("event"));
        let shape = |one: &Reminder| {
            let Reminder {
                action,
                minutes_before,
                trigger_at,
                trigger,
                related,
                ..
            } = one.clone();
            (action, minutes_before, trigger_at, trigger, related)
        };
        assert_eq!(
            read.iter().map(shape).collect::<Vec<_>>(),
            given.iter().map(shape).collect::<Vec<_>>()
        );
        assert_eq!(read[0].description.as_deref(), Some("Plan, A"));
        assert_eq!(read[1].summary.as_deref(), Some("Soon"));
        assert!(
            calendar
                .to_string()
                .contains("ATTENDEE:mailto:alice@example.test")
        );
    }

    #[test]
    fn a_reminder_says_when_in_one_way() {
        let zone = Zone::utc();
        let two = Reminder {
            trigger: Some("-PT5M".to_owned()),
            ..Reminder::before(5, Action::Display)
        };
        for bad in [
            two,
            Reminder::default(),
            Reminder {
                trigger: Some("5 minutes".to_owned()),
                ..Reminder::default()
            },
            Reminder {
                trigger_at: Some("2026-12-01".to_owned()),
                ..Reminder::default()
            },
        ] {
            assert!(bad.component(&about(&zone)).is_err(), "{bad:?}");
        }
        let without = Reminded {
            email: None,
            ..about(&zone)
        };
        assert!(
            Reminder::before(5, Action::Email)
                .component(&without)
                .is_err()
        );
    }

    #[test]
    fn durations_are_told_from_other_texts() {
        for text in ["-PT15M", "P1W", "-P1DT2H3M4S", "+PT0S"] {
            assert!(is_duration(text), "{text}");
        }
        for text in [
            "",
            "P",
            "PT",
            "15M",
            "-PT15",
            "PT5M3H",
            "P1DT",
            "PT5M\r\nX:1",
            "P1M",
        ] {
            assert!(!is_duration(text), "{text}");
        }
    }
}
