//! Tables: which there are, their columns, and reading, adding, changing and deleting rows.
//!
//! The app knows columns by number; people and models know them by title, so both are taken. What
//! is to be written is held against the columns first: the app fails inside on a column that is
//! not there, and stores what does not fit as nothing. Lists and new rows are asked for over its
//! API 2, everything else over API 1, as far as each reaches.

mod column;
mod row;

use std::borrow::Cow;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::column::Schema;
use super::{Effect, Family, Needs, Tool, page::Page};
use crate::{
    error::{About, Describe, ToolError},
    nextcloud::{Client, Request, Route},
};

const READ: Needs = Needs::All(&["tables.read"]);
const WRITE: Needs = Needs::All(&["tables.write"]);

/// Tables returned unless asked otherwise, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 500;

/// The Tables tools.
pub(super) fn family() -> Family {
    let mut tools = vec![
        Tool::new("nc_tables_list_tables", Effect::Read, READ, list)
            .described(
                "List tables",
                "Lists the tables of the user and those that others share with the user. Use it to \
                 find the id of a table.",
            )
            .calls(&["GET /ocs/v2.php/apps/tables/api/2/tables"]),
        Tool::new("nc_tables_get_schema", Effect::Read, READ, get_schema)
            .described(
                "Look at the columns of a table",
                "Returns the columns of a table: their ids, titles, types, and the options of \
                 columns with a selection. Use it before you write rows.",
            )
            .calls(&["GET /index.php/apps/tables/api/1/tables/{table_id}/scheme"]),
    ];
    tools.extend(row::tools());
    Family {
        tools,
        resources: Vec::new(),
    }
}

const TABLES: About = About {
    what: Cow::Borrowed("The list of tables"),
    find: "Use nc_tables_list_tables to see the tables.",
    app: "Tables",
};

fn about_table(table_id: u64) -> About {
    About {
        what: format!("Table {table_id}").into(),
        find: "Use nc_tables_list_tables to find the right id.",
        app: "Tables",
    }
}

fn about_row(row_id: u64) -> About {
    About {
        what: format!("Row {row_id}").into(),
        find: "Use nc_tables_read_table to find the right id.",
        app: "Tables",
    }
}

/// A route of the app's API 1.
fn v1(kind: &str, id: u64) -> Route {
    Route::app("tables", ["api", "1", kind, id.to_string().as_str()])
}

/// A route of the app's API 2.
fn v2<'a>(segments: impl IntoIterator<Item = &'a str>) -> Route {
    Route::ocs(["apps", "tables", "api", "2"]).join(segments)
}

/// The columns of a table.
async fn schema(client: &Client, table_id: u64) -> Result<Schema, ToolError> {
    let request = Request::new(Method::GET, v1("tables", table_id).join(["scheme"]));
    client.json(&request).await.about(&about_table(table_id))
}

#[derive(Deserialize, JsonSchema)]
struct ListArguments {
    /// How many tables to return at most: 100 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many tables to skip.
    #[serde(default)]
    offset: usize,
}

/// A table.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Table {
    /// The table's id.
    id: u64,
    /// Its title.
    title: String,
    /// An emoji that stands for it; empty when it has none.
    #[serde(default, deserialize_with = "or_default")]
    emoji: String,
    /// What it is about.
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    /// The user whose it is.
    #[serde(
        default,
        rename(deserialize = "ownership"),
        deserialize_with = "or_default"
    )]
    owner: String,
    /// Whether somebody else shares it with this user.
    #[serde(default, rename(deserialize = "isShared"))]
    is_shared: bool,
    /// Whether it was put aside.
    #[serde(default)]
    archived: bool,
    /// How many rows it has.
    #[serde(
        default,
        rename(deserialize = "rowsCount"),
        deserialize_with = "or_default"
    )]
    rows_count: u64,
    /// How many columns it has.
    #[serde(
        default,
        rename(deserialize = "columnsCount"),
        deserialize_with = "or_default"
    )]
    columns_count: u64,
}

/// What the app writes as `null` is as good as missing.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: serde::Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The tables.
#[derive(Serialize, JsonSchema)]
struct TablePage {
    /// The tables.
    tables: Vec<Table>,
    /// How many there are altogether.
    total: usize,
    /// The offset to go on with, if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
}

async fn list(client: Client, arguments: ListArguments) -> Result<TablePage, ToolError> {
    let request = Request::new(Method::GET, v2(["tables"]));
    let tables: Vec<Table> = client.ocs(request).await.about(&TABLES)?;
    let page = Page::of(tables, arguments.offset, arguments.limit, PAGE, MAX_PAGE);
    Ok(TablePage {
        tables: page.items,
        total: page.total,
        next_offset: page.next_offset,
    })
}

#[derive(Deserialize, JsonSchema)]
struct TableArguments {
    /// The table's id.
    table_id: u64,
}

/// A table with its columns.
#[derive(Serialize, JsonSchema)]
struct Described {
    /// The table's id.
    table_id: u64,
    #[serde(flatten)]
    schema: Schema,
}

async fn get_schema(client: Client, arguments: TableArguments) -> Result<Described, ToolError> {
    let TableArguments { table_id } = arguments;
    Ok(Described {
        table_id,
        schema: schema(&client, table_id).await?,
    })
}
