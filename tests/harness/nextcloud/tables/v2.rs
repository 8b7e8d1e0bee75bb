//! API 2, over OCS: `/ocs/v2.php/apps/tables/api/2/`.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::{Value, json};

use super::super::gate::OcsRoute;
use super::super::ocs::OcsRequest;
use super::super::server::Shared;
use super::model::TablesError;
use super::shapes::{self, From};
use super::{Asker, act, no_table, v1};

pub(super) fn routes() -> Router<Shared> {
    const API: &str = "/ocs/{version}/apps/tables/api/2";
    Router::new()
        .route(&format!("{API}/init"), get(init))
        .route(&format!("{API}/tables"), get(list).post(create))
        .route(&format!("{API}/tables/{{table}}"), get(show).delete(remove))
        .route(&format!("{API}/tables/{{table}}/rows"), post(add_row))
        .route(&format!("{API}/columns/table/{{table}}"), get(columns))
        .route(&format!("{API}/columns/{{type}}"), post(add_column))
}

fn answer(ocs: OcsRequest, outcome: Result<Value, TablesError>) -> Response {
    match outcome {
        Ok(data) => ocs.ok(&data),
        Err(TablesError::NoTable) => no_table(),
        Err(TablesError::NoRow | TablesError::HiddenRow) => ocs.failure(404, "Not found"),
        Err(TablesError::ForeignRow(_)) => ocs.failure(403, "Permission denied"),
        Err(TablesError::NoColumn { .. }) => ocs.failure(
            500,
            "An unexpected error occurred. More details can be found in the logs. Please reach \
             out to your administration.",
        ),
        Err(TablesError::Bad(message)) => ocs.failure(400, message),
    }
}

async fn init(State(server): State<Shared>, OcsRoute { session, ocs }: OcsRoute) -> Response {
    answer(
        ocs,
        act(&server, |tables| {
            let tables: Vec<Value> = tables.of(&session.uid).map(shapes::table).collect();
            Ok(json!({"tables": tables, "views": []}))
        }),
    )
}

async fn list(State(server): State<Shared>, OcsRoute { session, ocs }: OcsRoute) -> Response {
    answer(
        ocs,
        act(&server, |tables| {
            Ok(tables.of(&session.uid).map(shapes::table).collect())
        }),
    )
}

async fn create(
    State(server): State<Shared>,
    OcsRoute { session, ocs }: OcsRoute,
    bytes: Bytes,
) -> Response {
    let asker = Asker::of(&server, &session.uid);
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    answer(
        ocs,
        act(&server, |tables| {
            let table = tables.create(&asker, text("title"), text("emoji"))?;
            Ok(shapes::table(table))
        }),
    )
}

async fn show(
    State(server): State<Shared>,
    Path((_, table)): Path<(String, u64)>,
    OcsRoute { session, ocs }: OcsRoute,
) -> Response {
    answer(
        ocs,
        act(&server, |tables| {
            tables.get(&session.uid, table).map(shapes::table)
        }),
    )
}

async fn remove(
    State(server): State<Shared>,
    Path((_, table)): Path<(String, u64)>,
    OcsRoute { session, ocs }: OcsRoute,
) -> Response {
    answer(
        ocs,
        act(&server, |tables| {
            let gone = tables.remove(&session.uid, table)?;
            Ok(shapes::deleted(&gone))
        }),
    )
}

async fn add_row(
    State(server): State<Shared>,
    Path((_, table)): Path<(String, u64)>,
    OcsRoute { session, ocs }: OcsRoute,
    bytes: Bytes,
) -> Response {
    let asker = Asker::of(&server, &session.uid);
    let data = v1::data(&bytes);
    answer(
        ocs,
        act(&server, |tables| {
            let row = tables.add_row(&asker, table, &data)?;
            Ok(shapes::row(&row, true))
        }),
    )
}

async fn columns(
    State(server): State<Shared>,
    Path((_, table)): Path<(String, u64)>,
    OcsRoute { session, ocs }: OcsRoute,
) -> Response {
    answer(
        ocs,
        act(&server, |tables| {
            tables.get(&session.uid, table).map(shapes::columns)
        }),
    )
}

async fn add_column(
    State(server): State<Shared>,
    Path((_, kind)): Path<(String, String)>,
    OcsRoute { session, ocs }: OcsRoute,
    bytes: Bytes,
) -> Response {
    let asker = Asker::of(&server, &session.uid);
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    // PHP takes a number that is written as text as well.
    let table = body
        .get("baseNodeId")
        .and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()));
    let table = table.unwrap_or_default();
    let mut given = body.as_object().cloned().unwrap_or_default();
    given.insert("type".to_owned(), json!(kind));
    answer(
        ocs,
        act(&server, |tables| {
            let (table, column) = tables.add_column(&asker, table, given)?;
            Ok(shapes::column(table, column, From::MadeByV2))
        }),
    )
}
