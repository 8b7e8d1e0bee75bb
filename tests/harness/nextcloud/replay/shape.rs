//! Comparing JSON with a shape: exact where the shape is exact, by type where it says so.

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Map, Value};

/// Compares a value with a shape; `place` is where it was found, for the message.
pub(super) fn matches_shape(shape: &Value, given: &Value, place: &str) -> Result<()> {
    let fits = match shape {
        Value::String(kind) if kind == "<any>" => true,
        Value::String(kind) if kind == "<int>" => given.is_i64() || given.is_u64(),
        Value::String(kind) if kind == "<string>" => given.is_string(),
        Value::String(kind) if kind == "<bool>" => given.is_boolean(),
        Value::Object(members) => {
            let given = given
                .as_object()
                .with_context(|| format!("{place} is no object"))?;
            return match_members(members, given, place);
        }
        Value::Array(list) => {
            let given = given
                .as_array()
                .with_context(|| format!("{place} is no list"))?;
            return match_list(list, given, place);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => shape == given,
    };
    ensure!(fits, "{place} is {given}, not {shape}");
    Ok(())
}

fn match_members(
    shape: &Map<String, Value>,
    given: &Map<String, Value>,
    place: &str,
) -> Result<()> {
    let open = shape.contains_key("...");
    for (key, shape) in shape.iter().filter(|(key, _)| *key != "...") {
        let here = format!("{place}/{key}");
        let given = given
            .get(key)
            .with_context(|| format!("{here} is missing"))?;
        matches_shape(shape, given, &here)?;
    }
    if !open && let Some(key) = given.keys().find(|key| !shape.contains_key(*key)) {
        bail!("{place}/{key} is too much");
    }
    Ok(())
}

fn match_list(shape: &[Value], given: &[Value], place: &str) -> Result<()> {
    if let [Value::String(each), shape] = shape
        && each == "<each>"
    {
        for (index, one) in given.iter().enumerate() {
            matches_shape(shape, one, &format!("{place}/{index}"))?;
        }
        return Ok(());
    }
    ensure!(
        shape.len() == given.len(),
        "{place} has {} members, not {}",
        given.len(),
        shape.len()
    );
    for (index, (shape, one)) in shape.iter().zip(given).enumerate() {
        matches_shape(shape, one, &format!("{place}/{index}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_shape_lists_every_member_unless_it_says_more() {
        let given = json!({"id": 7, "title": "x"});
        assert!(matches_shape(&json!({"id": "<int>", "title": "x"}), &given, "").is_ok());
        assert!(matches_shape(&json!({"id": "<int>"}), &given, "").is_err());
        assert!(matches_shape(&json!({"id": "<int>", "...": true}), &given, "").is_ok());
        assert!(matches_shape(&json!({"id": "<string>", "...": true}), &given, "").is_err());
    }

    #[test]
    fn each_member_of_a_list_has_to_fit() {
        let shape = json!(["<each>", {"id": "<int>"}]);
        assert!(matches_shape(&shape, &json!([{"id": 1}, {"id": 2}]), "").is_ok());
        assert!(matches_shape(&shape, &json!([{"id": 1}, {}]), "").is_err());
        assert!(matches_shape(&json!([1, 2]), &json!([1]), "").is_err());
    }
}
