//! The Tables app (1.0.9): its API 1, and the part of API 2 that clients use.
//!
//! New users get no welcome table here, tables have no views and are not shared. A table that is
//! missing or somebody else's is 404 with an empty page; a row of somebody else cannot be read
//! (403) and does not exist for who would change it (404).

mod model;
mod shapes;
mod v1;
mod v2;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use self::model::{Tables, TablesError};
use super::account::Account;
use super::json_answer;
use super::server::{Server, Shared};

pub(super) fn routes() -> Router<Shared> {
    v1::routes().merge(v2::routes())
}

pub(super) fn capabilities(_: &Server) -> Value {
    json!({"tables": {
        "enabled": true,
        "version": "1.0.9",
        "apiVersions": ["1.0", "2.0", "2.1"],
        "features": ["favorite", "archive"],
        "isCirclesEnabled": true,
        "column_types": [
            "text-line", "text-rich", "text-link", "number", "number-stars", "number-progress",
            "selection", "selection-multi", "selection-check", "datetime", "datetime-date",
            "datetime-time", "usergroup",
        ],
    }})
}

/// Makes a table with these columns, for tests; gives its id.
///
/// # Errors
/// When the table has no title or a column has none.
pub(super) fn add(
    server: &Server,
    uid: &str,
    title: &str,
    columns: &[Value],
) -> anyhow::Result<u64> {
    let asker = Asker::of(server, uid);
    let made = server.family(|tables: &mut Tables| {
        let id = tables.create(&asker, Some(title), None)?.id;
        for column in columns {
            let given = column.as_object().cloned().unwrap_or_default();
            tables.add_column(&asker, id, given)?;
        }
        Ok(id)
    });
    made.unwrap_or(Err(TablesError::NoTable))
        .map_err(|error| anyhow::anyhow!("the table cannot be made: {error:?}"))
}

/// The rows of a table, for tests: column titles first.
pub(super) fn simple(server: &Server, table: u64) -> Option<Value> {
    let found = server.family(|tables: &mut Tables| tables.any(table).map(shapes::simple));
    found.flatten()
}

/// Who asks, what they are called, and when.
struct Asker {
    uid: String,
    name: String,
    now: u64,
}

impl Asker {
    fn of(server: &Server, uid: &str) -> Self {
        let account: Option<Account> = server.store(|store| store.accounts.get(uid).cloned());
        Self {
            uid: uid.to_owned(),
            name: account.map_or_else(|| uid.to_owned(), |account| account.display_name),
            now: server.clock().now(),
        }
    }
}

/// Works on all tables.
fn act(
    server: &Server,
    work: impl FnOnce(&mut Tables) -> Result<Value, TablesError>,
) -> Result<Value, TablesError> {
    server.family(work).unwrap_or(Err(TablesError::NoTable))
}

/// The answer to a table that the caller does not see: a page with nothing on it.
fn no_table() -> Response {
    (
        StatusCode::NOT_FOUND,
        [("content-type", "text/html; charset=UTF-8")],
    )
        .into_response()
}

fn answer(outcome: Result<Value, TablesError>) -> Response {
    let (status, message) = match outcome {
        Ok(body) => return json_answer(StatusCode::OK, &body),
        Err(TablesError::NoTable) => return no_table(),
        Err(TablesError::NoRow) => (
            StatusCode::NOT_FOUND,
            "OCA\\Tables\\Service\\RowService - find: Did expect one result but found none when \
             executing: query \"SELECT * FROM `*PREFIX*tables_row_sleeves` WHERE `id` = \
             :dcValue1\"; "
                .to_owned(),
        ),
        Err(TablesError::HiddenRow) => (
            StatusCode::NOT_FOUND,
            "OCA\\Tables\\Service\\RowService - updateSet: Row not found.".to_owned(),
        ),
        Err(TablesError::ForeignRow(id)) => (
            StatusCode::FORBIDDEN,
            format!("PermissionError: can not read row with id {id}"),
        ),
        Err(TablesError::NoColumn { column, table }) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("Column with id {column} is not part of table with id {table}"),
        ),
        Err(TablesError::Bad(message)) => (StatusCode::BAD_REQUEST, message.to_owned()),
    };
    json_answer(status, &json!({"message": message}))
}
