//! Gaps between busy times, at the hours that suit. Pure: knows no server.

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, Weekday};

use super::super::{recurrence::Window, zone::Zone};
use crate::error::ToolError;

/// Slots start at full quarters of an hour.
const STEP: i64 = 15 * 60;
/// The business hours, from–to.
const BUSINESS: (u32, u32) = (9, 17);

/// A busy time, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: i64,
    pub(super) to: i64,
}

/// A gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Free {
    /// Where it starts, in seconds since 1970.
    pub(super) from: i64,
    /// Whether it is at a preferred time.
    pub(super) is_preferred: bool,
}

/// Preferred times of the day, each from–to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Preferences(Vec<(NaiveTime, NaiveTime)>);

impl Preferences {
    /// Reads `morning, 14:00-15:30`.
    pub(super) fn read(text: &str) -> Result<Self, ToolError> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let spans = parts.map(|part| {
            let bounds = match part.to_lowercase().as_str() {
                "morning" => Some((hour(8), hour(12))),
                "afternoon" => Some((hour(12), hour(17))),
                "evening" => Some((hour(17), hour(21))),
                other => bounds(other),
            };
            bounds.filter(|(from, to)| from < to).ok_or_else(|| {
                ToolError::invalid(format!(
                    "\"{part}\" is no time of the day. Write \"morning\", \"afternoon\", \
                     \"evening\", or from–to like \"09:00-11:30\", separated by commas."
                ))
            })
        });
        spans.collect::<Result<_, _>>().map(Self)
    }
}

fn hour(hour: u32) -> NaiveTime {
    NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN)
}

fn bounds(text: &str) -> Option<(NaiveTime, NaiveTime)> {
    let (from, to) = text.split_once(['-', '–'])?;
    let time = |text: &str| {
        let text = text.trim();
        let text = if text.contains(':') {
            text.to_owned()
        } else {
            format!("{text}:00")
        };
        NaiveTime::parse_from_str(&text, "%H:%M").ok()
    };
    Some((time(from)?, time(to)?))
}

/// Which hours will do.
pub(super) struct Hours {
    /// Only business hours.
    pub(super) business_only: bool,
    /// No Saturdays and Sundays.
    pub(super) exclude_weekends: bool,
    /// What comes first.
    pub(super) preferences: Preferences,
}

impl Hours {
    /// The gaps of at least `length` seconds in the window, one after the other without overlap;
    /// those at preferred times first.
    pub(super) fn slots(
        &self,
        window: Window,
        mut busy: Vec<Span>,
        length: i64,
        home: &Zone,
    ) -> Vec<Free> {
        busy.sort_by_key(|span| span.from);
        let mut slots = Vec::new();
        let (mut day, last) = (home.local(window.from).date(), home.local(window.to).date());
        while day <= last {
            let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
            if !(self.exclude_weekends && is_weekend) {
                self.day(day, window, &busy, length, home, &mut slots);
            }
            let Some(next) = day.checked_add_signed(TimeDelta::days(1)) else {
                break;
            };
            day = next;
        }
        slots.sort_by_key(|slot: &Free| (!slot.is_preferred, slot.from));
        slots
    }

    fn day(
        &self,
        day: NaiveDate,
        window: Window,
        busy: &[Span],
        length: i64,
        home: &Zone,
        slots: &mut Vec<Free>,
    ) {
        let at = |time: NaiveTime| home.instant(day.and_time(time));
        let midnight = day.checked_add_signed(TimeDelta::days(1)).unwrap_or(day);
        let open = if self.business_only {
            (at(hour(BUSINESS.0)), at(hour(BUSINESS.1)))
        } else {
            (
                at(NaiveTime::MIN),
                home.instant(midnight.and_time(NaiveTime::MIN)),
            )
        };
        let open = Span {
            from: open.0.max(window.from),
            to: open.1.min(window.to),
        };
        let mut taken: Vec<Span> = busy.to_vec();
        for (from, to) in &self.preferences.0 {
            let preferred = Span {
                from: at(*from).max(open.from),
                to: at(*to).min(open.to),
            };
            for from in gaps(preferred, &taken, length) {
                slots.push(Free {
                    from,
                    is_preferred: true,
                });
                taken.push(Span {
                    from,
                    to: from + length,
                });
            }
            taken.sort_by_key(|span| span.from);
        }
        slots.extend(gaps(open, &taken, length).into_iter().map(|from| Free {
            from,
            is_preferred: false,
        }));
    }
}

/// Where something of this length fits into `open` between the busy times, which are in order.
fn gaps(open: Span, busy: &[Span], length: i64) -> Vec<i64> {
    let mut starts = Vec::new();
    let mut at = quarter(open.from);
    let mut busy = busy.iter().peekable();
    while at + length <= open.to {
        while busy.next_if(|span| span.to <= at).is_some() {}
        // A longer one may stand before a shorter one that starts later.
        let clash = busy
            .clone()
            .find(|span| span.from < at + length && span.to > at);
        if let Some(span) = clash {
            at = quarter(span.to);
        } else {
            starts.push(at);
            at = quarter(at + length);
        }
    }
    starts
}

fn quarter(instant: i64) -> i64 {
    instant.div_euclid(STEP) * STEP
        + if instant.rem_euclid(STEP) == 0 {
            0
        } else {
            STEP
        }
}

#[cfg(test)]
mod tests {
    use super::super::super::when::When;
    use super::*;

    fn berlin() -> Zone {
        Zone::named("Europe/Berlin").expect("zone")
    }

    fn at(text: &str) -> i64 {
        When::read(text, &berlin())
            .expect("time")
            .instant(&berlin())
    }

    fn hours(preferred: &str) -> Hours {
        Hours {
            business_only: true,
            exclude_weekends: true,
            preferences: Preferences::read(preferred).expect("preferences"),
        }
    }

    fn found(
        hours: &Hours,
        from: &str,
        to: &str,
        busy: &[(&str, &str)],
        minutes: i64,
    ) -> Vec<String> {
        let window = Window {
            from: at(from),
            to: at(to),
        };
        let busy = busy.iter().map(|(from, to)| Span {
            from: at(from),
            to: at(to),
        });
        let slots = hours.slots(window, busy.collect(), minutes * 60, &berlin());
        let show = |slot: &Free| {
            let time = berlin().local(slot.from).format("%a %H:%M").to_string();
            format!("{time}{}", if slot.is_preferred { "*" } else { "" })
        };
        slots.iter().map(show).collect()
    }

    #[test]
    fn gaps_are_found_at_business_hours_of_working_days() {
        // Friday 27 November 2026 to Monday.
        assert_eq!(
            found(
                &hours(""),
                "2026-11-27T13:05",
                "2026-12-01",
                &[
                    ("2026-11-27T14:00", "2026-11-27T16:10"),
                    ("2026-11-30T08:00", "2026-11-30T15:00")
                ],
                60
            ),
            ["Mon 15:00", "Mon 16:00"]
        );
        let any = Hours {
            business_only: false,
            exclude_weekends: false,
            preferences: Preferences::default(),
        };
        assert_eq!(
            found(&any, "2026-11-28T22:00", "2026-11-29T01:00", &[], 60),
            ["Sat 22:00", "Sat 23:00", "Sun 00:00"]
        );
    }

    #[test]
    fn preferred_times_come_first_and_nothing_overlaps() {
        let slots = found(
            &hours("14:00-15:30, morning"),
            "2026-11-30",
            "2026-12-01",
            &[("2026-11-30T09:00", "2026-11-30T10:50")],
            60,
        );
        assert_eq!(
            slots,
            [
                "Mon 11:00*",
                "Mon 14:00*",
                "Mon 12:00",
                "Mon 13:00",
                "Mon 15:00",
                "Mon 16:00"
            ]
        );
    }

    #[test]
    fn overlapping_busy_times_do_not_hide_each_other() {
        let slots = found(
            &hours(""),
            "2026-11-30",
            "2026-12-01",
            &[
                ("2026-11-30T09:00", "2026-11-30T16:00"),
                ("2026-11-30T10:00", "2026-11-30T10:30"),
                ("2026-11-30T08:00", "2026-11-30T08:30"),
            ],
            60,
        );
        assert_eq!(slots, ["Mon 16:00"]);
    }

    #[test]
    fn the_day_when_the_clock_changes_has_its_own_length() {
        let any = Hours {
            business_only: false,
            exclude_weekends: false,
            preferences: Preferences::default(),
        };
        let count = |from, to| found(&any, from, to, &[], 60).len();
        assert_eq!(count("2026-10-25", "2026-10-26"), 25);
        assert_eq!(count("2026-03-29", "2026-03-30"), 23);
    }

    #[test]
    fn preferences_are_checked() {
        for text in ["noon", "25:00-26:00", "11:00-09:00", "09:00"] {
            assert!(Preferences::read(text).is_err(), "{text}");
        }
        assert_eq!(
            Preferences::read("9-11").expect("hours").0,
            [(hour(9), hour(11))]
        );
    }
}
