//! Whatever is stored: an unrelated update loses nothing. The objects come from a generator with a
//! fixed seed, so a failure is the same every time.

use super::super::{recurrence::Window, view::Event};
use super::*;

/// How many objects are tried.
const CASES: usize = 600;

/// A reproducible stream of numbers (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = u64::try_from(limit).expect("small");
        usize::try_from((mixed ^ (mixed >> 31)) % limit).expect("small")
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn text(&mut self) -> String {
        let alphabet: Vec<char> = "aZ09 -;,:\\\"'<>&=()%#ä€😀\u{301}\u{202e}"
            .chars()
            .collect();
        let length = self.below(120);
        (0..length)
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }
}

/// Lines that may stand in an event; `?` is any text.
const LINES: &[&str] = &[
    "SUMMARY:?",
    "SUMMARY;LANGUAGE=de;X-P=\"a:b;c\":?",
    "DESCRIPTION;ALTREP=\"cid:part1\":?",
    "LOCATION:?",
    "COMMENT:?",
    "comment:?",
    "CATEGORIES:One,Two\\,three,?",
    "X-UNKNOWN;VALUE=BINARY;ENCODING=BASE64:AAECAwQFBgc=",
    "X-EMPTY:",
    "X-APPLE-STRUCTURED-LOCATION;VALUE=URI;X-TITLE=\"?\":geo:1,2",
    "ATTENDEE;CN=\"A, B\";PARTSTAT=ACCEPTED;X-N=1:mailto:a@example.org",
    "ATTENDEE;SCHEDULE-STATUS=5.0:MAILTO:b@example.org",
    "ORGANIZER;SENT-BY=\"mailto:x@example.org\":mailto:c@example.org",
    "RRULE:FREQ=WEEKLY;BYDAY=MO,TU;X-PART=1",
    "EXDATE;TZID=Europe/Berlin:20261208T090000,20261215T090000",
    "RDATE;VALUE=PERIOD:20261209T090000Z/PT1H",
    "STATUS:X-ODD",
    "TRANSP:TRANSPARENT",
    "GEO:48.1;11.5",
    "CONFERENCE;VALUE=URI;FEATURE=AUDIO:tel:+1-412-555-0123",
    "IMAGE;VALUE=URI;DISPLAY=BADGE:https://example.org/i.png",
    "REQUEST-STATUS:2.0;Success",
    "item1.X-GROUPED:?",
];

fn folded(chance: &mut Chance, line: &str) -> String {
    let mut folded = String::new();
    let mut since = 0;
    for character in line.chars() {
        // Anywhere a writer may fold, also earlier than needed; some fold with a tab.
        if since > 3 && chance.below(30) == 0 {
            folded.push_str(if chance.below(4) == 0 { "\n\t" } else { "\n " });
            since = 0;
        }
        folded.push(character);
        since += 1;
    }
    folded
}

fn part(chance: &mut Chance, head: &[&str]) -> String {
    let mut lines: Vec<String> = head.iter().map(|&line| line.to_owned()).collect();
    for _ in 0..chance.below(14) {
        let line = chance.one(LINES);
        let text = chance.text();
        let text = if line.contains("\"?\"") {
            text.replace('"', "'")
        } else {
            text
        };
        let at = chance.below(lines.len() + 1);
        let line = folded(chance, &line.replace('?', &text));
        lines.insert(at, line);
    }
    for _ in 0..chance.below(3) {
        let text = chance.text();
        lines.push("BEGIN:VALARM".to_owned());
        lines.push("ACTION:X-DANCE".to_owned());
        lines.push("TRIGGER;RELATED=END:PT5M".to_owned());
        lines.push(folded(chance, &format!("X-ALARM:{text}")));
        lines.push("END:VALARM".to_owned());
    }
    if chance.below(3) == 0 {
        lines.push("BEGIN:X-NEW-PART".to_owned());
        lines.push("X-IN:1".to_owned());
        lines.push("END:X-NEW-PART".to_owned());
        // A property after a component is odd, and there.
        lines.push("X-AFTER:1".to_owned());
    }
    format!("BEGIN:VEVENT\n{}\nEND:VEVENT\n", lines.join("\n"))
}

fn object(chance: &mut Chance) -> String {
    let mut text =
        "BEGIN:VCALENDAR\nVERSION:2.0\nX-WR-CALNAME:?\nPRODID:-//Somebody//EN\n".to_owned();
    if chance.below(2) == 0 {
        text.push_str(
            "BEGIN:VTIMEZONE\nTZID:Our office\nX-LIC-LOCATION:Mars/Base\nBEGIN:STANDARD\n\
             DTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD\n\
             END:VTIMEZONE\n",
        );
    }
    let start = chance.one(&[
        "DTSTART;TZID=Our office:20261201T090000",
        "DTSTART;TZID=Europe/Berlin;X-KEPT=1:20261201T090000",
        "DTSTART;VALUE=DATE:20261201",
        "DTSTART:20261201T090000Z",
        "DTSTART:20261201T090000",
    ]);
    text += &part(
        chance,
        &["UID:x", "DTSTAMP:20261101T000000Z", start, "SEQUENCE:2"],
    );
    for _ in 0..chance.below(3) {
        let head = [
            "UID:x",
            "RECURRENCE-ID:20261208T090000Z",
            "DTSTART:20261209T090000Z",
        ];
        text += &part(chance, &head);
    }
    text.push_str("END:VCALENDAR\n");
    if chance.below(5) > 0 {
        text = text.replace('\n', "\r\n");
    }
    text
}

/// The lines that an update may change.
const STAMPS: [&str; 3] = ["DTSTAMP", "LAST-MODIFIED", "SEQUENCE"];

/// The text without the lines of these properties in the series itself.
fn without(text: &str, names: &[&str]) -> String {
    let mut calendar = Component::parse(text).expect("component");
    for part in calendar.components_mut() {
        if is_series(part, "VEVENT") {
            for name in names {
                part.remove(name);
            }
        }
    }
    calendar.to_string()
}

#[test]
fn an_unrelated_update_loses_nothing() {
    let mut chance = Chance(20_261_121);
    for case in 0..CASES {
        let text = object(&mut chance);
        let object = Object::parse(&text).unwrap_or_else(|| panic!("{case}: {text}"));
        let mut draft = Draft::of(&object, Kind::Event);
        let place = chance.text();
        draft.text("LOCATION", &place).expect("an event");
        draft.stamp(1_795_251_600, true).expect("an event");
        let written = draft.finish();
        let changed: Vec<&str> = STAMPS.iter().copied().chain(["LOCATION"]).collect();
        assert_eq!(
            without(&written, &changed),
            without(&text, &changed),
            "case {case}"
        );
        let again = Object::parse(&written).expect("still an object");
        let event = again.main(Kind::Event).expect("still an event");
        let read = super::super::object::text(event, &ICalendarProperty::Location);
        assert_eq!(read.unwrap_or_default().trim(), place.trim(), "case {case}");
    }
}

#[test]
fn an_update_that_changes_nothing_writes_the_same_bytes() {
    let mut chance = Chance(7);
    for case in 0..CASES {
        let text = object(&mut chance);
        let object = Object::parse(&text).expect("object");
        assert_eq!(
            Draft::of(&object, Kind::Event).finish(),
            text,
            "case {case}"
        );
    }
}

#[test]
fn whatever_is_stored_can_be_shown() {
    let mut chance = Chance(42);
    let home = Zone::named("Europe/Berlin").expect("zone");
    let window = Window {
        from: 1_795_000_000,
        to: 1_800_000_000,
    };
    for case in 0..CASES / 4 {
        let text = object(&mut chance);
        let stored = crate::nextcloud::CalendarObject {
            calendar: "work".to_owned(),
            name: "x.ics".to_owned(),
            href: String::new(),
            etag: "e".to_owned(),
            text: text.clone(),
        };
        let object = Object::parse(&text).expect("object");
        let event = Event::whole(&stored, &object, &home);
        assert_eq!(
            event.map(|event| event.uid).as_deref(),
            Some("x"),
            "case {case}"
        );
        let times = super::super::recurrence::occurrences(&object, Kind::Event, window, &home);
        assert!(!times.is_empty(), "case {case}: {text}");
    }
}
