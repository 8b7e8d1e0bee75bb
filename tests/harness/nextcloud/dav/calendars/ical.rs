//! iCalendar as Sabre takes it: a strict reader of lines and components, and the checks on writing.
//!
//! When something happens is followed with `calcard`; everything that decides whether an object is
//! accepted is read here, line by line.

use std::collections::BTreeSet;

use calcard::common::timezone::Tz;
use calcard::icalendar::{
    ICalendar, ICalendarComponentType, ICalendarProperty, ICalendarStatus, ICalendarTransparency,
};

/// One unfolded line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The property in upper case.
    pub(super) name: String,
    /// What stands between name and value, with its semicolons.
    pub(super) parameters: String,
    /// The value as it is written.
    pub(super) value: String,
}

impl Line {
    /// The value without its escapes.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let mut characters = self.value.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some('n' | 'N') => text.push('\n'),
                    Some(other) => text.push(other),
                    None => {}
                },
                other => text.push(other),
            }
        }
        text
    }
}

/// A component with what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Component {
    /// Its name in upper case.
    pub(super) name: String,
    /// Its own lines.
    pub(super) lines: Vec<Line>,
    /// The components in it.
    pub(super) children: Vec<Component>,
}

impl Component {
    /// The first line of a property.
    pub(super) fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }

    /// All lines of a property.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.name == name)
    }
}

/// Reads a text with one calendar.
///
/// # Errors
/// Sabre's words for what is wrong.
pub(super) fn parse(text: &str) -> Result<Component, String> {
    const NO_CALENDAR: &str = "This parser only supports VCARD and VCALENDAR files";
    let mut open: Vec<Component> = Vec::new();
    for (number, raw) in unfolded(text).into_iter().enumerate() {
        if raw.is_empty() {
            continue;
        }
        let line = line(&raw)
            .ok_or_else(|| format!("Invalid Mimedir file. Line starting at {} did not follow iCalendar/vCard conventions", number + 1));
        if open.is_empty() {
            match line {
                Ok(line) if line.name == "BEGIN" && is_calendar(&line.value) => {}
                Ok(_) | Err(_) => return Err(NO_CALENDAR.to_owned()),
            }
            open.push(Component {
                name: "VCALENDAR".to_owned(),
                ..Component::default()
            });
            continue;
        }
        let line = line?;
        let name = line.value.trim().to_uppercase();
        match line.name.as_str() {
            "BEGIN" => open.push(Component {
                name,
                ..Component::default()
            }),
            "END" => {
                let done = open.pop().unwrap_or_default();
                if done.name != name {
                    return Err(format!(
                        "Invalid MimeDir file. expected: \"END:{}\" got: \"END:{name}\"",
                        done.name
                    ));
                }
                match open.last_mut() {
                    Some(parent) => parent.children.push(done),
                    None => return Ok(done),
                }
            }
            _ => {
                if let Some(component) = open.last_mut() {
                    component.lines.push(line);
                }
            }
        }
    }
    if open.is_empty() {
        return Err(NO_CALENDAR.to_owned());
    }
    Err("Invalid MimeDir file. Unexpected end of file".to_owned())
}

fn is_calendar(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case("VCALENDAR")
}

fn unfolded(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for physical in text.split('\n') {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        match (physical.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(line)) => line.push_str(rest),
            _ => lines.push(physical.to_owned()),
        }
    }
    lines
}

fn line(raw: &str) -> Option<Line> {
    let mut quoted = false;
    let colon = raw.find(|character| {
        quoted ^= character == '"';
        character == ':' && !quoted
    })?;
    let (head, value) = raw.split_at_checked(colon)?;
    let (name, parameters) = head
        .split_once(';')
        .map_or((head, String::new()), |(name, rest)| {
            (name, format!(";{rest}"))
        });
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|one| one.is_ascii_alphanumeric() || one == '-' || one == '.');
    is_name.then(|| Line {
        name: name.to_uppercase(),
        parameters,
        value: value.get(1..).unwrap_or_default().to_owned(),
    })
}

/// An object that was checked.
pub(super) struct Checked {
    /// `VEVENT`, `VTODO` or `VJOURNAL`.
    pub(super) component: String,
    /// The id that all its components share.
    pub(super) uid: String,
}

/// Checks an object as it is written (RFC 4791 §4.1, RFC 5545 §3.6).
///
/// # Errors
/// Sabre's words for what is wrong.
pub(super) fn check(calendar: &Component) -> Result<Checked, String> {
    for name in ["VERSION", "PRODID"] {
        once(calendar, name)?;
    }
    let parts: Vec<&Component> = calendar
        .children
        .iter()
        .filter(|one| one.name != "VTIMEZONE")
        .collect();
    let names: BTreeSet<&str> = parts.iter().map(|one| one.name.as_str()).collect();
    let component = match names.iter().collect::<Vec<_>>().as_slice() {
        [one] => (**one).to_owned(),
        [] => return Err("An iCalendar object must have at least 1 component.".to_owned()),
        _ => {
            return Err(
                "A calendar object on a CalDAV server may only have components with the same \
                 type."
                    .to_owned(),
            );
        }
    };
    if !matches!(component.as_str(), "VEVENT" | "VTODO" | "VJOURNAL") {
        return Err(format!(
            "iCalendar objects of type {component} are not supported"
        ));
    }
    let mut uids = BTreeSet::new();
    for part in &parts {
        once(part, "UID")?;
        once(part, "DTSTAMP")?;
        if component == "VEVENT" {
            once(part, "DTSTART")?;
            if part.line("DTEND").is_some() && part.line("DURATION").is_some() {
                return Err("DTEND and DURATION must not both occur in a VEVENT".to_owned());
            }
        }
        for alarm in part.children.iter().filter(|one| one.name == "VALARM") {
            once(alarm, "ACTION")?;
            once(alarm, "TRIGGER")?;
        }
        check_zones(calendar, part)?;
        uids.extend(part.line("UID").map(Line::text));
    }
    match uids.into_iter().collect::<Vec<_>>().as_slice() {
        [uid] => Ok(Checked {
            component,
            uid: uid.clone(),
        }),
        _ => Err(
            "A calendar object on a CalDAV server may only have components with the same UID."
                .to_owned(),
        ),
    }
}

fn once(component: &Component, name: &str) -> Result<(), String> {
    if component.all(name).count() == 1 {
        return Ok(());
    }
    Err(format!(
        "{name} MUST appear exactly once in a {} component",
        component.name
    ))
}

/// Stricter than Sabre: a time zone that is named has to be defined (RFC 5545 §3.2.19), because
/// other clients of the calendar rely on it.
fn check_zones(calendar: &Component, part: &Component) -> Result<(), String> {
    let defined: BTreeSet<String> = calendar
        .children
        .iter()
        .filter_map(|one| one.line("TZID").map(Line::text))
        .collect();
    for line in &part.lines {
        let named = line
            .parameters
            .split(';')
            .find_map(|one| one.strip_prefix("TZID="));
        if let Some(zone) = named.map(|zone| zone.trim_matches('"'))
            && !defined.contains(zone)
        {
            return Err(format!("The time zone {zone} is not defined in the object"));
        }
    }
    Ok(())
}

/// A time at which something happens, Unix seconds, and what it means for being busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Happening {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) busy: Busy,
}

/// What an event means for being busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    No,
    Tentative,
    Yes,
}

/// How many times of a series are followed.
const TIMES: usize = 20_000;

/// Everything that happens in an object, repetitions included; floating times are universal time.
pub(super) fn happenings(text: &str) -> Vec<Happening> {
    let Ok(mut calendar) = ICalendar::parse(text) else {
        return Vec::new();
    };
    for component in &mut calendar.components {
        // With different ones the library would not find what an exception replaces.
        component
            .entries
            .retain(|entry| entry.name != ICalendarProperty::Sequence);
    }
    let expanded = calendar.expand_dates(Tz::UTC, TIMES);
    let happening = |event: calcard::icalendar::dates::CalendarEvent<_, _>| {
        let component = calendar.component_by_id(event.comp_id)?;
        let is_event = component.component_type == ICalendarComponentType::VEvent;
        let has_end = component.has_property(&ICalendarProperty::Dtend)
            || component.has_property(&ICalendarProperty::Duration)
            || component.has_property(&ICalendarProperty::Due);
        let (from, mut to) = event.timestamps();
        let is_day = component
            .property(&ICalendarProperty::Dtstart)
            .and_then(|start| start.values.first()?.as_partial_date_time())
            .is_some_and(|start| !start.has_time());
        if !has_end && !is_day {
            to = from;
        }
        let is_transparent = component.transparency() == Some(&ICalendarTransparency::Transparent);
        let busy = match component.status() {
            _ if !is_event || is_transparent => Busy::No,
            Some(ICalendarStatus::Cancelled) => Busy::No,
            Some(ICalendarStatus::Tentative) => Busy::Tentative,
            Some(_) | None => Busy::Yes,
        };
        Some(Happening { from, to, busy })
    };
    expanded.events.into_iter().filter_map(happening).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\n\
        DTSTAMP:20261201T000000Z\r\nDTSTART:20261201T100000Z\r\nSUMMARY;X=\"a:b\":long \r\n text\\, \r\n  \
        more\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

    #[test]
    fn folded_and_escaped_lines_are_read() {
        let calendar = parse(EVENT).expect("calendar");
        let event = &calendar.children[0];
        assert_eq!(
            event.line("SUMMARY").expect("line").text(),
            "long text,  more"
        );
        assert_eq!(check(&calendar).expect("good").uid, "1");
    }

    #[test]
    fn what_sabre_refuses_is_refused() {
        for (from, to) in [
            ("VERSION:2.0\r\n", ""),
            ("UID:1\r\n", ""),
            ("DTSTAMP:20261201T000000Z\r\n", ""),
            ("UID:1\r\n", "UID:1\r\nUID:2\r\n"),
            ("DTSTART:", "DTSTART;TZID=Europe/Berlin:"),
        ] {
            let text = EVENT.replacen(from, to, 1);
            let calendar = parse(&text).expect("calendar");
            assert!(check(&calendar).is_err(), "{to:?} for {from:?}");
        }
        for text in [
            "",
            "not a calendar",
            "BEGIN:VCALENDAR\r\n",
            "BEGIN:VCARD\r\nEND:VCARD\r\n",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        let broken = EVENT.replace("UID:1", "no colon");
        assert!(parse(&broken).is_err());
    }

    #[test]
    fn a_series_happens_again_and_again() {
        let text = EVENT.replace(
            "UID:1\r\n",
            "UID:1\r\nRRULE:FREQ=DAILY;COUNT=3\r\nDURATION:PT1H\r\n",
        );
        let times = happenings(&text);
        assert_eq!(times.len(), 3);
        assert_eq!(times[1].from - times[0].from, 86_400);
        assert_eq!(times[0].to - times[0].from, 3600);
    }
}
