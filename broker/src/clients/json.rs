//! JSON objects as strangers write them.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Reads a JSON object that names each member once.
///
/// RFC 8259 §4 leaves open what a member named twice means. An administrator, a proxy or another
/// program may have looked at the other one, so neither counts.
///
/// # Errors
/// When it is no JSON, no object, or names a member twice.
pub(crate) fn object(text: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let object = deserializer.deserialize_map(Members)?;
    deserializer.end()?;
    Ok(object)
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = members.next_entry()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is named twice"));
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_names_each_member_once() {
        let read = object(br#" {"a": 1, "b": {"a": [2]}} "#).unwrap();
        assert_eq!(Value::from(read).to_string(), r#"{"a":1,"b":{"a":[2]}}"#);
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "b": 2, "\u0061": 3}"#,
            r#"{"a": 1} {"b": 2}"#,
            r#"{"a": 1}x"#,
            r#"{"a": 1"#,
            r#"{"a": NaN}"#,
            "[]",
            "null",
            "\"text\"",
            "",
        ] {
            assert!(object(text.as_bytes()).is_err(), "{text}");
        }
        assert!(object(b"{\"a\": \"\xff\"}").is_err(), "not UTF-8");
        assert!(object(b"\xef\xbb\xbf{}").is_err(), "a byte order mark");
    }
}
