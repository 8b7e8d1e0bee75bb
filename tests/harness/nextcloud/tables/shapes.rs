//! Tables, columns and rows as the API shows them.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::model::{Column, Row, Table};

/// Where a column comes from: the answer to making one has more `null`s.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Just made over API 1.
    MadeByV1,
    /// Just made over API 2.
    MadeByV2,
    /// Read from the database.
    Stored,
}

/// A table; one that is gone has counts and names no more.
pub(super) fn table(table: &Table) -> Value {
    json!({
        "id": table.id,
        "title": table.title,
        "emoji": table.emoji,
        "ownership": table.owner,
        "ownerDisplayName": table.owner_name,
        "createdBy": table.owner,
        "createdAt": date(table.created_at),
        "lastEditBy": table.owner,
        "lastEditAt": date(table.created_at),
        "archived": false,
        "isShared": false,
        "favorite": false,
        "onSharePermissions": null,
        "hasShares": false,
        "rowsCount": table.rows.len(),
        "columnsCount": table.columns.len(),
        "views": [],
        "description": "",
    })
}

/// A table that was just deleted.
pub(super) fn deleted(gone: &Table) -> Value {
    let mut shown = table(gone);
    if let Some(members) = shown.as_object_mut() {
        members.insert("ownerDisplayName".to_owned(), json!(""));
        members.insert("rowsCount".to_owned(), json!(0));
        members.insert("columnsCount".to_owned(), json!(0));
    }
    shown
}

/// What `scheme` says about a table.
pub(super) fn scheme(of: &Table) -> Value {
    json!({
        "title": of.title,
        "emoji": of.emoji,
        "columns": columns(of),
        "views": [],
        "description": "",
        "tablesVersion": "1.0.9",
    })
}

pub(super) fn columns(table: &Table) -> Value {
    let columns = table.columns.iter();
    columns
        .map(|one| column(table, one, From::Stored))
        .collect()
}

/// A column; what nobody said is empty, zero, false or `null`, as the member and its source have it.
pub(super) fn column(table: &Table, column: &Column, from: From) -> Value {
    let stored = |value: Value| {
        if from == From::Stored {
            value
        } else {
            Value::Null
        }
    };
    let unless_v2 = |value: Value| {
        if from == From::MadeByV2 {
            Value::Null
        } else {
            value
        }
    };
    let mut shown = Map::new();
    for (member, value) in [
        ("id", json!(column.id)),
        ("tableId", json!(table.id)),
        ("title", json!(column.text("title"))),
        ("createdBy", json!(table.owner)),
        ("createdByDisplayName", json!(table.owner_name)),
        ("createdAt", json!(date(column.created_at))),
        ("lastEditBy", json!(table.owner)),
        ("lastEditByDisplayName", json!(table.owner_name)),
        ("lastEditAt", json!(date(column.created_at))),
        ("viewColumnInformation", Value::Null),
        ("type", json!("text")),
        ("subtype", json!("")),
        ("mandatory", json!(false)),
        ("description", json!("")),
        ("numberDefault", Value::Null),
        ("numberMin", Value::Null),
        ("numberMax", Value::Null),
        ("numberDecimals", stored(json!(0))),
        ("numberPrefix", json!("")),
        ("numberSuffix", json!("")),
        ("textDefault", Value::Null),
        ("textAllowedPattern", Value::Null),
        ("textMaxLength", Value::Null),
        (
            "textUnique",
            if from == From::MadeByV1 {
                Value::Null
            } else {
                json!(false)
            },
        ),
        ("selectionOptions", json!([])),
        ("selectionDefault", unless_v2(json!(""))),
        ("datetimeDefault", unless_v2(json!(""))),
        ("usergroupDefault", json!([])),
        ("usergroupMultipleItems", stored(json!(false))),
        ("usergroupSelectUsers", stored(json!(false))),
        ("usergroupSelectGroups", stored(json!(false))),
        ("usergroupSelectTeams", stored(json!(false))),
        ("showUserStatus", stored(json!(false))),
        ("customSettings", json!({})),
    ] {
        let given = column.given.get(member).filter(|given| !given.is_null());
        let is_ours = ["id", "tableId"].contains(&member);
        let value = given.filter(|_| !is_ours).cloned().unwrap_or(value);
        shown.insert(member.to_owned(), value);
    }
    Value::Object(shown)
}

/// A row; the answer to making one does not tell who and when.
pub(super) fn row(row: &Row, is_new: bool) -> Value {
    let known = |value: Value| if is_new { Value::Null } else { value };
    let cells = row.cells.iter();
    let data: Vec<Value> = cells
        .map(|(column, value)| json!({"columnId": column, "value": value}))
        .collect();
    json!({
        "id": row.id,
        "tableId": row.table,
        "createdBy": known(json!(row.author)),
        "createdAt": known(json!(date(row.created_at))),
        "lastEditBy": known(json!(row.editor)),
        "lastEditAt": known(json!(date(row.edited_at))),
        "data": data,
    })
}

/// The titles of the columns and below them the values of the rows.
pub(super) fn simple(table: &Table) -> Value {
    let titles: Value = table
        .columns
        .iter()
        .map(|one| json!(one.text("title")))
        .collect();
    let rows = table.rows.values().map(|row| {
        let cells = table.columns.iter();
        cells
            .map(|column| row.cells.get(&column.id).cloned().unwrap_or_default())
            .collect::<Value>()
    });
    std::iter::once(titles).chain(rows).collect()
}

fn date(unix: u64) -> String {
    const FORMAT: &[BorrowedFormatItem<'static>] =
        format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    let time = i64::try_from(unix).unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(time).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(FORMAT).unwrap_or_default()
}
