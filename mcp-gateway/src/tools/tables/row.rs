//! Rows: reading them page by page, adding, changing and deleting one.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    READ, WRITE, about_row, about_table,
    column::{Column, Schema},
    or_default, schema, v1, v2,
};
use crate::{
    error::{Describe, ToolError, describe},
    nextcloud::{Client, Request},
    tools::{Effect, Tool},
};

/// Rows returned unless asked otherwise, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 500;

pub(super) fn tools() -> [Tool; 4] {
    [
        Tool::new("nc_tables_read_table", Effect::Read, READ, read)
            .described(
                "Read the rows of a table",
                "Returns rows of a table, page by page, with the columns that they have values \
                 for. When next_offset is in the answer there may be more: call again with it as \
                 offset. In a selection the value is the id of an option, which the columns name.",
            )
            .calls(&[
                "GET /index.php/apps/tables/api/1/tables/{table_id}/scheme",
                "GET /index.php/apps/tables/api/1/tables/{table_id}/rows",
            ]),
        Tool::new("nc_tables_insert_row", Effect::Write, WRITE, insert)
            .described(
                "Add a row to a table",
                "Adds a row. Columns are named by title or id; options of a selection by label or \
                 id. What is left out stays empty.",
            )
            .calls(&[
                "GET /index.php/apps/tables/api/1/tables/{table_id}/scheme",
                "POST /ocs/v2.php/apps/tables/api/2/tables/{table_id}/rows",
            ]),
        Tool::new("nc_tables_update_row", Effect::Write, WRITE, update)
            .described(
                "Change a row of a table",
                "Changes the values of the columns you name and leaves the others as they are; null \
                 clears one. Columns are named by title or id; options of a selection by label or \
                 id. Nextcloud cannot tell whether somebody else changed the row meanwhile.",
            )
            .calls(&[
                "GET /index.php/apps/tables/api/1/rows/{row_id}",
                "GET /index.php/apps/tables/api/1/tables/{table_id}/scheme",
                "PUT /index.php/apps/tables/api/1/rows/{row_id}",
            ]),
        Tool::new("nc_tables_delete_row", Effect::Delete, WRITE, delete)
            .described(
                "Delete a row of a table",
                "Deletes a row for good and returns what was in it: Tables has no trash bin. Use it \
                 only when the user asked for it. It is no error when there is no such row.",
            )
            .calls(&["DELETE /index.php/apps/tables/api/1/rows/{row_id}"]),
    ]
}

/// A row as the app gives it.
#[derive(Deserialize)]
struct Given {
    id: u64,
    #[serde(default, rename = "tableId", deserialize_with = "or_default")]
    table_id: u64,
    #[serde(default, rename = "createdBy", deserialize_with = "or_default")]
    created_by: String,
    #[serde(default, rename = "createdAt", deserialize_with = "or_default")]
    created_at: String,
    #[serde(default, rename = "lastEditBy", deserialize_with = "or_default")]
    last_edit_by: String,
    #[serde(default, rename = "lastEditAt", deserialize_with = "or_default")]
    last_edit_at: String,
    #[serde(default, deserialize_with = "or_default")]
    data: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(rename = "columnId")]
    column_id: u64,
    #[serde(default)]
    value: Value,
}

/// A row.
#[derive(Serialize, JsonSchema)]
struct Row {
    /// The row's id.
    id: u64,
    /// The id of its table.
    table_id: u64,
    /// Its values by the ids of their columns, in the form that writing takes.
    data: Map<String, Value>,
    /// The user who added it; empty when Nextcloud did not tell.
    #[serde(skip_serializing_if = "String::is_empty")]
    created_by: String,
    /// When it was added.
    #[serde(skip_serializing_if = "String::is_empty")]
    created_at: String,
    /// The user who changed it last.
    #[serde(skip_serializing_if = "String::is_empty")]
    last_edit_by: String,
    /// When it was last changed.
    #[serde(skip_serializing_if = "String::is_empty")]
    last_edit_at: String,
}

impl From<Given> for Row {
    fn from(given: Given) -> Self {
        let cells = given
            .data
            .into_iter()
            .map(|cell| (cell.column_id.to_string(), cell.value));
        Self {
            id: given.id,
            table_id: given.table_id,
            data: cells.collect(),
            created_by: given.created_by,
            created_at: given.created_at,
            last_edit_by: given.last_edit_by,
            last_edit_at: given.last_edit_at,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
struct ReadArguments {
    /// The table's id.
    table_id: u64,
    /// How many rows to return at most: 100 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many rows to skip.
    #[serde(default)]
    offset: Option<usize>,
}

/// A part of a table.
#[derive(Serialize, JsonSchema)]
struct RowPage {
    /// The table's id.
    table_id: u64,
    /// The table's title.
    title: String,
    /// The columns.
    columns: Vec<Column>,
    /// The rows.
    rows: Vec<Row>,
    /// The offset to go on with, if there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
}

async fn read(client: Client, arguments: ReadArguments) -> Result<RowPage, ToolError> {
    let ReadArguments {
        table_id,
        limit,
        offset,
    } = arguments;
    let (limit, offset) = (
        limit.unwrap_or(PAGE).clamp(1, MAX_PAGE),
        offset.unwrap_or_default(),
    );
    let Schema { title, columns, .. } = schema(&client, table_id).await?;
    let request = Request::new(Method::GET, v1("tables", table_id).join(["rows"]))
        .query("limit", limit.to_string())
        .query("offset", offset.to_string());
    let given: Vec<Given> = client.json(&request).await.about(&about_table(table_id))?;
    Ok(RowPage {
        table_id,
        title,
        columns,
        next_offset: (given.len() >= limit).then(|| offset.saturating_add(given.len())),
        rows: given.into_iter().map(Row::from).collect(),
    })
}

/// What is sent to the app.
#[derive(Serialize)]
struct Data {
    data: BTreeMap<u64, Value>,
}

#[derive(Deserialize, JsonSchema)]
struct InsertArguments {
    /// The table's id.
    table_id: u64,
    /// The values, each under the title or id of its column.
    data: Map<String, Value>,
}

async fn insert(client: Client, arguments: InsertArguments) -> Result<Row, ToolError> {
    let InsertArguments { table_id, data } = arguments;
    let about = about_table(table_id);
    let data = schema(&client, table_id).await?.resolve(&data)?;
    let request = Request::new(
        Method::POST,
        v2(["tables", table_id.to_string().as_str(), "rows"]),
    )
    .json(&Data { data })
    .about(&about)?;
    let given: Given = client.ocs(request).await.about(&about)?;
    Ok(Row::from(given))
}

#[derive(Deserialize, JsonSchema)]
struct UpdateArguments {
    /// The row's id.
    row_id: u64,
    /// The values to change, each under the title or id of its column.
    data: Map<String, Value>,
}

async fn update(client: Client, arguments: UpdateArguments) -> Result<Row, ToolError> {
    let UpdateArguments { row_id, data } = arguments;
    if data.is_empty() {
        return Err(ToolError::invalid(
            "There is nothing to change: give at least one column in data.",
        ));
    }
    let about = about_row(row_id);
    let there: Given = client
        .json(&Request::new(Method::GET, v1("rows", row_id)))
        .await
        .about(&about)?;
    let data = schema(&client, there.table_id).await?.resolve(&data)?;
    let request = Request::new(Method::PUT, v1("rows", row_id))
        .json(&Data { data })
        .about(&about)?;
    let given: Given = client.json(&request).await.about(&about)?;
    Ok(Row::from(given))
}

#[derive(Deserialize, JsonSchema)]
struct DeleteArguments {
    /// The row's id.
    row_id: u64,
}

/// A deleted row.
#[derive(Serialize, JsonSchema)]
struct Gone {
    /// The row's id.
    row_id: u64,
    /// Whether a row was deleted; otherwise there was none.
    deleted: bool,
    /// What was in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Row>,
    /// Whether it is in a trash bin: Tables has none.
    in_trash_bin: bool,
}

async fn delete(client: Client, arguments: DeleteArguments) -> Result<Gone, ToolError> {
    let DeleteArguments { row_id } = arguments;
    let request = Request::new(Method::DELETE, v1("rows", row_id));
    let row: Option<Given> = match client.json(&request).await {
        Ok(gone) => Some(gone),
        Err(error) if error.is(StatusCode::NOT_FOUND) => None,
        Err(error) => return Err(describe(error, &about_row(row_id))),
    };
    Ok(Gone {
        row_id,
        deleted: row.is_some(),
        row: row.map(Row::from),
        in_trash_bin: false,
    })
}
