//! Content lines, the format that iCalendar (RFC 5545 §3.1) and vCard (RFC 6350 §3.2) share.
//!
//! Owns changing one line and keeping every other byte: a text becomes a tree of components and
//! raw lines, and what nobody touched is written back as it came, folding, case and unknown
//! properties included. What a property means is the families' matter, and its values are read
//! with `calcard`.

use std::fmt;

/// The longest line in octets, without its end (RFC 5545 §3.1).
const LINE_LENGTH: usize = 75;

/// A text that is no well-formed component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is no single well-formed component")]
pub(super) struct NotAComponent;

/// A component with everything in it, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component {
    name: String,
    begin: Line,
    items: Vec<Item>,
    end: Line,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Line(Line),
    Component(Component),
}

impl Component {
    /// An empty component.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            begin: Line::new("BEGIN").raw(name).ended("\r\n"),
            items: Vec::new(),
            end: Line::new("END").raw(name).ended("\r\n"),
        }
    }

    /// Reads a text with one component.
    pub(super) fn parse(text: &str) -> Result<Self, NotAComponent> {
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        for line in logical_lines(text) {
            let line = Line::read(line);
            match line.name.as_str() {
                // Nothing may follow the component but emptiness, which is not kept.
                _ if root.is_some() && !line.is_blank() => return Err(NotAComponent),
                "BEGIN" => open.push(Self {
                    name: line.value().trim().to_ascii_uppercase(),
                    end: Line::new("END"),
                    items: Vec::new(),
                    begin: line,
                }),
                "END" => {
                    let mut done = open.pop().ok_or(NotAComponent)?;
                    if done.name != line.value().trim().to_ascii_uppercase() {
                        return Err(NotAComponent);
                    }
                    done.end = line;
                    match open.last_mut() {
                        Some(parent) => parent.items.push(Item::Component(done)),
                        None => root = Some(done),
                    }
                }
                _ => match open.last_mut() {
                    Some(parent) => parent.items.push(Item::Line(line)),
                    None if line.is_blank() => {}
                    None => return Err(NotAComponent),
                },
            }
        }
        root.filter(|_| open.is_empty()).ok_or(NotAComponent)
    }

    /// The component's name in upper case.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The lines of a property, in order.
    pub(super) fn lines<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> + 'a {
        self.items.iter().filter_map(move |item| match item {
            Item::Line(line) if line.name == name => Some(line),
            Item::Line(_) | Item::Component(_) => None,
        })
    }

    /// All lines, in order, without those of the components inside.
    pub(super) fn all_lines(&self) -> impl Iterator<Item = &Line> {
        self.items.iter().filter_map(|item| match item {
            Item::Line(line) => Some(line),
            Item::Component(_) => None,
        })
    }

    /// The first line of a property.
    pub(super) fn line(&self, name: &str) -> Option<&Line> {
        self.items.iter().find_map(|item| match item {
            Item::Line(line) if line.name == name => Some(line),
            Item::Line(_) | Item::Component(_) => None,
        })
    }

    /// Replaces all lines of a property by these; the first one takes the place of the first.
    pub(super) fn set(&mut self, name: &str, lines: impl IntoIterator<Item = Line>) {
        let at = self.items.iter().position(|item| item.is_line(name));
        self.items.retain(|item| !item.is_line(name));
        let at = at.unwrap_or_else(|| {
            let is_component = |item: &Item| matches!(item, Item::Component(_));
            let first = self.items.iter().position(is_component);
            first.unwrap_or(self.items.len())
        });
        let ending = self.begin.ending();
        let lines: Vec<Item> = lines
            .into_iter()
            .map(|line| Item::Line(line.ended(ending)))
            .collect();
        self.items.splice(at..at, lines);
    }

    /// Changes the lines of a property one by one, each in its place; `None` removes the line.
    pub(super) fn rewrite(&mut self, name: &str, mut change: impl FnMut(&Line) -> Option<Line>) {
        let ending = self.begin.ending();
        let items = std::mem::take(&mut self.items).into_iter();
        self.items = items
            .filter_map(|item| match item {
                Item::Line(line) if line.name == name => {
                    change(&line).map(|line| Item::Line(line.ended(ending)))
                }
                kept @ (Item::Line(_) | Item::Component(_)) => Some(kept),
            })
            .collect();
    }

    /// Adds a line after all others.
    pub(super) fn add(&mut self, line: Line) {
        let is_component = |item: &Item| matches!(item, Item::Component(_));
        let first = self.items.iter().position(is_component);
        let line = Item::Line(line.ended(self.begin.ending()));
        self.items.insert(first.unwrap_or(self.items.len()), line);
    }

    /// Removes all lines of a property.
    pub(super) fn remove(&mut self, name: &str) {
        self.set(name, []);
    }

    /// The components in this one, in order.
    pub(super) fn components(&self) -> impl Iterator<Item = &Self> {
        self.items.iter().filter_map(|item| match item {
            Item::Component(component) => Some(component),
            Item::Line(_) => None,
        })
    }

    /// The components in this one, to change them.
    pub(super) fn components_mut(&mut self) -> impl Iterator<Item = &mut Self> {
        self.items.iter_mut().filter_map(|item| match item {
            Item::Component(component) => Some(component),
            Item::Line(_) => None,
        })
    }

    /// Keeps only the components that pass; lines stay.
    pub(super) fn retain_components(&mut self, keep: impl Fn(&Self) -> bool) {
        self.items.retain(|item| match item {
            Item::Component(component) => keep(component),
            Item::Line(_) => true,
        });
    }

    /// Adds a component at the end.
    pub(super) fn push(&mut self, component: Self) {
        let component = component.ended(self.begin.ending());
        self.items.push(Item::Component(component));
    }

    /// Adds a component before all others.
    pub(super) fn push_first(&mut self, component: Self) {
        let is_component = |item: &Item| matches!(item, Item::Component(_));
        let first = self.items.iter().position(is_component);
        let component = component.ended(self.begin.ending());
        let at = first.unwrap_or(self.items.len());
        self.items.insert(at, Item::Component(component));
    }

    /// The same with line ends of this kind.
    fn ended(mut self, ending: &str) -> Self {
        self.begin = self.begin.ended(ending);
        self.end = self.end.ended(ending);
        self.items = self
            .items
            .into_iter()
            .map(|item| match item {
                Item::Line(line) => Item::Line(line.ended(ending)),
                Item::Component(component) => Item::Component(component.ended(ending)),
            })
            .collect();
        self
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.begin.raw)?;
        for item in &self.items {
            match item {
                Item::Line(line) => f.write_str(&line.raw)?,
                Item::Component(component) => write!(f, "{component}")?,
            }
        }
        f.write_str(&self.end.raw)
    }
}

impl Item {
    fn is_line(&self, name: &str) -> bool {
        matches!(self, Self::Line(line) if line.name == name)
    }
}

/// One line of a property, folded or not, with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// In upper case and without a group (`item1.`).
    name: String,
    raw: String,
}

impl Line {
    /// A line of this property, without parameters and value.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_ascii_uppercase(),
            raw: name.to_owned(),
        }
    }

    fn read(raw: &str) -> Self {
        let unfolded = unfold(raw);
        let end = unfolded.find([':', ';']).unwrap_or(unfolded.len());
        let name = unfolded.get(..end).unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or(name);
        Self {
            name: name
                .trim_start_matches('\u{feff}')
                .trim()
                .to_ascii_uppercase(),
            raw: raw.to_owned(),
        }
    }

    /// Adds a parameter; its value is quoted and encoded where needed (RFC 6868).
    pub(super) fn param(mut self, name: &str, value: &str) -> Self {
        let mut encoded = String::new();
        for character in value.chars() {
            match character {
                '^' => encoded.push_str("^^"),
                '"' => encoded.push_str("^'"),
                '\n' => encoded.push_str("^n"),
                other if other.is_control() => {}
                other => encoded.push(other),
            }
        }
        let quote = if encoded.contains([',', ';', ':']) {
            "\""
        } else {
            ""
        };
        self.raw.extend([";", name, "=", quote, &encoded, quote]);
        self
    }

    /// Completes the line with a text, escaped.
    pub(super) fn text(self, value: &str) -> Self {
        self.raw(&escaped(value))
    }

    /// Completes the line with several texts, escaped and separated by commas.
    pub(super) fn texts<'a>(self, values: impl IntoIterator<Item = &'a str>) -> Self {
        let values: Vec<String> = values.into_iter().map(escaped).collect();
        self.raw(&values.join(","))
    }

    /// Completes the line with a value that has its own syntax. Control characters, which could
    /// begin another line, are left out.
    pub(super) fn raw(mut self, value: &str) -> Self {
        self.raw.push(':');
        self.raw.extend(value.chars().filter(|c| !c.is_control()));
        self.raw = folded(&self.raw);
        self
    }

    /// What stands after the name and parameters, unfolded.
    pub(super) fn value(&self) -> String {
        let unfolded = unfold(&self.raw);
        let mut is_quoted = false;
        let colon = unfolded.find(|character| {
            is_quoted ^= character == '"';
            character == ':' && !is_quoted
        });
        let value = colon.and_then(|colon| unfolded.get(colon + 1..));
        value.unwrap_or_default().to_owned()
    }

    /// Everything before the value, unfolded: the name and the parameters.
    pub(super) fn head(&self) -> String {
        let unfolded = unfold(&self.raw);
        let length = unfolded.len().saturating_sub(self.value().len() + 1);
        unfolded.get(..length).unwrap_or_default().to_owned()
    }

    /// The line with another value of its own syntax, name and parameters unchanged.
    pub(super) fn with_value(&self, value: &str) -> Self {
        self.head_alone().raw(value)
    }

    /// The property's name in upper case, without a group.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The name, group and parameters without the value, to be completed.
    pub(super) fn head_alone(&self) -> Self {
        Self {
            name: self.name.clone(),
            raw: self.head(),
        }
    }

    /// The line as it is on the wire, with its folds and its end.
    pub(super) fn as_str(&self) -> &str {
        &self.raw
    }

    /// The group that the line is in, `item1` in `item1.TEL:…` (RFC 6350 §3.3), in lower case.
    pub(super) fn group(&self) -> Option<String> {
        let head = self.head();
        let name = head.split(';').next().unwrap_or_default();
        let (group, _) = name.rsplit_once('.')?;
        Some(group.trim().to_ascii_lowercase())
    }

    /// The line without the parameters of these names.
    pub(super) fn without_params(&self, names: &[&str]) -> Self {
        let mut raw = String::new();
        for (index, part) in unquoted_split(&self.head(), ';').into_iter().enumerate() {
            let name = part.split('=').next().unwrap_or_default().trim();
            let is_param = index > 0;
            if is_param && names.iter().any(|one| one.eq_ignore_ascii_case(name)) {
                continue;
            }
            raw.extend([if is_param { ";" } else { "" }, part]);
        }
        let line = Self {
            name: self.name.clone(),
            raw,
        };
        line.raw(&self.value())
    }

    fn is_blank(&self) -> bool {
        self.raw.trim().is_empty()
    }

    fn ending(&self) -> &'static str {
        if self.raw.ends_with("\r\n") || !self.raw.ends_with('\n') {
            "\r\n"
        } else {
            "\n"
        }
    }

    /// The line with ends of this kind, the folded ones included.
    fn ended(mut self, ending: &str) -> Self {
        let content = self.raw.trim_end_matches(['\r', '\n']);
        self.raw = content.replace("\r\n", "\n").replace('\n', ending);
        self.raw.push_str(ending);
        self
    }
}

/// The parts of a text between separators that are not in quotes.
fn unquoted_split(text: &str, separator: char) -> Vec<&str> {
    let mut is_quoted = false;
    text.split(move |character| {
        is_quoted ^= character == '"';
        character == separator && !is_quoted
    })
    .collect()
}

/// The lines of a text as they are on the wire, continuations included.
fn logical_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut at) = (0, 0);
    for physical in text.split_inclusive('\n') {
        at += physical.len();
        let is_continued = text
            .get(at..)
            .is_some_and(|rest| rest.starts_with([' ', '\t']));
        if !is_continued {
            lines.extend(text.get(start..at));
            start = at;
        }
    }
    lines
}

fn unfold(raw: &str) -> String {
    let mut unfolded = String::with_capacity(raw.len());
    for (index, physical) in raw.split('\n').enumerate() {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        let content = if index == 0 {
            physical
        } else {
            physical.strip_prefix([' ', '\t']).unwrap_or(physical)
        };
        unfolded.push_str(content);
    }
    unfolded
}

/// The line in pieces of at most 75 octets, never torn inside a character.
fn folded(line: &str) -> String {
    let mut folded = String::with_capacity(line.len());
    let mut length = 0;
    for character in line.chars() {
        if length + character.len_utf8() > LINE_LENGTH {
            folded.push_str("\r\n ");
            length = 1;
        }
        folded.push(character);
        length += character.len_utf8();
    }
    folded
}

/// A text as a value, escaped.
///
/// RFC 5545 §3.3.11, RFC 6350 §3.4. Control characters cannot be said at all, and XML could not
/// carry them.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            ';' => escaped.push_str("\\;"),
            ',' => escaped.push_str("\\,"),
            '\n' => escaped.push_str("\\n"),
            other if other.is_control() && other != '\t' => {}
            '\t' => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "BEGIN:VCALENDAR\r\nx-first;P=\"a:b\":1\r\nBEGIN:vevent\r\nUID:7\r\n\
         SUMMARY:a long\r\n  line\\, folded\r\n\t twice\r\nitem1.X-Odd:\r\n\r\nBEGIN:VALARM\r\n\
         ACTION:NONE\r\nEND:VALARM\r\nX-LATE:after the alarm\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

    #[test]
    fn a_text_that_nobody_touches_stays_byte_for_byte() {
        for text in [
            EVENT.to_owned(),
            EVENT.replace("\r\n", "\n"),
            EVENT.trim_end().to_owned(),
        ] {
            let tree = Component::parse(&text).expect("component");
            assert_eq!(tree.to_string(), text);
        }
    }

    #[test]
    fn one_line_changes_and_its_neighbours_do_not() {
        let mut tree = Component::parse(EVENT).expect("component");
        let event = tree.components_mut().next().expect("event");
        let summary = event.line("SUMMARY").expect("summary");
        assert_eq!(summary.value(), "a long line\\, folded twice");
        event.set("SUMMARY", [Line::new("SUMMARY").text("new")]);
        event.set("LOCATION", [Line::new("LOCATION").text("here, there")]);
        event.remove("X-LATE");
        let expected = EVENT
            .replace(
                "SUMMARY:a long\r\n  line\\, folded\r\n\t twice\r\n",
                "SUMMARY:new\r\n",
            )
            .replace(
                "\r\n\r\nBEGIN:VALARM",
                "\r\n\r\nLOCATION:here\\, there\r\nBEGIN:VALARM",
            )
            .replace("X-LATE:after the alarm\r\n", "");
        assert_eq!(tree.to_string(), expected);
    }

    #[test]
    fn new_lines_end_as_the_others_do() {
        let mut tree = Component::parse("BEGIN:A\nX:1\nEND:A\n").expect("component");
        tree.set("Y", [Line::new("Y").text(&"y".repeat(100))]);
        let mut part = Component::new("B");
        part.set("Z", [Line::new("Z").raw("1")]);
        tree.push(part);
        let text = tree.to_string();
        assert!(!text.contains('\r'), "{text:?}");
        assert!(text.ends_with("BEGIN:B\nZ:1\nEND:B\nEND:A\n"), "{text:?}");
        let again = Component::parse(&text).expect("component");
        assert_eq!(again.line("Y").expect("y").value(), "y".repeat(100));
    }

    #[test]
    fn lines_are_rewritten_in_their_places() {
        let text = "BEGIN:A\nX:1\nY:2\ng.x;P=\"a;b\";Q=r:3\nEND:A\n";
        let mut tree = Component::parse(text).expect("component");
        tree.rewrite("X", |line| {
            let is_grouped = line.group().as_deref() == Some("g");
            is_grouped.then(|| line.without_params(&["p"]).with_value("4"))
        });
        tree.add(Line::new("Z").raw("5"));
        assert_eq!(tree.to_string(), "BEGIN:A\nY:2\ng.x;Q=r:4\nZ:5\nEND:A\n");
    }

    #[test]
    fn what_is_no_single_component_is_refused() {
        for text in [
            "",
            "X:1\r\n",
            "BEGIN:A\r\n",
            "BEGIN:A\r\nEND:B\r\n",
            "END:A\r\n",
            "BEGIN:A\r\nEND:A\r\nBEGIN:A\r\nEND:A\r\n",
        ] {
            assert_eq!(Component::parse(text), Err(NotAComponent), "{text:?}");
        }
    }

    #[test]
    fn no_value_can_begin_another_line() {
        let evil = "x\r\nEND:VEVENT\nATTENDEE:y";
        for line in [
            Line::new("SUMMARY").text(evil),
            Line::new("URL").raw(evil),
            Line::new("ATTENDEE").param("CN", evil).raw("mailto:a@b.c"),
            Line::new("CATEGORIES").texts([evil, evil]),
        ] {
            let lines = logical_lines(&line.raw).len();
            assert_eq!(lines, 1, "{:?}", line.raw);
        }
    }

    #[test]
    fn long_lines_are_folded_between_characters() {
        let text = "ä€😀x".repeat(40);
        let line = Line::new("DESCRIPTION").text(&text);
        for physical in line.raw.split("\r\n") {
            assert!(physical.len() <= LINE_LENGTH, "{physical}");
        }
        assert_eq!(line.value(), text);
    }

    #[test]
    fn a_parameter_is_quoted_and_encoded() {
        let line = Line::new("ATTENDEE")
            .param("CN", "A \"B\", C^")
            .raw("mailto:x@y.z");
        assert_eq!(line.head(), "ATTENDEE;CN=\"A ^'B^', C^^\"");
        assert_eq!(line.value(), "mailto:x@y.z");
        let other = line.with_value("mailto:q@y.z");
        assert_eq!(
            (other.head(), other.value()),
            (line.head(), "mailto:q@y.z".to_owned())
        );
    }
}
