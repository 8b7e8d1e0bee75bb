//! A strict lint over the schemas of every tool: what validators, SDKs and models' interfaces were
//! seen to refuse or to warn about must not be there.

use serde_json::{Map, Value, json};

use crate::tools::{Tool, catalog};

/// The keywords that all large clients read.
const KEYWORDS: [&str; 18] = [
    "$schema",
    "additionalProperties",
    "anyOf",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
];
/// The formats that validators know (2020-12 validation, §7.3).
const FORMATS: [&str; 6] = ["date", "date-time", "duration", "email", "time", "uri"];
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];
/// Where the schema of the arguments begins: interfaces of models are stricter there, since it is all
/// that they see.
const INPUT: &str = "input";
/// What some interfaces take as the description of a tool, in characters.
const DESCRIPTION: usize = 1024;

/// Everything that is wrong with a tool.
fn tool(tool: &Tool) -> Vec<String> {
    let definition = tool.definition();
    let mut wrong = Vec::new();
    if !is_name(tool.name()) {
        wrong.push("its name".to_owned());
    }
    if definition
        .description
        .as_deref()
        .map_or(0, |text| text.chars().count())
        > DESCRIPTION
    {
        wrong.push(format!("more than {DESCRIPTION} characters of description"));
    }
    root(INPUT, &definition.input_schema, &mut wrong);
    match &definition.output_schema {
        Some(schema) => root("output", schema, &mut wrong),
        None => wrong.push("no output schema".to_owned()),
    }
    wrong
}

fn is_name(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(is_plain)
}

fn root(place: &str, schema: &Map<String, Value>, wrong: &mut Vec<String>) {
    if schema.get("type") != Some(&json!("object")) {
        wrong.push(format!("{place}: its type is not object"));
    }
    if !schema.get("properties").is_some_and(Value::is_object) {
        wrong.push(format!("{place}: no properties"));
    }
    if schema.contains_key("anyOf") {
        wrong.push(format!("{place}: anyOf at the root"));
    }
    level(place, schema, wrong);
}

fn level(place: &str, schema: &Map<String, Value>, wrong: &mut Vec<String>) {
    let mut complain = |what: &str| wrong.push(format!("{place}: {what}"));
    for keyword in schema
        .keys()
        .filter(|word| !KEYWORDS.contains(&word.as_str()))
    {
        complain(&format!("the keyword {keyword}"));
    }
    let kinds: Vec<&Value> = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().collect(),
        kind => kind.into_iter().collect(),
    };
    if !kinds
        .iter()
        .all(|kind| TYPES.iter().any(|known| *kind == known))
    {
        complain("a type that does not exist");
    }
    if kinds.len() > 1 && place.starts_with(INPUT) {
        complain("several types");
    }
    if let Some(format) = schema.get("format")
        && (!FORMATS.iter().any(|known| format == known) || !kinds.contains(&&json!("string")))
    {
        complain(&format!("the format {format}"));
    }
    if kinds.contains(&&json!("array")) && !schema.get("items").is_some_and(Value::is_object) {
        complain("an array that does not say of what");
    }
    if schema
        .get("enum")
        .is_some_and(|values| values.as_array().is_none_or(Vec::is_empty))
    {
        complain("an empty enum");
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for required in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = required.as_str().unwrap_or_default();
        if !properties.is_some_and(|properties| properties.contains_key(name)) {
            complain(&format!("{name} is required and not there"));
        }
    }
    for (name, property) in properties.into_iter().flatten() {
        let place = format!("{place}.{name}");
        if !is_name(name) {
            wrong.push(format!("{place}: its name"));
        }
        let text = property.get("description").and_then(Value::as_str);
        if text.is_none_or(|text| text.trim().is_empty()) {
            wrong.push(format!("{place}: no description"));
        }
        below(&place, property, wrong);
    }
    if let Some(items) = schema.get("items") {
        below(&format!("{place}[]"), items, wrong);
    }
    for one in schema
        .get("anyOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        below(&format!("{place}|"), one, wrong);
    }
    if let Some(values @ Value::Object(_)) = schema.get("additionalProperties") {
        below(&format!("{place}.*"), values, wrong);
    }
}

fn below(place: &str, schema: &Value, wrong: &mut Vec<String>) {
    match schema.as_object() {
        Some(schema) => level(place, schema, wrong),
        None => wrong.push(format!("{place}: no object for a schema")),
    }
}

#[test]
fn every_tool_can_be_read_by_every_client() {
    let wrong: Vec<String> = catalog()
        .tools()
        .iter()
        .flat_map(|each| {
            let name = each.name();
            tool(each)
                .into_iter()
                .map(move |what| format!("{name}: {what}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn each_fault_is_found() {
    let described = |mut schema: Value| {
        schema["description"] = json!("It is.");
        json!({ "type": "object", "properties": { "x": schema } })
    };
    for (schema, expected) in [
        (
            json!({ "type": "array", "properties": {}, "items": {} }),
            "type is not object",
        ),
        (json!({ "type": "object" }), "no properties"),
        (
            json!({ "type": "object", "properties": {}, "anyOf": [] }),
            "anyOf at the root",
        ),
        (
            json!({ "type": "object", "properties": {}, "$ref": "#/$defs/A" }),
            "keyword $ref",
        ),
        (
            json!({ "type": "object", "properties": { "x": {} } }),
            "no description",
        ),
        (
            json!({ "type": "object", "properties": { "x": true } }),
            "no object for a schema",
        ),
        (
            json!({ "type": "object", "properties": {}, "required": ["x"] }),
            "not there",
        ),
        (
            json!({ "type": "object", "properties": { "a b": { "description": "x" } } }),
            "its name",
        ),
        (
            described(json!({ "type": "integer", "format": "uint64" })),
            "format \"uint64\"",
        ),
        (
            described(json!({ "type": "integer", "format": "date" })),
            "format \"date\"",
        ),
        (described(json!({ "type": "whole" })), "does not exist"),
        (
            described(json!({ "type": ["string", "null"] })),
            "several types",
        ),
        (
            described(json!({ "type": "array" })),
            "does not say of what",
        ),
        (
            described(json!({ "type": "array", "items": true })),
            "no object for a schema",
        ),
        (described(json!({ "enum": [] })), "an empty enum"),
        (
            described(json!({ "anyOf": [{ "const": 1 }] })),
            "keyword const",
        ),
        (
            described(json!({ "additionalProperties": { "$ref": "#" } })),
            "keyword $ref",
        ),
    ] {
        let mut wrong = Vec::new();
        root(INPUT, schema.as_object().expect("object"), &mut wrong);
        assert!(
            wrong.iter().any(|what| what.contains(expected)),
            "{schema}: {wrong:?} instead of {expected}"
        );
    }
    assert!(!is_name(&"x".repeat(65)) && !is_name("a.b") && !is_name("") && is_name("nc_a-B1"));
}
