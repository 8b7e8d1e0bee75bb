//! vCards as Sabre takes and gives them: the check on writing, and the conversion on reading.
//!
//! `GET` and the reports give version 3.0 of a card that was written as 4.0, unless they are asked
//! for 4.0. That loses what 3.0 cannot say, so a client that writes back what it read there loses
//! it for good. Only `PROPFIND` gives what is stored.

/// The version of cards that a reader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Three,
    Four,
}

const PRODUCT: &str = "PRODID:-//Sabre//Sabre VObject 4.5.6//EN";

/// One unfolded line.
struct Line {
    /// With its group.
    head: String,
    value: String,
}

impl Line {
    /// The property in upper case, without group and parameters.
    fn name(&self) -> String {
        let name = self.head.split(';').next().unwrap_or_default();
        name.rsplit('.').next().unwrap_or_default().to_uppercase()
    }

    /// The value without its escapes.
    fn text(&self) -> String {
        let mut text = String::new();
        let mut characters = self.value.chars();
        while let Some(character) = characters.next() {
            match (character, character == '\\') {
                (_, true) => match characters.next() {
                    Some('n' | 'N') => text.push('\n'),
                    Some(other) => text.push(other),
                    None => {}
                },
                (other, false) => text.push(other),
            }
        }
        text
    }
}

/// The lines between `BEGIN` and `END`.
///
/// # Errors
/// Sabre's words for what is wrong.
fn lines(text: &str) -> Result<Vec<Line>, String> {
    const NO_CARD: &str = "This parser only supports VCARD and VCALENDAR files";
    let mut unfolded: Vec<String> = Vec::new();
    for physical in text.split('\n') {
        let physical = physical.strip_suffix('\r').unwrap_or(physical);
        match (physical.strip_prefix([' ', '\t']), unfolded.last_mut()) {
            (Some(rest), Some(line)) => line.push_str(rest),
            _ => unfolded.push(physical.to_owned()),
        }
    }
    let mut unfolded = unfolded.into_iter().filter(|line| !line.trim().is_empty());
    let begin = unfolded.next().unwrap_or_default();
    if !begin.trim().eq_ignore_ascii_case("BEGIN:VCARD") {
        return Err(NO_CARD.to_owned());
    }
    let mut lines = Vec::new();
    for (number, line) in unfolded.enumerate() {
        if line.trim().eq_ignore_ascii_case("END:VCARD") {
            return Ok(lines);
        }
        let mut quoted = false;
        let colon = line.find(|character| {
            quoted ^= character == '"';
            character == ':' && !quoted
        });
        let (head, value) = colon
            .and_then(|colon| Some((line.get(..colon)?, line.get(colon + 1..)?)))
            .ok_or_else(|| {
                format!(
                    "Invalid Mimedir file. Line starting at {} did not follow iCalendar/vCard \
                     conventions",
                    number + 2
                )
            })?;
        lines.push(Line {
            head: head.to_owned(),
            value: value.to_owned(),
        });
    }
    Err("Invalid MimeDir file. Unexpected end of file".to_owned())
}

/// The UID of a card that is to be written, if it has one.
///
/// # Errors
/// Sabre's words for a text that is no card.
pub(super) fn uid(text: &str) -> Result<Option<String>, String> {
    let lines = lines(text)?;
    let uid = lines.iter().find(|line| line.name() == "UID");
    Ok(uid.map(Line::text).filter(|uid| !uid.is_empty()))
}

/// The values of a property, without their escapes.
pub(super) fn values(text: &str, name: &str) -> Vec<String> {
    let lines = lines(text).unwrap_or_default();
    let named = lines
        .iter()
        .filter(|line| line.name() == name.to_uppercase());
    named.map(Line::text).collect()
}

/// A card as a reader gets it: in the version that it asks for, and only these properties if it
/// names some.
pub(super) fn given(text: &str, version: Version, wanted: &[String]) -> String {
    let stored = values(text, "VERSION");
    let is_four = stored
        .first()
        .is_some_and(|version| version.starts_with('4'));
    let is_same = is_four == (version == Version::Four);
    if is_same && wanted.is_empty() {
        return text.to_owned();
    }
    let Ok(mut lines) = lines(text) else {
        return text.to_owned();
    };
    if !wanted.is_empty() {
        lines.retain(|line| {
            let name = line.name();
            let is_always = ["UID", "VERSION", "FN"].contains(&name.as_str());
            is_always || wanted.iter().any(|one| one.eq_ignore_ascii_case(&name))
        });
    }
    if !is_same {
        lines.retain(|line| !["VERSION", "PRODID"].contains(&line.name().as_str()));
        lines = lines
            .into_iter()
            .filter_map(|line| converted(line, version))
            .collect();
    }
    let mut card = String::from("BEGIN:VCARD\r\n");
    if !is_same {
        let number = if version == Version::Four {
            "4.0"
        } else {
            "3.0"
        };
        for part in ["VERSION:", number, "\r\n", PRODUCT, "\r\n"] {
            card.push_str(part);
        }
    }
    for line in &lines {
        card.push_str(&folded(&format!("{}:{}", line.head, line.value)));
    }
    card.push_str("END:VCARD\r\n");
    card
}

/// A line in the other version; some have no place there.
fn converted(mut line: Line, version: Version) -> Option<Line> {
    let name = line.name();
    let renamed = |from: &str, to: &str, head: &str| head.to_uppercase().replacen(from, to, 1);
    if version == Version::Three {
        match (name.as_str(), line.value.to_lowercase().as_str()) {
            ("KIND", "group") => {
                return Some(Line {
                    head: "X-ADDRESSBOOKSERVER-KIND".to_owned(),
                    value: "GROUP".to_owned(),
                });
            }
            ("KIND", "individual") => return None,
            ("ANNIVERSARY", _) => line.head = renamed("ANNIVERSARY", "X-ANNIVERSARY", &line.head),
            ("MEMBER", _) => {
                line.head = renamed("MEMBER", "X-ADDRESSBOOKSERVER-MEMBER", &line.head);
            }
            _ => {}
        }
        let parameters = line
            .head
            .split(';')
            .map(|one| match one.to_uppercase().as_str() {
                "PREF=1" => "TYPE=PREF".to_owned(),
                _ => one.to_owned(),
            });
        line.head = parameters.collect::<Vec<_>>().join(";");
        if let ("BDAY", Some(day)) = (name.as_str(), line.value.strip_prefix("--")) {
            line.value = format!("1604-{day}");
            line.head.push_str(";X-APPLE-OMIT-YEAR=1604");
        }
    } else if matches!(name.as_str(), "NAME" | "MAILER" | "LABEL" | "CLASS") {
        return None;
    }
    Some(line)
}

fn folded(line: &str) -> String {
    let mut folded = String::new();
    let mut length = 0;
    for character in line.chars() {
        if length + character.len_utf8() > 75 {
            folded.push_str("\r\n ");
            length = 1;
        }
        folded.push(character);
        length += character.len_utf8();
    }
    folded + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR: &str = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:a\\,b\r\nFN:A\r\nKIND:group\r\n\
         BDAY:--0412\r\nitem1.EMAIL;PREF=1:a@\r\n b.c\r\nPHOTO:data:x\r\nEND:VCARD\r\n";

    #[test]
    fn version_4_is_given_as_3_unless_asked_for() {
        assert_eq!(given(FOUR, Version::Four, &[]), FOUR);
        let three = given(FOUR, Version::Three, &[]);
        assert_eq!(
            three,
            "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//Sabre//Sabre VObject 4.5.6//EN\r\n\
             UID:a\\,b\r\nFN:A\r\nX-ADDRESSBOOKSERVER-KIND:GROUP\r\n\
             BDAY;X-APPLE-OMIT-YEAR=1604:1604-0412\r\nitem1.EMAIL;TYPE=PREF:a@b.c\r\n\
             PHOTO:data:x\r\nEND:VCARD\r\n"
        );
        assert_eq!(given(&three, Version::Three, &[]), three);
    }

    #[test]
    fn named_properties_come_alone() {
        let some = given(FOUR, Version::Four, &["email".to_owned()]);
        assert!(some.contains("EMAIL") && some.contains("UID") && !some.contains("PHOTO"));
    }

    #[test]
    fn what_is_no_card_is_said_in_sabres_words() {
        assert_eq!(uid(FOUR), Ok(Some("a,b".to_owned())));
        assert!(uid("nonsense").unwrap_err().contains("only supports"));
        assert!(uid("BEGIN:VCARD\r\nFN\r\n").unwrap_err().contains("at 2"));
        assert!(
            uid("BEGIN:VCARD\r\nFN:x\r\n")
                .unwrap_err()
                .contains("end of file")
        );
    }
}
