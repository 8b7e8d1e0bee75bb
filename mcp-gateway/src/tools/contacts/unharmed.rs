//! The promise of this family: for any contact, a change of one detail harms nothing else.
//!
//! Contacts are made up at random, from a fixed seed: both versions, both line ends, folds at any
//! place, groups with labels, properties nobody knows, pictures, all of Unicode.

use serde_json::{Value, json};

use super::{card::Card, data::ContactData, edit};

/// Contacts that are tried.
const TRIES: u64 = 3000;

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).expect("small")).expect("small")
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// A text with all that is awkward in a vCard.
    fn text(&mut self) -> String {
        const PIECES: &[&str] = &[
            "Zoë",
            "李小龍",
            "🐉",
            "a",
            " ",
            "b c",
            "\\,",
            "\\;",
            "\\n",
            ":",
            "\"",
            "=",
            "%20",
            "+",
            "#",
            "e\u{301}",
            "שלום",
            "x.y@z.test",
            "tel:",
            "--",
            "^n",
            "'",
            "<&>",
            "https://a.test/?b=c",
        ];
        let count = 1 + self.below(12);
        (0..count).map(|_| self.pick(PIECES)).collect()
    }

    fn name(&mut self) -> &'static str {
        self.pick(&[
            "EMAIL",
            "email",
            "TEL",
            "Tel",
            "URL",
            "NOTE",
            "TITLE",
            "ORG",
            "NICKNAME",
            "CATEGORIES",
            "X-SOCIALPROFILE",
            "X-ODD",
            "IMPP",
            "ADR",
            "ROLE",
            "GEO",
            "KEY",
            "RELATED",
            "LANG",
            "PHOTO",
            "X-EMAIL",
            "EMAILX",
            "REV",
            "CLIENTPIDMAP",
        ])
    }

    fn params(&mut self) -> String {
        let count = self.below(3);
        (0..count)
            .map(|_| {
                self.pick(&[
                    ";TYPE=HOME",
                    ";type=work,pref",
                    ";TYPE=\"cell,voice\"",
                    ";PREF=1",
                    ";X-A=\"b;c:d,e\"",
                    ";LANGUAGE=de",
                    ";ALTID=1",
                    ";X-FLAG",
                    ";VALUE=text",
                    ";PID=1.1",
                ])
            })
            .collect()
    }

    /// A line, folded anywhere between characters.
    fn line(&mut self, content: &str, ending: &str) -> String {
        let mut line = String::new();
        for (index, character) in content.chars().enumerate() {
            if index > 0 && self.chance(25) {
                line.push_str(ending);
                line.push_str(self.pick(&[" ", "\t"]));
            }
            line.push(character);
        }
        line + ending
    }

    /// A card, and its lines without the frame.
    fn card(&mut self) -> (String, Vec<String>) {
        let ending = self.pick(&["\r\n", "\r\n", "\n"]);
        let version = self.pick(&["3.0", "4.0"]);
        let mut lines = vec![format!("VERSION:{version}"), "UID:u-1".to_owned()];
        let full_name = self.text();
        lines.push(format!("FN{}:{full_name}", self.params()));
        if self.chance(2) {
            let at = self.below(lines.len());
            lines.insert(at + 1, format!("N:{};{};;;", self.text(), self.text()));
        }
        for group in 0..self.below(12) {
            let name = self.name();
            let content = format!("{name}{}:{}", self.params(), self.text());
            if self.chance(3) {
                lines.push(format!("item{group}.{content}"));
                lines.push(format!("item{group}.X-ABLabel:{}", self.text()));
            } else {
                lines.push(content);
            }
        }
        if self.chance(3) {
            let day = self.pick(&["1985-04-12", "19850412", "circa 1985", "--0412"]);
            lines.push(format!("BDAY:{day}"));
        }
        if self.chance(4) {
            lines.push(format!(
                "PHOTO;ENCODING=b;TYPE=JPEG:{}",
                "QUJDREVG".repeat(self.below(60))
            ));
        }
        let lines: Vec<String> = lines.iter().map(|line| self.line(line, ending)).collect();
        let begin = self.pick(&["BEGIN:VCARD", "begin:vcard", "BEGIN:VCard"]);
        (
            format!("{begin}{ending}{}END:VCARD{ending}", lines.concat()),
            lines,
        )
    }
}

/// The property of a line, in upper case.
fn property(line: &str) -> String {
    let unfolded: String = line
        .replace("\r\n", "\n")
        .replace("\n ", "")
        .replace("\n\t", "");
    let name = unfolded.split([':', ';']).next().expect("a name").trim();
    name.rsplit('.')
        .next()
        .expect("a name")
        .to_ascii_uppercase()
}

fn changed(text: &str, data: &Value) -> (Card, String) {
    let data: ContactData = serde_json::from_value(data.clone()).expect("data");
    let mut card = Card::parse(text).unwrap_or_else(|| panic!("no card: {text:?}"));
    edit::update(&mut card, &data).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let text = card.raw().to_string();
    (card, text)
}

/// One detail to change: what is said, and the properties that may change with it.
fn detail(dice: &mut Dice) -> (&'static str, &'static [&'static str], Value) {
    let value = match dice.below(3) {
        0 => String::new(),
        1 => "new; one, of: \"these\" 🐈".to_owned(),
        _ => dice.text().trim().to_owned(),
    };
    match dice.below(10) {
        0 => ("email", &["EMAIL", "X-ABLABEL"], json!(value)),
        1 => (
            "tel",
            &["TEL", "X-ABLABEL"],
            json!([value, { "value": "+49 1", "types": ["cell"] }]),
        ),
        2 => ("url", &["URL", "X-ABLABEL"], json!([])),
        3 => ("note", &["NOTE", "X-ABLABEL"], json!(value)),
        4 => ("title", &["TITLE", "X-ABLABEL"], json!(value)),
        5 => ("org", &["ORG", "X-ABLABEL"], json!(value)),
        6 => ("nickname", &["NICKNAME", "X-ABLABEL"], json!([value])),
        7 => ("categories", &["CATEGORIES", "X-ABLABEL"], json!(value)),
        8 => ("bday", &["BDAY"], json!("1999-12-31")),
        _ => ("fn", &["FN", "N"], json!(format!("N {value}").trim())),
    }
}

#[test]
fn for_any_contact_a_change_of_one_detail_harms_no_other_line() {
    let mut dice = Dice(0x5eed_0001);
    for _ in 0..TRIES {
        let (text, lines) = dice.card();
        let (field, touched, value) = detail(&mut dice);
        let (card, after) = changed(&text, &json!({ field: value }));
        let mut rest = after.as_str();
        for line in lines
            .iter()
            .filter(|line| !touched.contains(&property(line).as_str()))
        {
            let at = rest.find(line.as_str()).unwrap_or_else(|| {
                panic!("{field}={value} harmed {line:?}\nbefore {text:?}\nafter {after:?}")
            });
            rest = &rest[at + line.len()..];
        }
        // What is there now can be read, and saying the same again changes nothing.
        let contact = serde_json::to_value(card.contact("x.vcf", "e")).expect("json");
        let again = Card::parse(&after).unwrap_or_else(|| panic!("no card: {after:?}"));
        assert_eq!(
            contact,
            serde_json::to_value(again.contact("x.vcf", "e")).expect("json")
        );
        let (_, twice) = changed(&after, &json!({ field: value }));
        assert_eq!(after, twice, "{field}={value} of {text:?}");
        if let (Some(said), Some(read)) = (value.as_str(), contact[field].as_str())
            && !matches!(field, "org")
        {
            assert_eq!(read, said, "{field} of {after:?}");
        }
    }
}

#[test]
fn for_any_contact_saying_what_it_says_changes_no_byte() {
    let mut dice = Dice(0x5eed_0002);
    for _ in 0..TRIES {
        let (text, _) = dice.card();
        let card = Card::parse(&text).unwrap_or_else(|| panic!("no card: {text:?}"));
        let contact = serde_json::to_value(card.contact("x.vcf", "e")).expect("json");
        let mut said = serde_json::Map::new();
        for field in ["email", "tel", "url", "title", "note"] {
            let is_single = card.raw().lines(&field.to_ascii_uppercase()).count() < 2;
            // A second line of a text is kept, but is not what is said.
            if is_single || contact[field].is_array() {
                said.insert(field.to_owned(), contact[field].clone());
            }
        }
        for values in said.values_mut().filter_map(Value::as_array_mut) {
            for value in values {
                let (text, types) = (value["value"].clone(), value["types"].clone());
                *value = json!({ "value": text, "types": types });
            }
        }
        let has_empty_or_double = |name: &str| {
            let values: Vec<_> = card
                .raw()
                .lines(name)
                .map(|line| card.labelled(line))
                .collect();
            let texts: Vec<_> = values
                .iter()
                .flatten()
                .map(|one| one.value.clone())
                .collect();
            let distinct: std::collections::BTreeSet<_> = texts.iter().collect();
            distinct.len() != texts.len() || texts.iter().any(String::is_empty)
        };
        for field in ["email", "tel", "url"] {
            if has_empty_or_double(&field.to_ascii_uppercase()) {
                said.remove(field);
            }
        }
        let (_, after) = changed(&text, &Value::Object(said.clone()));
        assert_eq!(after, text, "{said:?}");
    }
}
