//! Changing single properties of a stored object and leaving everything else as it is.

use calcard::icalendar::{ICalendarProperty, ICalendarRecurrenceRule, ICalendarValue};
use chrono::NaiveTime;

use super::{
    object::{Kind, Object},
    when::{DAY, When},
    zone::{Zone, Zones},
};
use crate::{
    error::ToolError,
    nextcloud::utc_stamp,
    tools::content_line::{Component, Line},
};

/// Who made the objects that are new.
const PRODUCT: &str = "-//MCP Token Broker//Nextcloud tools//EN";

/// An object while it is changed.
pub(super) struct Draft {
    calendar: Component,
    kind: Kind,
}

impl Draft {
    /// A new object with an event or a task that says only which it is.
    pub(super) fn new(kind: Kind, uid: &str, now: i64) -> Self {
        let mut calendar = Component::new("VCALENDAR");
        calendar.set("VERSION", [Line::new("VERSION").raw("2.0")]);
        calendar.set("PRODID", [Line::new("PRODID").raw(PRODUCT)]);
        let mut part = Component::new(kind.component());
        part.set("UID", [Line::new("UID").text(uid)]);
        for name in ["DTSTAMP", "CREATED"] {
            part.set(name, [Line::new(name).raw(&utc_stamp(now))]);
        }
        calendar.push(part);
        Self { calendar, kind }
    }

    /// An object that is there already.
    pub(super) fn of(object: &Object, kind: Kind) -> Self {
        Self {
            calendar: object.raw().clone(),
            kind,
        }
    }

    /// The event or task itself: not an exception of the series, unless that is all there is.
    pub(super) fn part(&mut self) -> Result<&mut Component, ToolError> {
        let name = self.kind.component();
        let has_series = self.calendar.components().any(|one| is_series(one, name));
        let mut parts = self.calendar.components_mut();
        parts
            .find(|one| one.name() == name && (!has_series || is_series(one, name)))
            .ok_or_else(unreadable)
    }

    /// Sets a property to a text; an empty one removes it.
    pub(super) fn text(&mut self, name: &str, text: &str) -> Result<(), ToolError> {
        let line = (!text.is_empty()).then(|| Line::new(name).text(text));
        self.part()?.set(name, line);
        Ok(())
    }

    /// Sets a property to a value with a syntax of its own; an empty one removes it.
    pub(super) fn raw(&mut self, name: &str, value: &str) -> Result<(), ToolError> {
        let line = (!value.is_empty()).then(|| Line::new(name).raw(value));
        self.part()?.set(name, line);
        Ok(())
    }

    /// Sets a property to a point in time, or removes it.
    pub(super) fn time(&mut self, name: &str, time: Option<&When>) -> Result<(), ToolError> {
        self.part()?.set(name, time.map(|time| time.line(name)));
        Ok(())
    }

    /// Sets the categories; nothing removes them.
    pub(super) fn categories(&mut self, text: &str) -> Result<(), ToolError> {
        let names: Vec<&str> = words(text).collect();
        let line = (!names.is_empty()).then(|| Line::new("CATEGORIES").texts(names));
        self.part()?.set("CATEGORIES", line);
        Ok(())
    }

    /// Replaces all reminders.
    pub(super) fn alarms(&mut self, alarms: Vec<Component>) -> Result<(), ToolError> {
        let part = self.part()?;
        part.retain_components(|one| one.name() != "VALARM");
        for alarm in alarms {
            part.push(alarm);
        }
        Ok(())
    }

    /// Defines the zones that these times use, as far as the object does not yet.
    pub(super) fn define_zones(&mut self, times: &[&When], to: i64) {
        for zone in times.iter().filter_map(|time| time.zone()) {
            let is_defined = self.calendar.components().any(|one| {
                let id = one.line("TZID").map(Line::value);
                one.name() == "VTIMEZONE" && id.as_deref() == Some(zone.id())
            });
            let from = times.iter().map(|time| time.instant(zone)).min();
            let from = from.unwrap_or_default().saturating_sub(DAY);
            if !is_defined && let Some(definition) = zone.definition(from, to.max(from + 400 * DAY))
            {
                self.calendar.push_first(definition);
            }
        }
    }

    /// Makes the event one that does not repeat: rule, additions and exceptions go.
    pub(super) fn make_single(&mut self) -> Result<(), ToolError> {
        let part = self.part()?;
        for name in ["RRULE", "RDATE", "EXDATE", "EXRULE"] {
            part.remove(name);
        }
        let name = self.kind.component();
        if self.calendar.components().any(|one| is_series(one, name)) {
            self.calendar
                .retain_components(|one| one.name() != name || is_series(one, name));
        }
        Ok(())
    }

    /// Ends the rule of a series at a time, whatever ended it before; nothing makes it endless.
    pub(super) fn end_rule(&mut self, until: Option<&str>) -> Result<(), ToolError> {
        let part = self.part()?;
        let Some(line) = part.line("RRULE") else {
            return Err(ToolError::invalid(
                "This does not repeat, so there is no series to end. Give a recurrence_rule such \
                 as \"FREQ=WEEKLY\" as well.",
            ));
        };
        let value = line.value();
        let is_end = |part: &&str| {
            let name = part.split('=').next().unwrap_or_default();
            !matches!(name.trim().to_ascii_uppercase().as_str(), "UNTIL" | "COUNT")
        };
        let mut parts: Vec<&str> = value.split(';').filter(is_end).collect();
        let until = until.map(|until| format!("UNTIL={until}"));
        parts.extend(until.as_deref());
        let line = line.with_value(&parts.join(";"));
        part.set("RRULE", [line]);
        Ok(())
    }

    /// Moves what is cancelled, added or changed in a series along with its start.
    pub(super) fn shift_exceptions(
        &mut self,
        object: &Object,
        old: &When,
        new: &When,
        home: &Zone,
    ) -> Result<(), ToolError> {
        let shift = Shift {
            old,
            new,
            home,
            zones: object.zones(),
        };
        let Some(series) = object.series(self.kind) else {
            return Ok(());
        };
        for (property, name) in [
            (ICalendarProperty::Exdate, "EXDATE"),
            (ICalendarProperty::Rdate, "RDATE"),
        ] {
            let mut lines = Vec::new();
            for entry in series.properties(&property) {
                for value in &entry.values {
                    if matches!(value, ICalendarValue::Period(_)) {
                        return Err(immovable());
                    }
                    let time = value
                        .as_partial_date_time()
                        .and_then(|time| When::stored(time, entry, shift.zones, home));
                    if let Some(time) = time {
                        lines.push(shift.moved(&time)?.line(name));
                    }
                }
            }
            if !lines.is_empty() {
                self.part()?.set(name, lines);
            }
        }
        let exceptions: Vec<_> = object
            .exceptions(self.kind)
            .map(|one| object.time(one, &ICalendarProperty::RecurrenceId, home))
            .collect();
        let name = self.kind.component();
        let parts = self.calendar.components_mut();
        let parts = parts.filter(|one| one.name() == name && one.line("RECURRENCE-ID").is_some());
        for (part, time) in parts.zip(exceptions) {
            if let Some(time) = time {
                part.set("RECURRENCE-ID", [shift.moved(&time)?.line("RECURRENCE-ID")]);
            }
        }
        Ok(())
    }

    /// Notes when the object was changed, and that it is a newer revision if others should know.
    pub(super) fn stamp(&mut self, now: i64, is_revision: bool) -> Result<(), ToolError> {
        let part = self.part()?;
        for name in ["DTSTAMP", "LAST-MODIFIED"] {
            part.set(name, [Line::new(name).raw(&utc_stamp(now))]);
        }
        if is_revision {
            let sequence = part.line("SEQUENCE").map(Line::value);
            let sequence = sequence.and_then(|text| text.trim().parse::<u32>().ok());
            let next = sequence.unwrap_or_default().saturating_add(1).to_string();
            part.set("SEQUENCE", [Line::new("SEQUENCE").raw(&next)]);
        }
        Ok(())
    }

    /// The text to store.
    pub(super) fn finish(self) -> String {
        self.calendar.to_string()
    }
}

fn is_series(component: &Component, name: &str) -> bool {
    component.name() == name && component.line("RECURRENCE-ID").is_none()
}

/// How the times of a series move when its start does.
struct Shift<'a> {
    old: &'a When,
    new: &'a When,
    home: &'a Zone,
    zones: &'a Zones,
}

impl Shift<'_> {
    fn moved(&self, time: &When) -> Result<When, ToolError> {
        let delta = self.new.local() - self.old.local();
        let local = match (time, self.old) {
            (When::Date(day), When::Date(_)) => day.and_time(NaiveTime::MIN),
            (When::Zoned(..), When::Zoned(_, zone)) => zone.local(time.instant(self.home)),
            (When::Floating(local), When::Floating(_)) => *local,
            _ => return Err(immovable()),
        };
        if !self.new.is_like(self.old) {
            return Err(immovable());
        }
        let local = local.checked_add_signed(delta).ok_or_else(immovable)?;
        Ok(self.new.with_local(local))
    }
}

fn immovable() -> ToolError {
    ToolError::invalid(
        "Some times of this series were changed or cancelled on their own, and it cannot be told \
         which ones they would be after this change. Change what else you want, or create a new \
         series and delete this one.",
    )
}

/// What is stored is no event or task that can be changed safely.
pub(super) fn unreadable() -> ToolError {
    ToolError::failed(
        "What is stored there is no calendar entry that this server understands, so it was left as \
         it is. The user can open it in the Calendar app.",
    )
}

/// The end of a rule as iCalendar writes it (RFC 5545 §3.3.10): a day for a series of days, else
/// the end of that day, or the time given.
pub(super) fn rule_end(end: &When, start: &When, home: &Zone) -> String {
    if start.is_date() {
        return end.local().format("%Y%m%d").to_string();
    }
    let local = if end.is_date() {
        let last = NaiveTime::from_hms_opt(23, 59, 59).unwrap_or_default();
        end.local().date().and_time(last)
    } else {
        end.local()
    };
    match start {
        When::Zoned(_, zone) if end.is_date() => utc_stamp(zone.instant(local)),
        When::Zoned(..) => utc_stamp(end.instant(home)),
        When::Floating(_) | When::Date(_) => local.format("%Y%m%dT%H%M%S").to_string(),
    }
}

/// A rule as it is stored.
pub(super) fn rule_text(rule: &ICalendarRecurrenceRule) -> String {
    rule.to_string()
}

/// The parts of a text that is separated by commas.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// One of the words that a property knows, in upper case.
pub(super) fn one_of(name: &str, text: &str, known: &[&str]) -> Result<String, ToolError> {
    let word = text.trim().to_ascii_uppercase();
    if word.is_empty() || known.contains(&word.as_str()) {
        return Ok(word);
    }
    Err(ToolError::invalid(format!(
        "\"{text}\" is no {name}. It is one of {}.",
        known.join(", ")
    )))
}

/// A priority: 0 for none, 1 the highest, 9 the lowest.
pub(super) fn priority(number: i64) -> Result<String, ToolError> {
    if (0..=9).contains(&number) {
        return Ok(number.to_string());
    }
    Err(ToolError::invalid(format!(
        "{number} is no priority. It is 1 (the highest) to 9, or 0 for none."
    )))
}

#[cfg(test)]
mod tests;
