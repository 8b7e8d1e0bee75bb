//! A point in time as calendars know it: a day, a time on the wall, or a time in a zone.
//!
//! Owns reading the ISO 8601 texts of the tools, writing them, and the four forms of iCalendar
//! (RFC 5545 §3.3.4 and §3.3.5).

use calcard::{common::PartialDateTime, icalendar::ICalendarEntry};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::zone::{Zone, Zones};
use crate::{error::ToolError, tools::content_line::Line};

/// Seconds of a day without a change of the clock.
pub(super) const DAY: i64 = 86_400;

/// A point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum When {
    /// A whole day.
    Date(NaiveDate),
    /// A time on whatever wall one looks at.
    Floating(NaiveDateTime),
    /// A time in a zone; universal time is one.
    Zoned(NaiveDateTime, Zone),
}

impl When {
    /// Reads a date or a time as people and models write it: `2026-12-01`, `2026-12-01T09:00`,
    /// `2026-12-01T09:00:00+01:00`. A time without an offset is meant in `zone`; one with an
    /// offset is kept in `zone` when that is its offset, and in universal time otherwise.
    pub(super) fn read(text: &str, zone: &Zone) -> Result<Self, ToolError> {
        let text = text.trim();
        if let Ok(date) = text.parse::<NaiveDate>() {
            return Ok(Self::Date(date));
        }
        let text = text.replacen(' ', "T", 1);
        if let Some(local) = local_time(&text) {
            return Ok(Self::Zoned(local, zone.clone()));
        }
        let with_seconds = with_seconds(&text);
        let time = DateTime::parse_from_rfc3339(&with_seconds).map_err(|error| {
            ToolError::invalid(format!(
                "\"{text}\" is no date or time. Write a date like \"2026-12-01\", a time like \
                 \"2026-12-01T09:00:00\", or one with its offset like \"2026-12-01T09:00:00+01:00\"."
            ))
            .because(error)
        })?;
        let instant = time.timestamp();
        let has_this_offset = zone.offset_at(instant) == i64::from(time.offset().local_minus_utc());
        let zone = if has_this_offset {
            zone.clone()
        } else {
            Zone::utc()
        };
        Ok(Self::at(instant, &zone))
    }

    /// The time that an instant is in a zone.
    pub(super) fn at(instant: i64, zone: &Zone) -> Self {
        Self::Zoned(zone.local(instant), zone.clone())
    }

    /// What a property of an object says; a zone that nobody knows counts as `home`.
    pub(super) fn stored(
        time: &PartialDateTime,
        entry: &ICalendarEntry,
        zones: &Zones,
        home: &Zone,
    ) -> Option<Self> {
        let parts = time.to_date_time()?;
        Some(if !time.has_time() {
            Self::Date(parts.date_time.date())
        } else if let Some(offset) = parts.offset {
            let shift = TimeDelta::seconds(i64::from(offset.local_minus_utc()));
            Self::Zoned(parts.date_time.checked_sub_signed(shift)?, Zone::utc())
        } else {
            match entry.tz_id() {
                Some(id) => {
                    let zone = zones.get(id).unwrap_or_else(|| home.clone());
                    Self::Zoned(parts.date_time, zone)
                }
                None => Self::Floating(parts.date_time),
            }
        })
    }

    /// The first value of a property as a point in time.
    pub(super) fn first(entry: &ICalendarEntry, zones: &Zones, home: &Zone) -> Option<Self> {
        let time = entry.values.first()?.as_partial_date_time()?;
        Self::stored(time, entry, zones, home)
    }

    /// The instant; days and floating times are those of `home`.
    pub(super) fn instant(&self, home: &Zone) -> i64 {
        match self {
            Self::Date(date) => home.instant(date.and_time(NaiveTime::MIN)),
            Self::Floating(local) => home.instant(*local),
            Self::Zoned(local, zone) => zone.instant(*local),
        }
    }

    /// What the clock shows; midnight for a day.
    pub(super) fn local(&self) -> NaiveDateTime {
        match self {
            Self::Date(date) => date.and_time(NaiveTime::MIN),
            Self::Floating(local) | Self::Zoned(local, _) => *local,
        }
    }

    /// The same kind of time with another wall-clock time.
    pub(super) fn with_local(&self, local: NaiveDateTime) -> Self {
        match self {
            Self::Date(_) => Self::Date(local.date()),
            Self::Floating(_) => Self::Floating(local),
            Self::Zoned(_, zone) => Self::Zoned(local, zone.clone()),
        }
    }

    /// The zone, if it has one.
    pub(super) fn zone(&self) -> Option<&Zone> {
        match self {
            Self::Zoned(_, zone) => Some(zone),
            Self::Date(_) | Self::Floating(_) => None,
        }
    }

    /// Whether it is a whole day.
    pub(super) fn is_date(&self) -> bool {
        matches!(self, Self::Date(_))
    }

    /// Whether both are days, both floating, or both in a zone.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// The time that comes this much later: in days for a day, else in elapsed seconds.
    pub(super) fn plus(&self, seconds: i64) -> Self {
        match self {
            Self::Date(date) => {
                let days = TimeDelta::days(seconds.div_euclid(DAY));
                Self::Date(date.checked_add_signed(days).unwrap_or(*date))
            }
            Self::Floating(local) => {
                let later = local.checked_add_signed(TimeDelta::seconds(seconds));
                Self::Floating(later.unwrap_or(*local))
            }
            Self::Zoned(local, zone) => {
                Self::at(zone.instant(*local).saturating_add(seconds), zone)
            }
        }
    }

    /// How much later `end` is: whole days between days, else elapsed seconds.
    pub(super) fn until(&self, end: &Self, home: &Zone) -> i64 {
        if self.is_date() || end.is_date() {
            let days = end.local().date() - self.local().date();
            return days.num_seconds();
        }
        end.instant(home).saturating_sub(self.instant(home))
    }

    /// As the tools show it: `2026-12-01`, `2026-12-01T09:00:00`, `2026-12-01T09:00:00+01:00`.
    pub(super) fn iso(&self) -> String {
        match self {
            Self::Date(date) => date.to_string(),
            Self::Floating(local) => local.format("%Y-%m-%dT%H:%M:%S").to_string(),
            Self::Zoned(local, zone) => {
                let text = local.format("%Y-%m-%dT%H:%M:%S");
                if zone.is_utc() {
                    return format!("{text}Z");
                }
                let offset = local.and_utc().timestamp() - zone.instant(*local);
                let (sign, size) = if offset < 0 {
                    ('-', -offset)
                } else {
                    ('+', offset)
                };
                format!("{text}{sign}{:02}:{:02}", size / 3600, size % 3600 / 60)
            }
        }
    }

    /// As iCalendar writes the value.
    pub(super) fn ical(&self) -> String {
        match self {
            Self::Date(date) => date.format("%Y%m%d").to_string(),
            Self::Zoned(local, zone) if zone.is_utc() => local.format("%Y%m%dT%H%M%SZ").to_string(),
            Self::Floating(local) | Self::Zoned(local, _) => {
                local.format("%Y%m%dT%H%M%S").to_string()
            }
        }
    }

    /// The line of a property with this value.
    pub(super) fn line(&self, name: &str) -> Line {
        let line = Line::new(name);
        let line = match self {
            Self::Date(_) => line.param("VALUE", "DATE"),
            Self::Zoned(_, zone) if !zone.is_utc() => line.param("TZID", zone.id()),
            Self::Floating(_) | Self::Zoned(..) => line,
        };
        line.raw(&self.ical())
    }
}

fn local_time(text: &str) -> Option<NaiveDateTime> {
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .into_iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

/// `09:00+01:00` as `09:00:00+01:00`, which RFC 3339 demands.
fn with_seconds(text: &str) -> String {
    let Some((date, rest)) = text.split_once('T') else {
        return text.to_owned();
    };
    let end = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if time.matches(':').count() == 1 {
        format!("{date}T{time}:00{offset}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin() -> Zone {
        Zone::named("Europe/Berlin").expect("zone")
    }

    #[test]
    fn every_way_to_write_a_time_is_understood() {
        for (text, ical, iso) in [
            ("2026-12-01", "20261201", "2026-12-01"),
            (
                "2026-12-01T09:00",
                "20261201T090000",
                "2026-12-01T09:00:00+01:00",
            ),
            (
                " 2026-07-01 09:00:30 ",
                "20260701T090030",
                "2026-07-01T09:00:30+02:00",
            ),
            (
                "2026-12-01T09:00:00+01:00",
                "20261201T090000",
                "2026-12-01T09:00:00+01:00",
            ),
            (
                "2026-12-01T09:00+03:00",
                "20261201T060000Z",
                "2026-12-01T06:00:00Z",
            ),
            (
                "2026-12-01T09:00:00.5Z",
                "20261201T090000Z",
                "2026-12-01T09:00:00Z",
            ),
        ] {
            let when = When::read(text, &berlin()).expect(text);
            assert_eq!((when.ical().as_str(), when.iso().as_str()), (ical, iso));
        }
        for text in [
            "",
            "tomorrow",
            "2026-13-01",
            "2026-12-01T25:00",
            "2026-12-01T",
        ] {
            assert!(When::read(text, &berlin()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_the_tools_show_is_read_back_as_the_same_moment() {
        for text in ["2026-03-29T01:59:00", "2026-03-29T03:00:00", "2026-12-01"] {
            let when = When::read(text, &berlin()).expect("time");
            assert_eq!(When::read(&when.iso(), &berlin()).expect("again"), when);
        }
    }

    #[test]
    fn an_hour_later_is_an_hour_later_when_the_clock_changes() {
        let before = When::read("2026-03-29T01:30:00", &berlin()).expect("time");
        assert_eq!(before.plus(3600).iso(), "2026-03-29T03:30:00+02:00");
        let day = When::read("2026-03-29", &berlin()).expect("day");
        assert_eq!(day.plus(DAY).iso(), "2026-03-30");
        assert_eq!(day.until(&day.plus(DAY), &berlin()), DAY);
    }

    #[test]
    fn a_zone_is_named_in_the_line_and_universal_time_is_not() {
        let when = When::read("2026-12-01T09:00", &berlin()).expect("time");
        assert_eq!(when.line("DTSTART").head(), "DTSTART;TZID=Europe/Berlin");
        let when = When::read("2026-12-01T09:00", &Zone::utc()).expect("time");
        let line = when.line("DTSTART");
        assert_eq!(
            (line.head(), line.value()),
            ("DTSTART".to_owned(), "20261201T090000Z".to_owned())
        );
    }
}
