//! The columns of a table, and what may stand in them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::or_default;
use crate::error::ToolError;

/// What a table is made of.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Schema {
    /// The table's title.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) title: String,
    /// An emoji that stands for it; empty when it has none.
    #[serde(default, deserialize_with = "or_default")]
    emoji: String,
    /// What it is about.
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    /// The columns.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Column {
    /// The column's id.
    pub(super) id: u64,
    /// Its title.
    pub(super) title: String,
    /// What it holds: text, number, selection, datetime or usergroup.
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: String,
    /// Which kind of it, such as line, rich, link, progress, check, multi, date.
    #[serde(default, deserialize_with = "or_default")]
    subtype: String,
    /// Whether every row should have a value.
    #[serde(default, deserialize_with = "or_default")]
    mandatory: bool,
    /// What it is for.
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    /// What a selection lets one choose from.
    #[serde(
        default,
        rename(deserialize = "selectionOptions"),
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    options: Vec<Choice>,
    /// The smallest number that is allowed.
    #[serde(
        default,
        rename(deserialize = "numberMin"),
        skip_serializing_if = "Option::is_none"
    )]
    minimum: Option<f64>,
    /// The largest number that is allowed.
    #[serde(
        default,
        rename(deserialize = "numberMax"),
        skip_serializing_if = "Option::is_none"
    )]
    maximum: Option<f64>,
    /// The most characters that a text may have.
    #[serde(
        default,
        rename(deserialize = "textMaxLength"),
        skip_serializing_if = "Option::is_none"
    )]
    max_length: Option<i64>,
}

/// What one may choose in a selection.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Choice {
    /// The id, which rows hold.
    id: i64,
    /// What people see.
    #[serde(default, deserialize_with = "or_default")]
    label: String,
}

impl Schema {
    /// The values to write, by the ids of their columns.
    ///
    /// # Errors
    ///
    /// A sentence about the column that is not there, or the value that does not fit.
    pub(super) fn resolve(
        &self,
        data: &Map<String, Value>,
    ) -> Result<BTreeMap<u64, Value>, ToolError> {
        let mut values = BTreeMap::new();
        for (key, value) in data {
            let column = self.column(key)?;
            if values.insert(column.id, column.fit(value)?).is_some() {
                return Err(ToolError::invalid(format!(
                    "The column \"{}\" ({}) is named twice: give it once.",
                    column.title, column.id
                )));
            }
        }
        Ok(values)
    }

    /// The column with this id or else with this title.
    fn column(&self, key: &str) -> Result<&Column, ToolError> {
        let key = key.trim();
        let by_id = key.parse::<u64>().ok();
        if let Some(column) = self.columns.iter().find(|column| Some(column.id) == by_id) {
            return Ok(column);
        }
        let same = |column: &&Column| column.title.trim() == key;
        let alike = |column: &&Column| column.title.trim().to_lowercase() == key.to_lowercase();
        let found: Vec<&Column> = self.columns.iter().filter(same).collect();
        let found = if found.is_empty() {
            self.columns.iter().filter(alike).collect()
        } else {
            found
        };
        match found.as_slice() {
            [column] => Ok(column),
            [] => Err(ToolError::invalid(format!(
                "The table \"{}\" has no column \"{key}\", so nothing was written. It has: {}.",
                self.title,
                self.names()
            ))),
            _ => Err(ToolError::invalid(format!(
                "The table \"{}\" has several columns \"{key}\", so nothing was written. Name one by \
                 its id: {}.",
                self.title,
                self.names()
            ))),
        }
    }

    fn names(&self) -> String {
        let names = self
            .columns
            .iter()
            .map(|column| format!("\"{}\" ({})", column.title, column.id));
        names.collect::<Vec<_>>().join(", ")
    }
}

impl Column {
    /// The value as the app takes it for this column.
    fn fit(&self, value: &Value) -> Result<Value, ToolError> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        let fitting = match (self.kind.as_str(), self.subtype.as_str()) {
            ("number", _) => return self.number(value),
            ("selection", "check") => checked(value).map(|checked| json!(checked)),
            ("selection", "multi") => self.choices(value).map(|ids| json!(ids)),
            ("selection", _) => self.choice(value).map(|id| json!(id)),
            ("text", _) => return self.text(value),
            _ => Some(value.clone()),
        };
        fitting.ok_or_else(|| {
            let wanted = match self.subtype.as_str() {
                "check" => "true or false".to_owned(),
                "multi" => format!("a list of these: {}", self.option_names()),
                _ => format!("one of these: {}", self.option_names()),
            };
            self.unfit(value, &wanted)
        })
    }

    fn number(&self, value: &Value) -> Result<Value, ToolError> {
        let number = match value {
            Value::String(text) if text.trim().is_empty() => return Ok(Value::Null),
            Value::String(text) => serde_json::from_str(text.trim()).ok(),
            Value::Number(_) => Some(value.clone()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let number = number
            .filter(Value::is_number)
            .ok_or_else(|| self.unfit(value, "a number"))?;
        let size = number.as_f64().unwrap_or_default();
        if self.minimum.is_some_and(|minimum| size < minimum) {
            return Err(self.unfit(
                value,
                &format!("at least {}", self.minimum.unwrap_or_default()),
            ));
        }
        if self.maximum.is_some_and(|maximum| size > maximum) {
            return Err(self.unfit(
                value,
                &format!("at most {}", self.maximum.unwrap_or_default()),
            ));
        }
        Ok(number)
    }

    fn text(&self, value: &Value) -> Result<Value, ToolError> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            // A link is an object, which the app keeps as its JSON.
            Value::Object(_) if self.subtype == "link" => value.to_string(),
            Value::Object(_) | Value::Array(_) | Value::Null => {
                return Err(self.unfit(value, "a text"));
            }
        };
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        match self.max_length {
            Some(most) if most > 0 && length > most && self.subtype == "line" => {
                Err(self.unfit(value, &format!("at most {most} characters")))
            }
            _ => Ok(Value::String(text)),
        }
    }

    /// The id of an option that is given by id or label.
    fn choice(&self, value: &Value) -> Option<i64> {
        let label = value.as_str().map(str::trim);
        let by_label = self
            .options
            .iter()
            .find(|option| Some(option.label.trim()) == label);
        let id = value.as_i64().or_else(|| label?.parse().ok());
        let by_id = || self.options.iter().find(|option| Some(option.id) == id);
        by_label.or_else(by_id).map(|option| option.id)
    }

    fn choices(&self, value: &Value) -> Option<Vec<i64>> {
        match value.as_array() {
            Some(values) => values.iter().map(|value| self.choice(value)).collect(),
            None => self.choice(value).map(|id| vec![id]),
        }
    }

    fn option_names(&self) -> String {
        let names = self
            .options
            .iter()
            .map(|option| format!("\"{}\" ({})", option.label, option.id));
        names.collect::<Vec<_>>().join(", ")
    }

    fn unfit(&self, value: &Value, wanted: &str) -> ToolError {
        let shown: String = value.to_string().chars().take(60).collect();
        ToolError::invalid(format!(
            "{shown} does not fit the column \"{}\" ({}), so nothing was written. It takes {wanted}.",
            self.title, self.id
        ))
    }
}

/// A checkbox, which the app keeps as a word.
fn checked(value: &Value) -> Option<&'static str> {
    match value {
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        Value::String(text) => ["true", "false"].into_iter().find(|word| word == text),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Schema {
        serde_json::from_value(json!({
            "title": "Stock", "emoji": null, "columns": [
                { "id": 5, "title": "Name", "type": "text", "subtype": "line", "textMaxLength": 4 },
                { "id": 6, "title": "Qty", "type": "number", "subtype": "", "numberMin": 0, "numberMax": 10.5 },
                { "id": 7, "title": "5", "type": "datetime", "selectionOptions": null },
                { "id": 8, "title": "Done", "type": "selection", "subtype": "check" },
                { "id": 9, "title": "Size", "type": "selection", "subtype": "", "selectionOptions": [{ "id": 1, "label": "Small" }, { "id": 2, "label": "1" }] },
                { "id": 10, "title": "Tags", "type": "selection", "subtype": "multi", "selectionOptions": [{ "id": 1, "label": "a" }, { "id": 2, "label": "b" }] },
                { "id": 11, "title": "Twice", "type": "text" }, { "id": 12, "title": "Twice", "type": "text" },
            ],
        }))
        .expect("a schema")
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "the tests write the value in place"
    )]
    fn resolve(data: Value) -> Result<Value, String> {
        let data = data.as_object().expect("an object");
        let values = table().resolve(data).map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(values).expect("json"))
    }

    #[test]
    fn columns_are_found_by_id_and_by_title() {
        assert_eq!(
            resolve(json!({ "5": "x", "Qty": 3 })),
            Ok(json!({ "5": "x", "6": 3 }))
        );
        assert_eq!(resolve(json!({ "qty": "2.5" })), Ok(json!({ "6": 2.5 })));
        assert_eq!(resolve(json!({ "12": "y" })), Ok(json!({ "12": "y" })));
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        for (data, part) in [
            (json!({ "99999": "x" }), "no column \"99999\""),
            (json!({ "Price": 1 }), "\"Name\" (5), \"Qty\" (6)"),
            (json!({ "Twice": "x" }), "several columns"),
            (json!({ "Name": "x", "5": "y" }), "named twice"),
        ] {
            let refused = resolve(data).expect_err("refused");
            assert!(
                refused.contains(part) && !refused.contains("  "),
                "{refused}"
            );
        }
    }

    #[test]
    fn values_become_what_the_app_takes() {
        assert_eq!(
            resolve(
                json!({ "Done": true, "Size": "Small", "Tags": ["b", 1], "Name": 12, "Qty": "" })
            ),
            Ok(json!({ "8": "true", "9": 1, "10": [2, 1], "5": "12", "6": null }))
        );
        assert_eq!(
            resolve(json!({ "Size": "1" })),
            Ok(json!({ "9": 2 })),
            "a label goes first"
        );
        assert_eq!(
            resolve(json!({ "Size": 1, "7": "2026-12-24 10:00" })),
            Ok(json!({ "9": 1, "7": "2026-12-24 10:00" }))
        );
        assert_eq!(resolve(json!({ "Name": null })), Ok(json!({ "5": null })));
    }

    #[test]
    fn values_that_would_vanish_are_refused() {
        for (data, part) in [
            (json!({ "Qty": "many" }), "a number"),
            (json!({ "Qty": -1 }), "at least 0"),
            (json!({ "Qty": 11 }), "at most 10.5"),
            (json!({ "Done": "yes" }), "true or false"),
            (json!({ "Size": "Large" }), "\"Small\" (1)"),
            (json!({ "Tags": ["a", "z"] }), "a list of these"),
            (json!({ "Name": "äöüß!" }), "at most 4 characters"),
            (json!({ "Name": ["x"] }), "a text"),
        ] {
            let refused = resolve(data).expect_err("refused");
            assert!(refused.contains(part), "{refused}");
        }
    }
}
