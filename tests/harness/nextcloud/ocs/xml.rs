//! OCS data as XML: PHP arrays become elements, list members `<element>`, `true` becomes 1.

use quick_xml::escape::escape;
use serde_json::Value;

/// The whole document.
pub(super) fn document(meta: &Value, data: &Value) -> String {
    let mut xml = String::from("<?xml version=\"1.0\"?>\n<ocs>\n");
    write(&mut xml, "meta", meta, 1);
    write(&mut xml, "data", data, 1);
    xml.push_str("</ocs>\n");
    xml
}

fn write(xml: &mut String, name: &str, value: &Value, depth: usize) {
    let indent = " ".repeat(depth);
    let members: Vec<(&str, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, v)| (key.as_str(), v)).collect(),
        Value::Array(list) => list.iter().map(|v| ("element", v)).collect(),
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let text = scalar(value);
            xml.extend([&indent, "<", name, ">", &escape(text), "</", name, ">\n"]);
            return;
        }
    };
    if members.is_empty() {
        xml.extend([&indent, "<", name, "/>\n"]);
        return;
    }
    xml.extend([&indent, "<", name, ">\n"]);
    for (key, member) in members {
        // A key that is no element name (a number) is a list member to PHP.
        let key = if key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            key
        } else {
            "element"
        };
        write(xml, key, member, depth + 1);
    }
    xml.extend([&indent, "</", name, ">\n"]);
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "1".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(false) | Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}
