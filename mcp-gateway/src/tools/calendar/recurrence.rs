//! When something happens: recurrence rules, additions, exceptions (RFC 5545 §3.8.5).
//!
//! `calcard` follows the rules on a clock without a zone; which instants those times are, which of
//! them are cancelled (EXDATE) or replaced (RECURRENCE-ID) and what is added (RDATE) is decided
//! here. An exception stands for one occurrence: `RANGE=THISANDFUTURE`, which neither Nextcloud
//! nor the usual clients write, is not followed.

use std::collections::{BTreeMap, BTreeSet};

use calcard::{
    common::{PartialDateTime, timezone::Tz},
    icalendar::{
        ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarPeriod, ICalendarProperty,
        ICalendarRecurrenceRule, ICalendarValue,
    },
};
use chrono::{Datelike, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::{
    object::{Kind, Object},
    when::{DAY, When},
    zone::Zone,
};

/// How many times of one rule are looked at. What repeats more often within a question's window,
/// such as every second, is cut there.
const LIMIT: usize = 50_000;

/// A span of time, in seconds since 1970; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Where it starts.
    pub(super) from: i64,
    /// Where it ends.
    pub(super) to: i64,
}

impl Window {
    /// Whether something from `start` to `end` is in the window; a moment is, too.
    pub(super) fn overlaps(&self, start: i64, end: i64) -> bool {
        start < self.to && (end > self.from || (end <= start && start >= self.from))
    }
}

/// One time that something happens.
#[derive(Debug, Clone)]
pub(super) struct Occurrence<'a> {
    /// The component that describes it: the series, or the exception.
    pub(super) component: &'a ICalendarComponent,
    /// When it starts.
    pub(super) start: When,
    /// When it ends.
    pub(super) end: When,
    /// Which time of a series it is, by its start before any exception.
    pub(super) original: Option<When>,
    /// The start as an instant.
    pub(super) from: i64,
    /// The end as an instant.
    pub(super) to: i64,
}

/// Everything in the object that happens in the window, in order.
pub(super) fn occurrences<'a>(
    object: &'a Object,
    kind: Kind,
    window: Window,
    home: &Zone,
) -> Vec<Occurrence<'a>> {
    let place = |component: &'a ICalendarComponent, start: When, end: When, original| {
        let (from, to) = (start.instant(home), end.instant(home));
        window.overlaps(from, to).then_some(Occurrence {
            component,
            start,
            end,
            original,
            from,
            to,
        })
    };
    let mut found = Vec::new();
    let mut replaced = BTreeSet::new();
    for exception in object.exceptions(kind) {
        let Some(original) = object.time(exception, &ICalendarProperty::RecurrenceId, home) else {
            continue;
        };
        replaced.insert(original.instant(home));
        if let Some((start, end)) = object.span(exception, kind, home) {
            found.extend(place(exception, start, end, Some(original)));
        }
    }
    if let Some(series) = object.series(kind)
        && let Some((start, end)) = object.span(series, kind, home)
    {
        let length = start.until(&end, home);
        let times = times(object, series, &start, window, home);
        let repeats = repeats(series);
        for (instant, (time, own_end)) in times {
            if !replaced.contains(&instant) {
                let end = own_end.unwrap_or_else(|| time.plus(length));
                let original = repeats.then(|| time.clone());
                found.extend(place(series, time, end, original));
            }
        }
    }
    found.sort_by_key(|one| (one.from, one.to));
    found
}

/// Whether a component describes a series.
pub(super) fn repeats(component: &ICalendarComponent) -> bool {
    component.is_recurrent()
}

/// The times of a series by instant, exceptions not yet considered; with an end where an RDATE
/// brings its own.
fn times(
    object: &Object,
    series: &ICalendarComponent,
    start: &When,
    window: Window,
    home: &Zone,
) -> BTreeMap<i64, (When, Option<When>)> {
    let mut times = BTreeMap::from([(start.instant(home), (start.clone(), None))]);
    let zone = start.zone().unwrap_or(home);
    // A day more on each side: the offset of the zone cannot move a time further.
    let horizon = zone.local(window.to.saturating_add(DAY));
    for entry in &series.entries {
        match (&entry.name, entry.values.first()) {
            (ICalendarProperty::Rrule, Some(ICalendarValue::RecurrenceRule(rule))) => {
                let until = rule.until.as_ref().and_then(|until| local_end(until, zone));
                let until = until.map_or(horizon, |until| until.min(horizon));
                for local in starts(start.local(), rule, Some(until)) {
                    let time = start.with_local(local);
                    times.entry(time.instant(home)).or_insert((time, None));
                }
            }
            (ICalendarProperty::Rdate, _) => {
                for value in &entry.values {
                    let stored =
                        |time: &PartialDateTime| When::stored(time, entry, object.zones(), home);
                    let (time, end) = if let ICalendarValue::Period(period) = value {
                        match period {
                            ICalendarPeriod::Range { start, end } => (stored(start), stored(end)),
                            ICalendarPeriod::Duration { start, duration } => {
                                let length = duration.as_seconds();
                                let start = stored(start);
                                let end = start.as_ref().map(|start| start.plus(length));
                                (start, end)
                            }
                        }
                    } else {
                        (value.as_partial_date_time().and_then(stored), None)
                    };
                    if let Some(time) = time {
                        times.entry(time.instant(home)).or_insert((time, end));
                    }
                }
            }
            _ => {}
        }
    }
    for entry in series.properties(&ICalendarProperty::Exdate) {
        for value in &entry.values {
            let time = value
                .as_partial_date_time()
                .and_then(|time| When::stored(time, entry, object.zones(), home));
            match time {
                // A day also takes away what happens on it: clients write it for timed series.
                Some(When::Date(day)) => times.retain(|_, (time, _)| time.local().date() != day),
                Some(time) => {
                    times.remove(&time.instant(home));
                }
                None => {}
            }
        }
    }
    times
}

/// The end of a rule on the clock of the series: the whole day for a day (RFC 5545 §3.3.10).
fn local_end(until: &PartialDateTime, zone: &Zone) -> Option<NaiveDateTime> {
    let time = until.to_date_time()?;
    if !until.has_time() {
        return time.date_time.date().and_hms_opt(23, 59, 59);
    }
    Some(match time.offset {
        Some(offset) => {
            let utc = time.date_time.and_utc().timestamp() - i64::from(offset.local_minus_utc());
            zone.local(utc)
        }
        None => time.date_time,
    })
}

/// The times of a rule that starts at `start`, on a clock without a zone, up to `until`.
pub(super) fn starts(
    start: NaiveDateTime,
    rule: &ICalendarRecurrenceRule,
    until: Option<NaiveDateTime>,
) -> Vec<NaiveDateTime> {
    let mut rule = rule.clone();
    rule.until = until.and_then(partial);
    let Some(first) = partial(start) else {
        return Vec::new();
    };
    let mut event = ICalendarComponent::new(ICalendarComponentType::VEvent);
    event.add_property(ICalendarProperty::Dtstart, first);
    event.add_property(ICalendarProperty::Rrule, rule);
    let calendar = ICalendar {
        components: vec![event],
    };
    let expanded = calendar.expand_dates(Tz::Floating, LIMIT);
    let times = expanded
        .events
        .iter()
        .map(|event| event.start.naive_local());
    times
        .filter(|time| until.is_none_or(|until| *time <= until))
        .collect()
}

fn partial(time: NaiveDateTime) -> Option<PartialDateTime> {
    let small = |number: u32| u8::try_from(number).ok();
    Some(PartialDateTime {
        year: Some(u16::try_from(time.year()).ok()?),
        month: Some(small(time.month())?),
        day: Some(small(time.day())?),
        hour: Some(small(time.hour())?),
        minute: Some(small(time.minute())?),
        second: Some(small(time.second())?),
        ..PartialDateTime::default()
    })
}

/// A recurrence rule in the words of the user, checked.
///
/// `None` when it is no rule, or none of its times can be told.
pub(super) fn rule(text: &str) -> Option<ICalendarRecurrenceRule> {
    let text = text.trim();
    let value = text.strip_prefix("RRULE:").unwrap_or(text);
    if value.is_empty() || value.chars().any(char::is_control) {
        return None;
    }
    let object = format!(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nRRULE:{value}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let calendar = ICalendar::parse(&object).ok()?;
    let event = calendar.component_by_id(1)?;
    let entry = event.property(&ICalendarProperty::Rrule)?;
    let [ICalendarValue::RecurrenceRule(rule)] = entry.values.as_slice() else {
        return None;
    };
    let rule = rule.as_ref().clone();
    // A part that means nothing, such as an interval of 0, is left out by the parser.
    let parts = |text: &str| text.split(';').filter(|part| !part.is_empty()).count();
    let is_sound = parts(&rule.to_string()) == parts(value) && rule.count != Some(0);
    // A year with 29 days in February and 53 weeks comes within 40 years.
    let epoch = NaiveDateTime::new(chrono::NaiveDate::from_ymd_opt(2024, 1, 1)?, NaiveTime::MIN);
    let probe = ICalendarRecurrenceRule {
        count: Some(1),
        until: None,
        ..rule.clone()
    };
    let horizon = epoch.checked_add_signed(TimeDelta::days(365 * 40));
    (is_sound && !starts(epoch, &probe, horizon).is_empty()).then_some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zone {
        Zone::named("Europe/Berlin").expect("zone")
    }

    fn window(from: &str, to: &str) -> Window {
        let instant = |text: &str| {
            When::read(text, &berlin())
                .expect("time")
                .instant(&berlin())
        };
        Window {
            from: instant(from),
            to: instant(to),
        }
    }

    fn happens(events: &str, from: &str, to: &str) -> Vec<String> {
        let text =
            format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{events}END:VCALENDAR\r\n");
        let object = Object::parse(&text).expect("object");
        occurrences(&object, Kind::Event, window(from, to), &berlin())
            .iter()
            .map(|one| format!("{}/{}", one.start.iso(), one.end.iso()))
            .collect()
    }

    fn event(lines: &str) -> String {
        let lines: Vec<&str> = lines.lines().map(str::trim).collect();
        let lines = lines.join("\r\n");
        format!("BEGIN:VEVENT\r\nUID:1\r\n{lines}\r\nEND:VEVENT\r\n")
    }

    #[test]
    fn a_series_keeps_its_time_on_the_wall_when_the_clock_changes() {
        let series = event(
            "DTSTART;TZID=Europe/Berlin:20261019T090000
             DURATION:PT1H
             RRULE:FREQ=WEEKLY",
        );
        assert_eq!(
            happens(&series, "2026-10-15", "2026-11-03"),
            [
                "2026-10-19T09:00:00+02:00/2026-10-19T10:00:00+02:00",
                "2026-10-26T09:00:00+01:00/2026-10-26T10:00:00+01:00",
                "2026-11-02T09:00:00+01:00/2026-11-02T10:00:00+01:00",
            ]
        );
    }

    #[test]
    fn the_end_of_a_rule_in_universal_time_is_an_instant() {
        let series = event(
            "DTSTART;TZID=Europe/Berlin:20261201T090000
             DTEND;TZID=Europe/Berlin:20261201T093000
             RRULE:FREQ=DAILY;UNTIL=20261203T080000Z",
        );
        assert_eq!(happens(&series, "2026-12-01", "2027-01-01").len(), 3);
    }

    #[test]
    fn exceptions_replace_and_cancel_whatever_their_sequence() {
        let series = event(
            "DTSTART;TZID=Europe/Berlin:20261201T090000
             DTEND;TZID=Europe/Berlin:20261201T100000
             SEQUENCE:2
             RRULE:FREQ=DAILY;COUNT=4
             EXDATE:20261202T080000Z
             RDATE;TZID=Europe/Berlin:20261210T120000",
        ) + &event(
            "RECURRENCE-ID;TZID=Europe/Berlin:20261203T090000
             SEQUENCE:5
             DTSTART;TZID=Europe/Berlin:20261205T150000
             DTEND;TZID=Europe/Berlin:20261205T153000",
        );
        assert_eq!(
            happens(&series, "2026-12-01", "2027-01-01"),
            [
                "2026-12-01T09:00:00+01:00/2026-12-01T10:00:00+01:00",
                "2026-12-04T09:00:00+01:00/2026-12-04T10:00:00+01:00",
                "2026-12-05T15:00:00+01:00/2026-12-05T15:30:00+01:00",
                "2026-12-10T12:00:00+01:00/2026-12-10T13:00:00+01:00",
            ]
        );
        // Moved into the window from outside, and out of it.
        assert_eq!(happens(&series, "2026-12-05", "2026-12-06").len(), 1);
        assert_eq!(happens(&series, "2026-12-03", "2026-12-04").len(), 0);
    }

    #[test]
    fn days_are_days_and_the_last_one_is_the_last() {
        let days = event(
            "DTSTART;VALUE=DATE:20261201
             DTEND;VALUE=DATE:20261203
             RRULE:FREQ=WEEKLY;UNTIL=20261208
             EXDATE;VALUE=DATE:20261215",
        );
        assert_eq!(
            happens(&days, "2026-12-02", "2027-01-01"),
            ["2026-12-01/2026-12-03", "2026-12-08/2026-12-10"]
        );
        assert_eq!(
            happens(&days, "2026-12-03", "2026-12-08"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn an_old_series_is_found_today_and_a_wild_one_ends() {
        let old = event(
            "DTSTART:19800101T100000
             RRULE:FREQ=DAILY",
        );
        assert_eq!(happens(&old, "2026-12-01", "2026-12-04").len(), 3);
        let wild = event(
            "DTSTART:20261201T000000Z
             RRULE:FREQ=SECONDLY",
        );
        assert!(happens(&wild, "2026-12-01", "2027-12-01").len() <= LIMIT + 1);
    }

    #[test]
    fn an_invitation_to_one_time_of_a_series_is_found_without_the_series() {
        let one = event(
            "RECURRENCE-ID:20261203T090000Z
             DTSTART:20261203T100000Z
             DTEND:20261203T110000Z",
        );
        assert_eq!(
            happens(&one, "2026-12-01", "2027-01-01"),
            ["2026-12-03T10:00:00Z/2026-12-03T11:00:00Z"]
        );
    }

    #[test]
    fn rules_are_checked() {
        for text in [
            "FREQ=DAILY",
            "RRULE:FREQ=WEEKLY;BYDAY=MO,WE;COUNT=5",
            "FREQ=MONTHLY;BYDAY=-1FR",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        ] {
            assert!(rule(text).is_some(), "{text}");
        }
        for text in [
            "",
            "DAILY",
            "FREQ=SOMETIMES",
            "FREQ=DAILY;INTERVAL=0",
            "FREQ=DAILY;COUNT=0",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            "FREQ=DAILY\r\nATTENDEE:mailto:x@y.z",
        ] {
            assert!(rule(text).is_none(), "{text}");
        }
    }
}
