//! What the app does to a recipe before it keeps it.

use serde_json::{Map, Value, json};

/// A recipe with every member that the app knows, in the form that it likes; others stay.
pub(super) fn cleaned(recipe: &Value) -> Map<String, Value> {
    let mut clean: Map<String, Value> = recipe.as_object().cloned().unwrap_or_default();
    let given = |name: &str| recipe.get(name).cloned().unwrap_or_default();
    let mut set = |name: &str, value: Value| {
        clean.insert(name.to_owned(), value);
    };
    set("@context", json!("http://schema.org"));
    set("@type", json!("Recipe"));
    set(
        "name",
        json!(name(given("name").as_str().unwrap_or_default())),
    );
    for member in ["description", "recipeCategory"] {
        set(
            member,
            json!(text(given(member).as_str().unwrap_or_default())),
        );
    }
    for member in ["recipeIngredient", "recipeInstructions", "tool"] {
        let list = given(member);
        let items = list
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let items: Vec<String> = items.map(text).filter(|item| !item.is_empty()).collect();
        set(member, json!(items));
    }
    set(
        "keywords",
        json!(keywords(given("keywords").as_str().unwrap_or_default())),
    );
    let number = given("recipeYield");
    let number = number.as_u64().or_else(|| number.as_str()?.parse().ok());
    set("recipeYield", json!(number.unwrap_or(1).max(1)));
    for member in ["prepTime", "cookTime", "totalTime"] {
        let time = given(member);
        set(
            member,
            match time.as_str() {
                Some(time) if is_duration(time) => json!(time),
                Some(_) | None => Value::Null,
            },
        );
    }
    let address = given("url");
    let address = address
        .as_str()
        .filter(|text| url::Url::parse(text).is_ok());
    set("url", json!(address.unwrap_or_default()));
    for (member, default) in [
        ("image", json!("")),
        ("datePublished", Value::Null),
        ("nutrition", json!({"@type": "NutritionInformation"})),
    ] {
        if clean.get(member).is_none_or(Value::is_null) {
            clean.insert(member.to_owned(), default);
        }
    }
    for member in ["id", "printImage", "imageUrl"] {
        clean.remove(member);
    }
    clean
}

/// Without tags, and without space around it.
pub(super) fn text(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        clean.push_str(before);
        match (after.chars().next(), after.split_once('>')) {
            // Only what looks like a tag goes.
            (Some(first), Some((_, behind))) if first.is_alphabetic() || "/!?".contains(first) => {
                rest = behind;
            }
            _ => {
                clean.push('<');
                rest = after;
            }
        }
    }
    clean.push_str(rest);
    clean.trim().to_owned()
}

/// What can be the name of a folder.
pub(super) fn name(name: &str) -> String {
    let plain = text(name).replace(['\n', '\r', '\t', '\\', '/'], " ");
    plain.trim().to_owned()
}

fn keywords(list: &str) -> String {
    let list = text(list);
    let mut unique: Vec<&str> = Vec::new();
    for one in list.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    unique.join(",")
}

fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else {
        return false;
    };
    let is_part = |c: char| c.is_ascii_digit() || "YMWDTHS".contains(c);
    rest.len() > 1 && rest.chars().all(is_part) && !rest.ends_with('T')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_other_angles_stay() {
        assert_eq!(text(" <b>a</b> < 2 & 3 > 1<br/>"), "a < 2 & 3 > 1");
        assert_eq!(name("a/b\\c"), "a b c");
        assert_eq!(keywords(" b, a ,,b"), "b,a");
    }

    #[test]
    fn what_is_missing_or_wrong_gets_a_default() {
        let clean =
            cleaned(&json!({"name": "A", "prepTime": "soon", "url": "nowhere", "x": 1, "id": 5}));
        assert_eq!(clean["prepTime"], Value::Null);
        assert_eq!(
            (&clean["url"], &clean["recipeYield"]),
            (&json!(""), &json!(1))
        );
        assert_eq!((&clean["x"], clean.get("id")), (&json!(1), None));
    }
}
