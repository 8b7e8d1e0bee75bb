//! Names and texts of any characters: each request names exactly what was meant, and XML in both
//! directions keeps the text.
//!
//! The names come from a generator with a fixed seed, so a failure is the same every time.

use percent_encoding::percent_decode_str;
use quick_xml::{NsReader, escape::resolve_predefined_entity, events::Event};
use serde_json::{Value, json};

use crate::support::{Answer, Gateway, Seen};

/// How many names each property is tried with.
const CASES: usize = 600;

/// What URLs, paths, XML and people trip over.
const ALPHABET: &str = "aZ09-._~ %/\\?#&=+;:@!$'()*,[]{}|^`\"<>\t\n\r\0\u{7f}\u{85}äß€😀👩\u{200d}\u{202e}\u{2028}\u{301}שע\u{feff}\u{fffe}";

/// Endless odd texts of up to `longest` characters (`SplitMix64`).
struct Odd {
    state: u64,
    longest: usize,
    alphabet: Vec<char>,
}

impl Odd {
    fn new(longest: usize, without: impl Fn(char) -> bool) -> Self {
        Self {
            state: 20_261_121,
            longest,
            alphabet: ALPHABET.chars().filter(|c| !without(*c)).collect(),
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let limit = u64::try_from(limit).expect("a small number");
        usize::try_from((mixed ^ (mixed >> 31)) % limit).expect("a small number")
    }
}

impl Iterator for Odd {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        // Now and then what means something as a whole, and what is as long as a name may be.
        Some(match self.below(40) {
            0 => "..".to_owned(),
            1 => ".".to_owned(),
            2 => "%2e%2e".to_owned(),
            3 => "ü".repeat(250),
            4 => "100%25 #1?.txt".to_owned(),
            _ => {
                let length = 1 + self.below(self.longest);
                let indices: Vec<usize> = (0..length)
                    .map(|_| self.below(self.alphabet.len()))
                    .collect();
                indices
                    .into_iter()
                    .map(|index| self.alphabet[index])
                    .collect()
            }
        })
    }
}

/// The decoded segments of a target without query, dot segments resolved as every server does.
fn segments(target: &str) -> Vec<String> {
    assert!(!target.contains(['?', '#']), "{target}");
    let raw: Vec<&str> = target
        .strip_prefix('/')
        .expect("a path")
        .split('/')
        .collect();
    let decoded = raw.iter().map(|segment| {
        let text = percent_decode_str(segment).decode_utf8().expect("UTF-8");
        assert!(text != "." && text != "..", "a dot segment: {target}");
        text.into_owned()
    });
    decoded.collect()
}

/// The segments that name `rest` below the user's own tree of a DAV service.
fn own<'a>(service: &'a str, rest: &[&'a str]) -> Vec<String> {
    let tree = ["remote.php", "dav", service, "alice"];
    let all = tree.iter().chain(rest);
    all.map(|segment| (*segment).to_owned()).collect()
}

/// The requests about files, calendars and the like that came after `before` others.
fn since(gateway: &Gateway, before: usize) -> Vec<Seen> {
    let seen = gateway.nextcloud.seen().split_off(before);
    let asks_itself = |one: &Seen| one.target.starts_with("/ocs/");
    seen.into_iter().filter(|one| !asks_itself(one)).collect()
}

/// Whether the file tools take a path at all.
fn is_path(path: &str) -> bool {
    path.split('/').any(|segment| !segment.is_empty())
        && !path
            .split('/')
            .any(|segment| segment == "." || segment == "..")
        && !path.chars().any(char::is_control)
}

#[tokio::test]
async fn a_request_names_exactly_the_path_that_was_given() {
    let gateway = Gateway::start().await;
    let mut pieces = Odd::new(12, |_| false);
    let (mut named, mut refused) = (0, 0);
    for case in 0..CASES {
        let depth = 1 + pieces.below(3);
        let path = pieces.by_ref().take(depth).collect::<Vec<_>>().join("/");
        let (tool, arguments) = match case % 6 {
            0 => ("nc_webdav_read_file", json!({ "path": path })),
            1 => (
                "nc_webdav_write_file",
                json!({ "path": path, "content": "x" }),
            ),
            2 => ("nc_webdav_create_directory", json!({ "path": path })),
            3 => ("nc_webdav_delete_resource", json!({ "path": path })),
            4 => ("nc_webdav_list_directory", json!({ "path": path })),
            _ => (
                "nc_webdav_move_resource",
                json!({ "source_path": path, "destination_path": format!("to/{path}") }),
            ),
        };
        let before = gateway.nextcloud.seen().len();
        gateway
            .call("files.read files.write", tool, arguments)
            .await;
        let asked = since(&gateway, before);
        if !is_path(&path) && tool != "nc_webdav_list_directory" {
            assert!(asked.is_empty(), "{path:?} was asked for: {asked:?}");
        }
        if asked.is_empty() {
            refused += 1;
            continue;
        }
        let wanted: Vec<&str> = path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        for one in &asked {
            assert_eq!(
                segments(&one.target),
                own("files", &wanted),
                "{tool} {path:?}"
            );
            if let Some(destination) = one.header("destination") {
                let target = destination
                    .strip_prefix(&gateway.nextcloud.url)
                    .expect("here");
                let there = [&["to"], wanted.as_slice()].concat();
                assert_eq!(segments(target), own("files", &there), "{path:?}");
            }
        }
        named += 1;
    }
    assert!(
        named > CASES / 5 && refused > CASES / 10,
        "{named} named, {refused} refused"
    );
}

#[tokio::test]
async fn every_path_that_is_one_is_asked_for() {
    let gateway = Gateway::start().await;
    let mut named = 0;
    for path in Odd::new(12, |c| c.is_control() || c == '/').take(CASES) {
        if !is_path(&path) {
            continue;
        }
        let before = gateway.nextcloud.seen().len();
        gateway
            .call("files.read", "nc_webdav_read_file", json!({ "path": path }))
            .await;
        let asked = since(&gateway, before);
        assert!(!asked.is_empty(), "{path:?} was not asked for");
        for one in asked {
            assert_eq!(segments(&one.target), own("files", &[&path]), "{path:?}");
        }
        named += 1;
    }
    assert!(named >= 500, "only {named} paths");
}

#[tokio::test]
async fn a_name_of_a_calendar_or_an_event_never_leads_elsewhere() {
    let gateway = Gateway::start().await;
    let mut names = Odd::new(10, |_| false);
    let (mut asked_for, mut refused) = (0, 0);
    while asked_for + refused < CASES {
        let calendar = names.next().expect("endless");
        let uid = names.next().expect("endless");
        let before = gateway.nextcloud.seen().len();
        let arguments = json!({ "calendar_name": calendar, "event_uid": uid });
        gateway
            .call("calendar.read", "nc_calendar_get_event", arguments)
            .await;
        let asked = since(&gateway, before);
        if asked.is_empty() {
            refused += 1;
            continue;
        }
        for one in &asked {
            // Nextcloud decodes a path before it takes it apart: a slash would be another place.
            let segments = segments(&one.target);
            assert!(
                segments.iter().all(|segment| !segment.contains('/')),
                "{calendar:?} {uid:?}: {one:?}"
            );
            let object = format!("{uid}.ics");
            let places = [
                own("calendars", &[&calendar, ""]),
                own("calendars", &[&calendar, &object]),
            ];
            assert!(places.contains(&segments), "{calendar:?} {uid:?}: {one:?}");
        }
        asked_for += 1;
    }
    assert!(
        asked_for > CASES / 5 && refused > CASES / 20,
        "{asked_for} asked for, {refused} refused"
    );
}

/// Whether XML can carry a character at all (XML 1.0 §2.2).
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Every text in an XML document, by the name of its element, as an XML 1.0 parser reads it.
fn texts(xml: &str) -> Vec<(String, String)> {
    assert!(xml.chars().all(is_xml), "no XML 1.0: {xml:?}");
    let mut reader = NsReader::from_str(xml);
    let (mut open, mut found) = (Vec::new(), Vec::<(String, String)>::new());
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(element) => {
                let name = element.local_name().into_inner().to_owned();
                open.push(found.len());
                found.push((name, String::new()));
            }
            Event::End(_) => drop(open.pop().expect("open")),
            Event::Text(text) => {
                if let Some(&last) = open.last() {
                    found[last].1.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                let last = *open.last().expect("inside");
                if let Some(character) = reference.resolve_char_ref().expect("a character") {
                    found[last].1.push(character);
                } else {
                    let entity = reference.into_inner();
                    found[last]
                        .1
                        .push_str(resolve_predefined_entity(&entity).expect("known"));
                }
            }
            Event::Eof => return found,
            Event::Empty(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_) => {}
        }
    }
}

#[tokio::test]
async fn any_text_of_a_user_is_the_text_that_the_xml_says() {
    let gateway = Gateway::start().await;
    for (case, text) in Odd::new(20, |_| false).take(CASES).enumerate() {
        // Spaces around a name are taken off before it is sent.
        let text = format!("<{text}>");
        let readable = text.replace(|c| !is_xml(c), "\u{fffd}");
        let name = format!("team{case}");
        let arguments = json!({
            "action": "create", "calendar_name": name, "display_name": text, "description": text,
        });
        let before = gateway.nextcloud.seen().len();
        gateway
            .call("calendar.write", "nc_calendar_manage_calendar", arguments)
            .await;
        let asked = since(&gateway, before);
        let request = asked
            .iter()
            .find(|one| one.method == "MKCALENDAR")
            .expect("asked");
        let found = texts(&request.body);
        for element in ["displayname", "calendar-description"] {
            let here = found
                .iter()
                .find(|(name, _)| name == element)
                .expect("the element");
            assert_eq!(here.1, readable, "{element} in {}", request.body);
        }
    }
}

#[tokio::test]
async fn any_text_in_the_xml_of_nextcloud_reaches_the_model() {
    let gateway = Gateway::start().await;
    let all: Vec<String> = Odd::new(20, |c| !is_xml(c))
        .take(CASES)
        .map(|text| format!("<{text}>"))
        .collect();
    let responses = all.iter().enumerate().map(|(case, text)| {
        let written = match case % 3 {
            0 => text
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('\r', "&#13;"),
            1 => {
                let references = text.chars().map(|c| format!("&#x{:x};", u32::from(c)));
                references.collect::<Vec<_>>().concat()
            }
            _ => format!(
                "<![CDATA[{}]]>",
                text.replace("]]>", "]]]]><![CDATA[>").replace('\r', "]]>&#13;<![CDATA[")
            ),
        };
        format!(
            "<d:response><d:href>/remote.php/dav/calendars/alice/c{case}/</d:href><d:propstat><d:prop>\
             <d:displayname>{written}</d:displayname><d:resourcetype><d:collection/><cal:calendar/></d:resourcetype>\
             </d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
        )
    });
    let xml = format!(
        r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:cal="urn:ietf:params:xml:ns:caldav">{}</d:multistatus>"#,
        responses.collect::<String>()
    );
    gateway.nextcloud.on(
        "PROPFIND",
        "/remote.php/dav/calendars/alice/",
        Answer::xml(207, &xml),
    );
    let shown = gateway
        .ok("calendar.read", "nc_calendar_list_calendars", json!({}))
        .await;
    let shown: Vec<&Value> = shown["calendars"]
        .as_array()
        .expect("calendars")
        .iter()
        .map(|calendar| &calendar["display_name"])
        .collect();
    assert_eq!(
        shown,
        all.iter()
            .map(|text| json!(text))
            .collect::<Vec<_>>()
            .iter()
            .collect::<Vec<_>>()
    );
}
