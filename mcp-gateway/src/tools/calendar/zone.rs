//! Time zones: IANA ids, their aliases, and what a stored object defines itself (VTIMEZONE).
//!
//! Owns the way from wall-clock time to the instant and back. Instants are seconds since 1970.

use std::{collections::HashMap, str::FromStr, sync::Arc};

use calcard::{
    common::{PartialDateTime, timezone::Tz},
    icalendar::{
        ICalendar, ICalendarComponent, ICalendarComponentType, ICalendarProperty, ICalendarValue,
    },
};
use chrono::{
    DateTime, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone,
};

use super::recurrence;
use crate::tools::content_line::Component;

/// How far the rules of a zone that an object defines itself are followed.
const HORIZON: NaiveDateTime = match NaiveDate::from_ymd_opt(2100, 1, 1) {
    Some(day) => NaiveDateTime::new(day, NaiveTime::MIN),
    None => NaiveDateTime::MAX,
};

/// A time zone with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Zone {
    id: Arc<str>,
    rules: Rules,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rules {
    /// A zone of the IANA database.
    Known(Tz),
    /// A zone that only the object knows, by its transitions in order.
    Defined(Arc<[Transition]>),
}

/// The moment from which an offset counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Transition {
    /// The first wall-clock time with the new offset, after those that occur twice or never.
    local: NaiveDateTime,
    /// Seconds since 1970.
    instant: i64,
    before: i64,
    after: i64,
}

impl Zone {
    /// Coordinated universal time.
    pub(super) fn utc() -> Self {
        Self {
            id: Arc::from("UTC"),
            rules: Rules::Known(Tz::UTC),
        }
    }

    /// The zone with this IANA id, or a name that Windows uses for one.
    pub(super) fn named(id: &str) -> Option<Self> {
        let id = id.trim();
        if matches!(id, "Z" | "UTC" | "GMT" | "Etc/UTC") {
            return Some(Self::utc());
        }
        let zone = Tz::from_str(id).ok()?;
        let Tz::Tz(_) = zone else {
            return None;
        };
        Some(Self {
            id: Arc::from(zone.name()?.as_ref()),
            rules: Rules::Known(zone),
        })
    }

    /// The id, as it stands in `TZID`.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether this is universal time, which is written without an id.
    pub(super) fn is_utc(&self) -> bool {
        matches!(self.rules, Rules::Known(zone) if zone.is_utc())
    }

    /// The instant of a wall-clock time: the first of two, and what the clock would have shown
    /// without the change for one that the change leaves out (RFC 5545 §3.3.5).
    pub(super) fn instant(&self, local: NaiveDateTime) -> i64 {
        local.and_utc().timestamp() - self.offset_of_local(local)
    }

    fn offset_of_local(&self, local: NaiveDateTime) -> i64 {
        match &self.rules {
            Rules::Known(zone) => match zone.offset_from_local_datetime(&local) {
                LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => {
                    i64::from(offset.fix().local_minus_utc())
                }
                // No gap is longer than a day.
                LocalResult::None => self.offset_at(local.and_utc().timestamp() - 86_400),
            },
            Rules::Defined(transitions) => {
                let passed = transitions.iter().rfind(|one| one.local <= local);
                first_offset(passed, transitions)
            }
        }
    }

    /// Seconds east of universal time at an instant.
    pub(super) fn offset_at(&self, instant: i64) -> i64 {
        match &self.rules {
            Rules::Known(zone) => {
                let utc = DateTime::from_timestamp(instant, 0).unwrap_or_default();
                let offset = zone.offset_from_utc_datetime(&utc.naive_utc());
                i64::from(offset.fix().local_minus_utc())
            }
            Rules::Defined(transitions) => {
                let passed = transitions.iter().rfind(|one| one.instant <= instant);
                first_offset(passed, transitions)
            }
        }
    }

    /// What the clock shows at an instant.
    pub(super) fn local(&self, instant: i64) -> NaiveDateTime {
        naive(instant.saturating_add(self.offset_at(instant)))
    }

    /// The definition that an object needs which uses this zone between two instants; `None` for
    /// a zone that only its object knows, and for universal time.
    pub(super) fn definition(&self, from: i64, to: i64) -> Option<Component> {
        if self.is_utc() || matches!(self.rules, Rules::Defined(_)) {
            return None;
        }
        let mut calendar = ICalendar {
            components: vec![ICalendarComponent::new(ICalendarComponentType::VCalendar)],
        };
        calendar.add_timezone(&self.id, from, to)?;
        let tree = Component::parse(&calendar.to_string()).ok()?;
        tree.components().next().cloned()
    }
}

fn first_offset(passed: Option<&Transition>, transitions: &[Transition]) -> i64 {
    match (passed, transitions.first()) {
        (Some(passed), _) => passed.after,
        (None, Some(first)) => first.before,
        (None, None) => 0,
    }
}

/// The wall-clock time with this count of seconds since 1970.
pub(super) fn naive(seconds: i64) -> NaiveDateTime {
    DateTime::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .naive_utc()
}

/// The zones that an object can mean by its `TZID`s.
#[derive(Debug, Clone, Default)]
pub(super) struct Zones(HashMap<String, Zone>);

impl Zones {
    /// The zones that `calendar` defines.
    pub(super) fn of(calendar: &ICalendar) -> Self {
        let zones = calendar.timezones().filter_map(|definition| {
            let id = text(definition, &ICalendarProperty::Tzid)?;
            // A known zone is believed more than its copy, which may be years old.
            let rules = match definition.timezone() {
                Some((_, zone)) => Rules::Known(zone),
                None => Rules::Defined(transitions(calendar, definition)?),
            };
            let zone = Zone {
                id: Arc::from(id),
                rules,
            };
            Some((id.to_owned(), zone))
        });
        Self(zones.collect())
    }

    /// The zone that a `TZID` means; `None` for one that nobody knows.
    pub(super) fn get(&self, id: &str) -> Option<Zone> {
        let zone = self.0.get(id).cloned().or_else(|| Zone::named(id))?;
        // The object's own spelling: it is what its VTIMEZONE is called.
        Some(Zone {
            id: Arc::from(id),
            ..zone
        })
    }
}

fn text<'a>(component: &'a ICalendarComponent, name: &ICalendarProperty) -> Option<&'a str> {
    component.property(name)?.values.first()?.as_text()
}

/// The transitions of a VTIMEZONE (RFC 5545 §3.6.5) up to the horizon.
fn transitions(calendar: &ICalendar, definition: &ICalendarComponent) -> Option<Arc<[Transition]>> {
    let mut transitions = Vec::new();
    for id in &definition.component_ids {
        let Some(observance) = calendar.component_by_id(*id) else {
            continue;
        };
        let (Some(start), Some(before), Some(after)) = (
            local_time(observance, &ICalendarProperty::Dtstart),
            offset(observance, &ICalendarProperty::Tzoffsetfrom),
            offset(observance, &ICalendarProperty::Tzoffsetto),
        ) else {
            continue;
        };
        let mut onsets = vec![start];
        for entry in &observance.entries {
            match (&entry.name, entry.values.first()) {
                (ICalendarProperty::Rrule, Some(ICalendarValue::RecurrenceRule(rule))) => {
                    let until = rule.until.as_ref().and_then(|until| {
                        let time = until.to_date_time()?;
                        let shift = time.offset.map_or(0, |_| before);
                        time.date_time.checked_add_signed(TimeDelta::seconds(shift))
                    });
                    let until = until.map_or(HORIZON, |until| until.min(HORIZON));
                    onsets.extend(recurrence::starts(start, rule, Some(until)));
                }
                (ICalendarProperty::Rdate, _) => {
                    let times = entry.values.iter();
                    onsets.extend(times.filter_map(|value| {
                        Some(value.as_partial_date_time()?.to_date_time()?.date_time)
                    }));
                }
                _ => {}
            }
        }
        let skipped = (after - before).max(0);
        transitions.extend(onsets.into_iter().map(|onset| {
            let onset = onset.and_utc().timestamp();
            Transition {
                local: naive(onset + skipped),
                instant: onset - before,
                before,
                after,
            }
        }));
    }
    transitions.sort_by_key(|transition| transition.instant);
    transitions.dedup();
    (!transitions.is_empty()).then(|| transitions.into())
}

fn time<'a>(
    component: &'a ICalendarComponent,
    name: &ICalendarProperty,
) -> Option<&'a PartialDateTime> {
    let value = component.property(name)?.values.first()?;
    value.as_partial_date_time()
}

fn local_time(component: &ICalendarComponent, name: &ICalendarProperty) -> Option<NaiveDateTime> {
    Some(time(component, name)?.to_date_time()?.date_time)
}

fn offset(component: &ICalendarComponent, name: &ICalendarProperty) -> Option<i64> {
    let time = time(component, name)?;
    let (hours, minutes) = (i64::from(time.tz_hour?), time.tz_minute.unwrap_or_default());
    let seconds = hours * 3600 + i64::from(minutes) * 60;
    Some(if time.tz_minus { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        text.parse().expect("time")
    }

    /// Central European time under a name that nobody knows.
    const OWN: &str = "BEGIN:VCALENDAR\r\nBEGIN:VTIMEZONE\r\nTZID:Our office\r\n\
        BEGIN:DAYLIGHT\r\nDTSTART:19810329T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
        RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n\
        BEGIN:STANDARD\r\nDTSTART:19961027T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n\
        RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n\
        END:VCALENDAR\r\n";

    #[test]
    fn a_zone_that_only_the_object_knows_is_the_same_as_the_one_it_copies() {
        let calendar = ICalendar::parse(OWN).expect("calendar");
        let own = Zones::of(&calendar).get("Our office").expect("zone");
        assert!(matches!(own.rules, Rules::Defined(_)));
        let berlin = Zone::named("Europe/Berlin").expect("zone");
        let mut local = at("2026-01-01T00:00:00");
        while local < at("2028-01-01T00:00:00") {
            assert_eq!(own.instant(local), berlin.instant(local), "{local}");
            let instant = berlin.instant(local);
            assert_eq!(own.offset_at(instant), berlin.offset_at(instant), "{local}");
            local += TimeDelta::minutes(437);
        }
    }

    #[test]
    fn an_object_may_call_a_known_zone_as_it_likes() {
        let text = OWN.replace("Our office", "Bureau").replace(
            "TZID:Bureau\r\n",
            "TZID:Bureau\r\nX-LIC-LOCATION:America/New_York\r\n",
        );
        let calendar = ICalendar::parse(&text).expect("calendar");
        let zone = Zones::of(&calendar).get("Bureau").expect("zone");
        assert_eq!(zone.id(), "Bureau");
        assert_eq!(zone.offset_at(1_795_000_000), -5 * 3600);
    }

    #[test]
    fn times_around_a_change_have_one_meaning_each() {
        let berlin = Zone::named("Europe/Berlin").expect("zone");
        let hour = |text: &str| berlin.instant(at(text)) - at(text).and_utc().timestamp();
        // Twice on the clock: the first, still in summer.
        assert_eq!(hour("2026-10-25T02:30:00"), -7200);
        // Never on the clock: as if the change had not come.
        assert_eq!(hour("2026-03-29T02:30:00"), -3600);
        assert_eq!(hour("2026-03-29T03:30:00"), -7200);
    }

    #[test]
    fn zones_have_the_names_people_use() {
        for (name, id) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("W. Europe Standard Time", "Europe/Berlin"),
            ("Etc/UTC", "UTC"),
            ("Z", "UTC"),
        ] {
            assert_eq!(Zone::named(name).expect("zone").id(), id);
        }
        for name in ["", "Nowhere/Land", "\r\nX:1"] {
            assert_eq!(Zone::named(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_definition_covers_the_time_it_is_asked_for() {
        let zone = Zone::named("America/New_York").expect("zone");
        let definition = zone.definition(1_780_000_000, 1_850_000_000).expect("zone");
        let text = format!("BEGIN:VCALENDAR\r\n{definition}END:VCALENDAR\r\n")
            .replace("America/New_York", "Somewhere");
        let calendar = ICalendar::parse(&text).expect("calendar");
        let own = Zones::of(&calendar).get("Somewhere").expect("zone");
        for instant in (1_780_000_000..1_900_000_000).step_by(1_000_003) {
            assert_eq!(own.offset_at(instant), zone.offset_at(instant), "{instant}");
        }
        assert!(Zone::utc().definition(0, 1).is_none());
    }
}
