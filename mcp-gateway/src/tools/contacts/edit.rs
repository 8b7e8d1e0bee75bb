//! Changing single details of a stored card and leaving every other byte as it is.
//!
//! A line whose value stays is not written anew, and one whose value changes keeps its group and
//! its parameters, except those that speak about the old value.

use super::{
    birthday::{Birthday, OMIT_YEAR},
    card::{Card, plain},
    data::{ContactData, Names, Value, Values},
};
use crate::{
    error::ToolError,
    tools::content_line::{Component, Line, escaped},
};

/// Who made the cards that are new.
const PRODUCT: &str = "-//MCP Token Broker//Nextcloud tools//EN";
/// The parameters that speak about a value, and not about what it is for.
const ABOUT_VALUE: [&str; 7] = [
    "VALUE",
    "SORT-AS",
    "JSCOMPS",
    "CHARSET",
    "CALSCALE",
    "MEDIATYPE",
    OMIT_YEAR,
];
/// What goes with a line of the same group when the line goes (Apple's and Nextcloud's labels).
const COMPANIONS: [&str; 2] = ["X-ABLABEL", "X-ABADR"];

/// A new card, of the version that every program reads.
///
/// # Errors
///
/// A sentence about a detail that cannot be.
pub(super) fn create(uid: &str, data: &ContactData) -> Result<Card, ToolError> {
    let name = data.full_name.as_deref().map(str::trim).unwrap_or_default();
    if name.is_empty() {
        return Err(ToolError::invalid(
            "A contact needs a name: give \"fn\" in contact_data.",
        ));
    }
    let mut raw = Component::new("VCARD");
    raw.add(Line::new("VERSION").raw("3.0"));
    raw.add(Line::new("PRODID").raw(PRODUCT));
    raw.add(Line::new("UID").text(uid));
    raw.add(Line::new("FN").text(name));
    raw.add(Line::new("N").raw(&parts(name)));
    let mut card = Card::of(raw);
    update(&mut card, data)?;
    Ok(card)
}

/// Changes what `data` names.
///
/// # Errors
///
/// A sentence about a detail that cannot be.
pub(super) fn update(card: &mut Card, data: &ContactData) -> Result<(), ToolError> {
    if let Some(name) = &data.full_name {
        set_name(card, name.trim())?;
    }
    for (property, values) in data.values()? {
        if let Some(values) = values {
            set_values(card, property, values)?;
        }
    }
    if let Some(org) = data.org()? {
        let parts: Vec<String> = org.split(';').map(|part| escaped(part.trim())).collect();
        set(card, "ORG", org.trim(), &parts.join(";"))?;
    }
    for (property, text) in [("TITLE", &data.title), ("NOTE", &data.note)] {
        if let Some(text) = text {
            set(card, property, text, &escaped(text))?;
        }
    }
    if let Some(names) = &data.nickname {
        set_list(card, "NICKNAME", names, None)?;
    }
    if let Some(names) = &data.categories {
        set_list(card, "CATEGORIES", names, Some(','))?;
    }
    match data.bday.as_deref().map(str::trim) {
        None => {}
        Some("") => remove(card, "BDAY", |_| true)?,
        Some(day) => set_birthday(card, Birthday::asked(day)?)?,
    }
    Ok(())
}

/// Sets the full name, and its parts where they were made of the old one.
fn set_name(card: &mut Card, name: &str) -> Result<(), ToolError> {
    if name.is_empty() {
        return Err(ToolError::invalid(
            "A contact cannot be without a name, so \"fn\" cannot be empty. Give the new name, or \
             leave it out.",
        ));
    }
    let old = card.text("FN").unwrap_or_default();
    if old == name {
        return Ok(());
    }
    let was_in_step = card.raw().line("N").map(Line::value) == Some(parts(&old));
    set(card, "FN", name, &escaped(name))?;
    if was_in_step {
        let parts = parts(name);
        rewrite_first(card, "N", |line| {
            line.without_params(&ABOUT_VALUE).with_value(&parts)
        })?;
    }
    Ok(())
}

/// The value of `N` for a full name: the last word is the family name, so that programs which put
/// the parts together again show the same name.
fn parts(name: &str) -> String {
    match name.rsplit_once(char::is_whitespace) {
        Some((given, family)) => format!("{};{};;;", escaped(family), escaped(given.trim_end())),
        None => format!("{};;;;", escaped(name)),
    }
}

/// Sets a property of one line; an empty text removes it. Further lines of it, such as the same in
/// other languages, stay.
fn set(card: &mut Card, property: &'static str, text: &str, value: &str) -> Result<(), ToolError> {
    if !text.is_empty() && card.text(property).as_deref() == Some(text) {
        return Ok(());
    }
    if text.trim().is_empty() {
        return remove(card, property, |_| true);
    }
    if card.raw().line(property).is_none() {
        card.raw_mut().add(Line::new(property).raw(value));
        return Ok(());
    }
    rewrite_first(card, property, |line| {
        line.without_params(&ABOUT_VALUE).with_value(value)
    })
}

/// Sets a property that lists names; none removes it.
fn set_list(
    card: &mut Card,
    property: &'static str,
    names: &Names,
    separator: Option<char>,
) -> Result<(), ToolError> {
    let names = names.list(separator);
    if names == card.texts(property) {
        return Ok(());
    }
    // One line lists them all from now on.
    let mut is_first = true;
    remove(card, property, |_| !std::mem::take(&mut is_first))?;
    let value: Vec<String> = names.iter().map(|name| escaped(name)).collect();
    set(card, property, &names.join(","), &value.join(","))
}

fn set_birthday(card: &mut Card, birthday: Birthday) -> Result<(), ToolError> {
    let is_version_4 = card.is_version_4();
    let Some(old) = card.raw().line("BDAY") else {
        card.raw_mut().add(birthday.line(is_version_4, None));
        return Ok(());
    };
    if Birthday::of(old) == Some(birthday) {
        return Ok(());
    }
    rewrite_first(card, "BDAY", |line| birthday.line(is_version_4, Some(line)))
}

/// Sets a property with a line for each value.
fn set_values(card: &mut Card, property: &'static str, values: &Values) -> Result<(), ToolError> {
    match values {
        Values::First(value) if value.trim().is_empty() => remove(card, property, |_| true),
        Values::First(value) => set_first(card, property, plain(property, value.trim())),
        Values::All(values) => set_all(card, property, values),
    }
}

/// Changes the preferred or else the first value; nothing happens when it is there already.
fn set_first(card: &mut Card, property: &'static str, value: &str) -> Result<(), ToolError> {
    let labelled: Vec<_> = card
        .raw()
        .lines(property)
        .map(|line| card.labelled(line))
        .collect();
    if labelled.iter().flatten().any(|one| one.value == value) {
        return Ok(());
    }
    let preferred = labelled
        .iter()
        .position(|one| one.as_ref().is_some_and(|one| one.preferred));
    let Some(at) = preferred.or((!labelled.is_empty()).then_some(0)) else {
        card.raw_mut()
            .add(Line::new(property).raw(&written(property, value)));
        return Ok(());
    };
    rewrite_at(card, property, at, |line| {
        line.without_params(&ABOUT_VALUE)
            .with_value(&written(property, value))
    })
}

/// Leaves exactly these values, in their old lines where there are any.
fn set_all(card: &mut Card, property: &'static str, values: &[Value]) -> Result<(), ToolError> {
    let mut wanted: Vec<(&str, Option<&[String]>)> = Vec::new();
    for value in values {
        let text = plain(property, value.text());
        if !text.is_empty() && !wanted.iter().any(|(known, _)| *known == text) {
            wanted.push((text, value.types()));
        }
    }
    let old: Vec<_> = card
        .raw()
        .lines(property)
        .map(|line| card.labelled(line))
        .collect();
    let mut old_values = old.iter();
    remove(card, property, |_| {
        let old = old_values.next().and_then(Option::as_ref);
        !old.is_some_and(|old| wanted.iter().any(|(text, _)| *text == old.value))
    })?;
    for (text, types) in wanted {
        set_one(card, property, text, types)?;
    }
    Ok(())
}

/// Makes sure that a value is there, and for what was said.
fn set_one(
    card: &mut Card,
    property: &'static str,
    text: &str,
    types: Option<&[String]>,
) -> Result<(), ToolError> {
    let is_version_4 = card.is_version_4();
    let there = card
        .raw()
        .lines(property)
        .enumerate()
        .find_map(|(at, line)| {
            let old = card.labelled(line)?;
            (old.value == text).then_some((at, old))
        });
    let Some((at, old)) = there else {
        let line = typed(Line::new(property), types.unwrap_or_default(), is_version_4);
        card.raw_mut().add(line.raw(&written(property, text)));
        return Ok(());
    };
    let Some(types) = types else {
        return Ok(());
    };
    let is_pref = |kind: &String| kind.eq_ignore_ascii_case("pref");
    let mut types: Vec<String> = types.iter().map(|kind| kind.to_ascii_lowercase()).collect();
    let is_preferred = types.iter().any(is_pref);
    types.retain(|kind| !is_pref(kind));
    let sorted = |types: &[String]| {
        let mut types = types.to_vec();
        types.sort();
        types
    };
    if sorted(&types) == sorted(&old.types) && (old.preferred || !is_preferred) {
        return Ok(());
    }
    // Version 4.0 has a parameter of its own for the preference, and keeps it.
    let says_so = if is_version_4 {
        is_preferred && !old.preferred
    } else {
        is_preferred || old.preferred
    };
    if says_so {
        types.push("pref".to_owned());
    }
    rewrite_at(card, property, at, |line| {
        let value = line.value();
        typed(
            line.without_params(&["TYPE"]).head_alone(),
            &types,
            is_version_4,
        )
        .raw(&value)
    })
}

fn typed(line: Line, types: &[String], is_version_4: bool) -> Line {
    types.iter().fold(line, |line, kind| {
        if is_version_4 && kind.eq_ignore_ascii_case("pref") {
            line.param("PREF", "1")
        } else {
            line.param("TYPE", &kind.to_ascii_uppercase())
        }
    })
}

/// A value as its property writes it: an address of the web has a syntax of its own.
fn written(property: &str, value: &str) -> String {
    if property == "URL" {
        // Only what everybody would take for an escape.
        value.replace('\\', "\\\\")
    } else {
        escaped(value)
    }
}

fn rewrite_first(
    card: &mut Card,
    property: &'static str,
    change: impl FnOnce(&Line) -> Line,
) -> Result<(), ToolError> {
    rewrite_at(card, property, 0, change)
}

/// Writes one line of a property anew.
fn rewrite_at(
    card: &mut Card,
    property: &'static str,
    at: usize,
    change: impl FnOnce(&Line) -> Line,
) -> Result<(), ToolError> {
    if let Some(line) = card.raw().lines(property).nth(at) {
        changeable(line)?;
    }
    let (mut change, mut index) = (Some(change), 0);
    card.raw_mut().rewrite(property, |line| {
        let is_it = index == at;
        index += 1;
        match change.take_if(|_| is_it) {
            Some(change) => Some(change(line)),
            None => Some(line.clone()),
        }
    });
    Ok(())
}

/// Removes lines of a property, and the labels that nothing in their groups needs any more.
fn remove(
    card: &mut Card,
    property: &'static str,
    goes: impl FnMut(&Line) -> bool,
) -> Result<(), ToolError> {
    let gone: Vec<bool> = card.raw().lines(property).map(goes).collect();
    let mut groups = Vec::new();
    for (line, _) in card
        .raw()
        .lines(property)
        .zip(&gone)
        .filter(|(_, goes)| **goes)
    {
        changeable(line)?;
        groups.extend(line.group());
    }
    let mut gone = gone.into_iter();
    card.raw_mut().rewrite(property, |line| {
        (!gone.next().unwrap_or_default()).then(|| line.clone())
    });
    for group in groups {
        let is_of_it = |line: &Line| line.group().as_deref() == Some(group.as_str());
        let is_needed = card
            .raw()
            .all_lines()
            .any(|line| is_of_it(line) && !COMPANIONS.contains(&line.name()));
        if !is_needed {
            for companion in COMPANIONS {
                card.raw_mut()
                    .rewrite(companion, |line| (!is_of_it(line)).then(|| line.clone()));
            }
        }
    }
    Ok(())
}

/// Refuses a line of version 2.1 whose continuations look like lines of their own: they would stay
/// behind.
fn changeable(line: &Line) -> Result<(), ToolError> {
    if line
        .head()
        .to_ascii_uppercase()
        .contains("QUOTED-PRINTABLE")
    {
        return Err(ToolError::failed(
            "This detail of the contact is written in an old encoding that cannot be changed \
             safely, so nothing was changed. The user has to change it in Nextcloud once.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u-1\r\nFN:Ada Lovelace\r\nN:Lovelace;Ada;;;\r\n\
         item1.EMAIL;TYPE=INTERNET,WORK:ada@work.test\r\nitem1.X-ABLabel:Office\r\n\
         EMAIL;TYPE=HOME,pref:ada@h\r\n ome.test\r\nX-ODD;a=\"b:c\":1;2\\,3\r\nNOTE:old\r\n\
         BDAY:1815-12-10\r\nPHOTO;ENCODING=b;TYPE=JPEG:QUJD\r\n REVG\r\nEND:VCARD\r\n";

    fn changed(text: &str, data: Value) -> Result<String, String> {
        let data: ContactData = serde_json::from_value(data).map_err(|error| error.to_string())?;
        let mut card = Card::parse(text).expect("a card");
        update(&mut card, &data).map_err(|error| error.to_string())?;
        Ok(card.raw().to_string())
    }

    #[test]
    fn what_stays_the_same_is_not_written_anew() {
        let same = json!({
            "fn": "Ada Lovelace", "email": ["ada@home.test", "ada@work.test"], "note": "old",
            "bday": "1815-12-10", "tel": "", "org": "", "categories": [], "nickname": "",
        });
        assert_eq!(changed(CARD, same).as_deref(), Ok(CARD));
        let types = json!({ "email": [
            { "value": "ada@work.test", "types": ["work", "internet"] }, { "value": "ada@home.test", "types": ["home"] },
        ] });
        assert_eq!(changed(CARD, types).as_deref(), Ok(CARD));
        assert_eq!(
            changed(CARD, json!({ "email": "ada@work.test" })).as_deref(),
            Ok(CARD)
        );
    }

    #[test]
    fn a_text_changes_the_preferred_value_in_its_line() {
        let expected = CARD.replace("ada@h\r\n ome.test", "new@home.test");
        assert_eq!(
            changed(CARD, json!({ "email": "new@home.test" })),
            Ok(expected)
        );
        let expected = CARD.replace("END:", "TEL:+44 1\r\nEND:");
        assert_eq!(changed(CARD, json!({ "phone": "+44 1" })), Ok(expected));
    }

    #[test]
    fn a_list_is_all_there_is_from_now_on() {
        let expected = CARD
            .replace(
                "item1.EMAIL;TYPE=INTERNET,WORK:ada@work.test\r\nitem1.X-ABLabel:Office\r\n",
                "",
            )
            .replace("END:", "EMAIL;TYPE=WORK;TYPE=PREF:x\\,y@z\r\nEND:");
        let data =
            json!({ "email": ["ada@home.test", { "value": "x,y@z", "types": ["work", "pref"] }] });
        assert_eq!(changed(CARD, data), Ok(expected));
        let data =
            json!({ "email": [{ "value": "ada@home.test", "types": ["cell"] }, "ada@work.test"] });
        let expected = CARD.replace(
            "EMAIL;TYPE=HOME,pref:ada@h\r\n ome.test",
            "EMAIL;TYPE=CELL;TYPE=PREF:ada@home.test",
        );
        assert_eq!(changed(CARD, data), Ok(expected));
    }

    #[test]
    fn an_empty_text_clears_and_takes_the_label_along() {
        let expected = CARD
            .replace(
                "item1.EMAIL;TYPE=INTERNET,WORK:ada@work.test\r\nitem1.X-ABLabel:Office\r\n",
                "",
            )
            .replace("EMAIL;TYPE=HOME,pref:ada@h\r\n ome.test\r\n", "")
            .replace("NOTE:old\r\n", "")
            .replace("BDAY:1815-12-10\r\n", "");
        assert_eq!(
            changed(CARD, json!({ "email": "", "note": "", "bday": "" })),
            Ok(expected)
        );
        // The label belongs to a phone number as well, so it stays.
        let shared = CARD.replace("NOTE:", "ITEM1.TEL:1\r\nNOTE:");
        let text = changed(&shared, json!({ "email": [] })).expect("changed");
        assert!(text.contains("item1.X-ABLabel:Office"), "{text}");
    }

    #[test]
    fn the_parts_of_a_name_follow_while_they_are_in_step() {
        let expected = CARD
            .replace("FN:Ada Lovelace", "FN:Ada King")
            .replace("N:Lovelace;Ada", "N:King;Ada");
        assert_eq!(changed(CARD, json!({ "fn": "Ada King" })), Ok(expected));
        let own = CARD.replace("N:Lovelace;Ada;;;", "N:Lovelace;Augusta;Ada;Lady;");
        let expected = own.replace("FN:Ada Lovelace", "FN:Ada King");
        assert_eq!(changed(&own, json!({ "fn": "Ada King" })), Ok(expected));
        assert!(changed(CARD, json!({ "fn": " " })).is_err());
    }

    #[test]
    fn parameters_about_the_old_value_do_not_outlive_it() {
        let card = "BEGIN:VCARD\nVERSION:4.0\nFN;SORT-AS=\"x;y\";LANGUAGE=en:A\nTEL;VALUE=uri;TYPE=cell:tel:+1\n\
                    ORG;SORT-AS=a:A\nBDAY;VALUE=text:circa 1800\nEND:VCARD\n";
        let data = json!({ "fn": "B", "tel": "+2", "organization": "C; D", "bday": "--12-10" });
        let expected = "BEGIN:VCARD\nVERSION:4.0\nFN;LANGUAGE=en:B\nTEL;TYPE=cell:+2\nORG:C;D\nBDAY:--1210\nEND:VCARD\n";
        assert_eq!(changed(card, data).as_deref(), Ok(expected));
    }

    #[test]
    fn lists_of_names_are_one_line() {
        let card = CARD.replace("NOTE:", "CATEGORIES;X=1:a\r\nCATEGORIES:b\r\nNOTE:");
        let expected = CARD.replace("NOTE:", "CATEGORIES;X=1:b,c d\r\nNOTE:");
        assert_eq!(
            changed(&card, json!({ "categories": "b, c d, b" })),
            Ok(expected)
        );
        let text = changed(CARD, json!({ "nickname": ["The, Countess", "A"] })).expect("changed");
        assert!(text.contains("NICKNAME:The\\, Countess,A\r\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_is_refused_in_words() {
        for (data, part) in [
            (json!({ "tel": "1", "phone": "2" }), "same field"),
            (json!({ "bday": "spring" }), "no day"),
            (json!({ "address": "x" }), "unknown field `address`"),
            (
                json!({ "tel": [{ "value": "1", "types": ["a;b:c"] }] }),
                "cannot be a type",
            ),
        ] {
            let refused = changed(CARD, data).expect_err("refused");
            assert!(refused.contains(part), "{refused}");
        }
        let old = "BEGIN:VCARD\r\nVERSION:2.1\r\nFN:x\r\nNOTE;ENCODING=QUOTED-PRINTABLE:a=\r\nb\r\nEND:VCARD\r\n";
        for note in ["", "new"] {
            let refused = changed(old, json!({ "note": note })).expect_err("refused");
            assert!(refused.contains("old encoding"), "{refused}");
        }
    }

    #[test]
    fn a_new_card_is_complete_and_no_text_can_break_out() {
        let evil = "x\r\nEND:VCARD\r\nBEGIN:VCARD";
        let data = json!({ "fn": "Zoë van der Berg", "email": evil, "note": evil, "url": evil, "title": evil, "tel": [{ "value": evil, "types": ["cell"] }] });
        let data: ContactData = serde_json::from_value(data).expect("data");
        let card = create("a;b", &data).expect("a card");
        let text = card.raw().to_string();
        assert!(text.starts_with("BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//MCP Token Broker//Nextcloud tools//EN\r\nUID:a\\;b\r\nFN:Zoë van der Berg\r\nN:Berg;Zoë van der;;;\r\n"), "{text}");
        assert_eq!(text.matches("\r\nEND:VCARD").count(), 1, "{text}");
        assert_eq!(
            Card::parse(&text)
                .and_then(|card| card.text("NOTE"))
                .as_deref(),
            Some("x\nEND:VCARD\nBEGIN:VCARD")
        );
        assert!(create("u", &ContactData::default()).is_err());
    }
}
