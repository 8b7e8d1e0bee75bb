//! What the audit row of a change says: the members before and after.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::AuditEvent;

/// Notes in `event` what changed: `before` and `after`, each with the members that differ. A thing
/// that was not there before, or is not any more, differs in all.
pub(super) fn note<T: Serialize>(event: &mut AuditEvent, before: Option<T>, after: Option<T>) {
    let (before, after) = difference(before.map(members), after.map(members));
    event.details.insert("before".to_owned(), before);
    event.details.insert("after".to_owned(), after);
}

fn members<T: Serialize>(item: T) -> Map<String, Value> {
    let mut members = match serde_json::to_value(item) {
        Ok(Value::Object(members)) => members,
        // A struct of texts, lists and maps always becomes an object.
        Ok(_) | Err(_) => Map::new(),
    };
    for bookkeeping in ["created_at", "updated_at", "version"] {
        members.remove(bookkeeping);
    }
    members
}

fn difference(
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
) -> (Value, Value) {
    let (Some(mut old), Some(mut new)) = (before.clone(), after.clone()) else {
        return (before.into(), after.into());
    };
    old.retain(|name, value| new.get(name) != Some(value));
    new.retain(|name, value| before.as_ref().and_then(|before| before.get(name)) != Some(value));
    (old.into(), new.into())
}
