//! The JSON Schemas of arguments and results, in the part of the language that every client reads.
//!
//! Owns how a Rust type becomes a schema: without references, titles, formats of numbers and
//! alternatives of constants, which validators warn about and some models' interfaces refuse. The
//! test `lint` holds every tool to that.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::{
    JsonSchema, Schema,
    generate::SchemaSettings,
    transform::{RecursiveTransform, ReplaceBoolSchemas},
};
use serde_json::{Value, json};

/// What a tool takes.
pub(super) fn input<T: JsonSchema>() -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    object::<T>(settings.with_transform(RecursiveTransform(without_null)))
}

/// What a tool returns.
pub(super) fn output<T: JsonSchema>() -> Arc<JsonObject> {
    object::<T>(SchemaSettings::draft2020_12().for_serialize())
}

fn object<T: JsonSchema>(settings: SchemaSettings) -> Arc<JsonObject> {
    let mut bools = ReplaceBoolSchemas::default();
    bools.skip_additional_properties = true;
    let settings = settings
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(RecursiveTransform(portable))
        .with_transform(bools);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // It is about the Rust type; the tool has a description of its own.
    schema.remove("description");
    let Value::Object(mut schema) = schema.to_value() else {
        return Arc::default();
    };
    // Some interfaces refuse an object without the member, even where there is nothing to say.
    schema.entry("properties").or_insert_with(|| json!({}));
    Arc::new(schema)
}

/// One level of what a tool takes, without `null`: what may be left out is left out. Gemini's interface
/// takes one type for each argument and refuses a list of them; the server still accepts `null`.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(kinds)) = schema.get("type") {
        let kinds: Vec<Value> = kinds
            .iter()
            .filter(|kind| *kind != "null")
            .cloned()
            .collect();
        let kind = match kinds.as_slice() {
            [only] => only.clone(),
            _ => Value::Array(kinds),
        };
        schema.insert("type".to_owned(), kind);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if schema.get("default").is_some_and(Value::is_null) {
        schema.remove("default");
    }
    let Some(Value::Array(choices)) = schema.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice.get("type") != Some(&json!("null")));
    let [Value::Object(only)] = choices.as_slice() else {
        return;
    };
    let only = only.clone();
    schema.remove("anyOf");
    for (keyword, value) in only {
        // What is said about the argument comes before what is said about its type.
        if schema.get(&keyword).is_none() {
            schema.insert(keyword, value);
        }
    }
}

/// One level of a schema, as all clients read it.
fn portable(schema: &mut Schema) {
    // The names of Rust types; a property called `title` is not on this level.
    schema.remove("title");
    // JSON Schema has formats of strings alone (2020-12 validation, §7.3); schemars adds `uint64`.
    if !has_type(schema, "string") {
        schema.remove("format");
    }
    list_choices(schema);
}

fn has_type(schema: &Schema, wanted: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == wanted,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    }
}

/// Turns alternatives of constants into one `enum`, and what is said about each into a list.
fn list_choices(schema: &mut Schema) {
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else {
        return;
    };
    let (mut values, mut lines) = (Vec::new(), Vec::new());
    for choice in choices {
        match (choice.get("const"), choice.get("enum")) {
            (Some(Value::String(value)), None) => {
                let about = choice.get("description").and_then(Value::as_str);
                lines.extend(about.map(|about| format!("\n- {value}: {about}")));
                values.push(Value::String(value.clone()));
            }
            (None, Some(Value::Array(more))) => values.extend(more.iter().cloned()),
            _ => return,
        }
    }
    let about = schema.get("description").and_then(Value::as_str);
    let about = format!("{}{}", about.unwrap_or_default(), lines.concat());
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), Value::Array(values));
    schema.insert("description".to_owned(), json!(about));
}

#[cfg(test)]
mod lint;

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    /// How it is ordered.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Order {
        /// Oldest first.
        Oldest,
        /// Newest first.
        Newest,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Inner {
        /// A number.
        size: u64,
    }

    /// About the type.
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Arguments {
        /// When.
        #[schemars(extend("format" = "date-time"))]
        due: Option<String>,
        /// How many.
        limit: Option<usize>,
        /// The order.
        order: Order,
        /// Another order.
        other: Option<Order>,
        /// Others.
        inner: Vec<Inner>,
        /// A name.
        title: String,
        /// Anything.
        any: Value,
    }

    #[test]
    fn a_schema_says_the_same_in_simpler_words() {
        let mut schema = Value::Object(Arc::unwrap_or_clone(input::<Arguments>()));
        assert!(
            schema
                .as_object_mut()
                .expect("object")
                .remove("$schema")
                .is_some()
        );
        let inner = json!({
            "type": "object", "required": ["size"],
            "properties": { "size": { "type": "integer", "minimum": 0, "description": "A number." } },
        });
        assert_eq!(
            schema,
            json!({
                "type": "object",
                "required": ["order", "inner", "title", "any"],
                "properties": {
                    "due": { "type": "string", "format": "date-time", "description": "When." },
                    "limit": { "type": "integer", "minimum": 0, "description": "How many." },
                    "other": {
                        "type": "string", "enum": ["oldest", "newest"],
                        "description": "Another order.\n- oldest: Oldest first.\n- newest: Newest first.",
                    },
                    "order": {
                        "type": "string", "enum": ["oldest", "newest"],
                        "description": "The order.\n- oldest: Oldest first.\n- newest: Newest first.",
                    },
                    "inner": { "type": "array", "items": inner, "description": "Others." },
                    "title": { "type": "string", "description": "A name." },
                    "any": { "description": "Anything." },
                },
            })
        );
    }

    #[test]
    fn no_arguments_are_an_object_too() {
        #[derive(Deserialize, JsonSchema)]
        struct Nothing {}
        assert_eq!(input::<Nothing>().get("properties"), Some(&json!({})));
        assert_eq!(input::<Nothing>().get("type"), Some(&json!("object")));
    }
}
