//! What a stored vCard says: its lines, and the contact that a tool shows.
//!
//! Holds a card as raw lines; the values of a line are read by `calcard`, one line at a time, so
//! that a line to change is never in doubt.

use calcard::vcard::{VCard, VCardEntry, VCardParameterName, VCardProperty, VCardValue};
use schemars::JsonSchema;
use serde::Serialize;

use super::birthday::Birthday;
use crate::tools::content_line::{Component, Line};

/// A contact.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Contact {
    /// Its uid, which the other tools take.
    pub(super) uid: String,
    /// The version; `nc_contacts_update_contact` takes it.
    pub(super) etag: String,
    /// The full name.
    #[serde(rename = "fn")]
    pub(super) full_name: String,
    /// The nicknames.
    nickname: Vec<String>,
    /// The e-mail addresses.
    email: Vec<Labelled>,
    /// The phone numbers.
    tel: Vec<Labelled>,
    /// The web addresses.
    url: Vec<Labelled>,
    /// The postal addresses, each on one line.
    address: Vec<Labelled>,
    /// The organisation, its departments behind semicolons; empty when there is none.
    org: String,
    /// The position; empty when there is none.
    title: String,
    /// The birthday, such as 1985-04-12, or --04-12 without a year; empty when there is none.
    bday: String,
    /// The categories, also called groups.
    categories: Vec<String>,
    /// The note; empty when there is none.
    note: String,
}

/// A value with what it is for.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Labelled {
    /// The value.
    pub(super) value: String,
    /// What it is for, such as "home", "work" or "cell".
    pub(super) types: Vec<String>,
    /// A name that the user gave it; empty when there is none.
    label: String,
    /// Whether it is the preferred one.
    pub(super) preferred: bool,
}

/// A stored card.
#[derive(Debug, Clone)]
pub(super) struct Card {
    raw: Component,
}

impl Card {
    /// Reads a card; `None` when the text is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let raw = Component::parse(text).ok()?;
        (raw.name() == "VCARD").then_some(Self { raw })
    }

    /// A new card with nothing in it.
    pub(super) fn of(raw: Component) -> Self {
        Self { raw }
    }

    /// The lines.
    pub(super) fn raw(&self) -> &Component {
        &self.raw
    }

    /// The lines, to change some of them.
    pub(super) fn raw_mut(&mut self) -> &mut Component {
        &mut self.raw
    }

    /// Whether it is of version 4.0 (RFC 6350); otherwise it is of 3.0 or older.
    pub(super) fn is_version_4(&self) -> bool {
        let version = self.raw.line("VERSION").map(Line::value);
        version.is_some_and(|version| version.trim().starts_with('4'))
    }

    /// The values of a line.
    pub(super) fn entry(&self, line: &Line) -> Option<VCardEntry> {
        let version = if self.is_version_4() { "4.0" } else { "3.0" };
        let line = line.as_str().trim_end_matches(['\r', '\n']);
        let card = format!("BEGIN:VCARD\r\nVERSION:{version}\r\n{line}\r\nEND:VCARD\r\n");
        let entries = VCard::parse(card).ok()?.entries;
        entries
            .into_iter()
            .find(|entry| entry.name != VCardProperty::Version)
    }

    /// The UID, if it has one.
    pub(super) fn uid(&self) -> Option<String> {
        self.text("UID").filter(|uid| !uid.is_empty())
    }

    /// The value of the first line of a property.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let entry = self.entry(self.raw.line(name)?)?;
        Some(joined(&entry, ";"))
    }

    /// All values of a property that holds several.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let entries = self.raw.lines(name).filter_map(|line| self.entry(line));
        let texts = entries.flat_map(|entry| entry.values.iter().map(text).collect::<Vec<_>>());
        texts
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// The value of a line with what it is for.
    pub(super) fn labelled(&self, line: &Line) -> Option<Labelled> {
        let entry = self.entry(line)?;
        let separator = if entry.name == VCardProperty::Adr {
            ", "
        } else {
            ";"
        };
        let value = joined(&entry, separator);
        let value = value.trim();
        let value = plain(line.name(), value);
        let types = entry.parameters(&VCardParameterName::Type);
        let mut types: Vec<String> = types
            .filter_map(|kind| kind.as_text().map(str::to_ascii_lowercase))
            .flat_map(|kinds| kinds.split(',').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let count = types.len();
        types.retain(|kind| kind != "pref");
        let has_pref = entry.parameters(&VCardParameterName::Pref).next().is_some();
        Some(Labelled {
            value: value.to_owned(),
            preferred: has_pref || types.len() < count,
            types,
            label: self.label(line).unwrap_or_default(),
        })
    }

    /// The label that Apple's programs and Nextcloud put beside a line, in a line of its group.
    fn label(&self, line: &Line) -> Option<String> {
        let group = line.group()?;
        let mut labels = self.raw.lines("X-ABLABEL");
        let label = labels.find(|label| label.group().as_deref() == Some(group.as_str()))?;
        let label = joined(&self.entry(label)?, ";");
        // Apple marks the labels that its programs translate.
        let label = label
            .trim()
            .trim_start_matches("_$!<")
            .trim_end_matches(">!$_");
        (!label.is_empty()).then(|| label.to_owned())
    }

    fn all_labelled(&self, name: &str) -> Vec<Labelled> {
        let all = self.raw.lines(name).filter_map(|line| self.labelled(line));
        all.filter(|one| !one.value.is_empty()).collect()
    }

    /// The contact as the tools show it; `name` stands for a UID that is missing.
    pub(super) fn contact(&self, name: &str, etag: &str) -> Contact {
        let text = |name| self.text(name).unwrap_or_default();
        let uid = self.uid();
        let bday = self.raw.line("BDAY");
        Contact {
            uid: uid.unwrap_or_else(|| name.strip_suffix(".vcf").unwrap_or(name).to_owned()),
            etag: etag.to_owned(),
            full_name: text("FN"),
            nickname: self.texts("NICKNAME"),
            email: self.all_labelled("EMAIL"),
            tel: self.all_labelled("TEL"),
            url: self.all_labelled("URL"),
            address: self.all_labelled("ADR"),
            org: text("ORG"),
            title: text("TITLE"),
            bday: bday
                .and_then(Birthday::of)
                .map(Birthday::shown)
                .or_else(|| bday.map(Line::value))
                .unwrap_or_default(),
            categories: self.texts("CATEGORIES"),
            note: text("NOTE"),
        }
    }
}

/// The parts of a value that are there.
fn joined(entry: &VCardEntry, separator: &str) -> String {
    let parts: Vec<String> = entry.values.iter().map(text).collect();
    if entry.name == VCardProperty::Adr {
        let parts = parts.iter().map(|part| part.trim());
        return parts
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(separator);
    }
    let joined = parts.join(separator);
    if entry.name == VCardProperty::Org {
        joined.trim_end_matches(';').to_owned()
    } else {
        joined
    }
}

fn text(value: &VCardValue) -> String {
    match value {
        VCardValue::Component(parts) => parts.join(","),
        VCardValue::Integer(number) => number.to_string(),
        VCardValue::Float(number) => number.to_string(),
        VCardValue::Boolean(truth) => truth.to_string(),
        VCardValue::Text(_)
        | VCardValue::PartialDateTime(_)
        | VCardValue::Binary(_)
        | VCardValue::Sex(_)
        | VCardValue::GramGender(_)
        | VCardValue::Kind(_) => value.as_text().unwrap_or_default().to_owned(),
    }
}

/// A value of a property without the scheme that some programs put before it.
pub(super) fn plain<'a>(property: &str, value: &'a str) -> &'a str {
    match property {
        "TEL" => without_scheme(value, "tel:"),
        "EMAIL" => without_scheme(value, "mailto:"),
        _ => value,
    }
}

fn without_scheme<'a>(value: &'a str, scheme: &str) -> &'a str {
    let mut value = value.trim();
    // Some wrote it twice; reading it once would make the value differ from itself.
    while let Some(start) = value.get(..scheme.len())
        && start.eq_ignore_ascii_case(scheme)
    {
        value = value.get(scheme.len()..).unwrap_or_default().trim_start();
    }
    value
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn shown(text: &str) -> Value {
        let card = Card::parse(text).expect("a card");
        serde_json::to_value(card.contact("object.vcf", "e1")).expect("json")
    }

    #[test]
    fn a_card_of_version_3_is_read() {
        let contact = shown(
            "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u-1\r\nFN:Zoë\\, the \\\"one\\\"\r\nN:One;Zoë;;;\r\n\
             NICKNAME:Zo,Zed\r\nitem1.EMAIL;TYPE=INTERNET,pref:zoe@example.test\r\n\
             item1.X-ABLabel:_$!<Work>!$_\r\nEMAIL;type=HOME:z@home\r\n .example\r\nTEL;TYPE=CELL:+49 1; 2\r\n\
             ADR;TYPE=HOME:;;Weg 1\\, Haus 2;Köln;;50667;DE\r\nORG:ACME\\; Sons;Sales;\r\n\
             TITLE:Boss\r\nBDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12\r\nCATEGORIES:a,b\\,c\r\n\
             URL:https://example.test/a;b?c=d:e\r\nNOTE:one\\ntwo: https://x.test/\\;y\r\n\
             PHOTO;ENCODING=b;TYPE=JPEG:AAAA\r\nEND:VCARD\r\n",
        );
        assert_eq!(
            contact,
            json!({
                "uid": "u-1", "etag": "e1", "fn": "Zoë, the \"one\"", "nickname": ["Zo", "Zed"],
                "email": [
                    { "value": "zoe@example.test", "types": ["internet"], "label": "Work", "preferred": true },
                    { "value": "z@home.example", "types": ["home"], "label": "", "preferred": false },
                ],
                "tel": [{ "value": "+49 1; 2", "types": ["cell"], "label": "", "preferred": false }],
                "url": [{ "value": "https://example.test/a;b?c=d:e", "types": [], "label": "", "preferred": false }],
                "address": [{ "value": "Weg 1, Haus 2, Köln, 50667, DE", "types": ["home"], "label": "", "preferred": false }],
                "org": "ACME; Sons;Sales", "title": "Boss", "bday": "--04-12",
                "categories": ["a", "b,c"], "note": "one\ntwo: https://x.test/;y",
            })
        );
    }

    #[test]
    fn a_card_of_version_4_is_read() {
        let contact = shown(
            "BEGIN:VCARD\nVERSION:4.0\nFN:李 小龍 🐉\nTEL;VALUE=uri;PREF=1;TYPE=\"voice,home\":tel:+1-555\n\
             EMAIL:MAILTO:a@b.c\nBDAY:19401127\nEND:VCARD\n",
        );
        assert_eq!(
            contact["uid"], "object",
            "the object's name stands for a missing UID"
        );
        assert_eq!(contact["fn"], "李 小龍 🐉");
        assert_eq!(
            contact["tel"],
            json!([{ "value": "+1-555", "types": ["voice", "home"], "label": "", "preferred": true }])
        );
        assert_eq!(contact["email"][0]["value"], "a@b.c");
        assert_eq!(contact["bday"], "1940-11-27");
    }

    #[test]
    fn what_is_no_card_is_none() {
        for text in [
            "",
            "nonsense",
            "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
            "BEGIN:VCARD\r\nFN:x\r\n",
        ] {
            assert!(Card::parse(text).is_none(), "{text}");
        }
    }
}
