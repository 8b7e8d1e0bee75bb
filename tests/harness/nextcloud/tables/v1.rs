//! API 1: `/index.php/apps/tables/api/1/`.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::gate::CorsRoute;
use super::super::server::Shared;
use super::model::Tables;
use super::shapes::{self, From};
use super::{Asker, act, answer};

pub(super) fn routes() -> Router<Shared> {
    const API: &str = "/index.php/apps/tables/api/1";
    Router::new()
        .route(&format!("{API}/tables"), get(list).post(create))
        .route(&format!("{API}/tables/{{table}}"), get(show).delete(remove))
        .route(&format!("{API}/tables/{{table}}/scheme"), get(scheme))
        .route(&format!("{API}/tables/{{table}}/views"), get(views))
        .route(
            &format!("{API}/tables/{{table}}/columns"),
            get(columns).post(add_column),
        )
        .route(
            &format!("{API}/tables/{{table}}/rows"),
            get(rows).post(add_row),
        )
        .route(&format!("{API}/tables/{{table}}/rows/simple"), get(simple))
        .route(
            &format!("{API}/rows/{{row}}"),
            get(show_row).put(change_row).delete(remove_row),
        )
}

fn body(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

async fn list(State(server): State<Shared>, CorsRoute(session): CorsRoute) -> Response {
    answer(act(&server, |tables| {
        Ok(tables.of(&session.uid).map(shapes::table).collect())
    }))
}

async fn create(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    bytes: Bytes,
) -> Response {
    let asker = Asker::of(&server, &session.uid);
    let body = body(&bytes);
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    answer(act(&server, |tables| {
        let table = tables.create(&asker, text("title"), text("emoji"))?;
        Ok(shapes::table(table))
    }))
}

async fn show(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(table): Path<u64>,
) -> Response {
    answer(act(&server, |tables| {
        tables.get(&session.uid, table).map(shapes::table)
    }))
}

async fn remove(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(table): Path<u64>,
) -> Response {
    answer(act(&server, |tables| {
        let gone = tables.remove(&session.uid, table)?;
        Ok(shapes::deleted(&gone))
    }))
}

async fn scheme(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(table): Path<u64>,
) -> Response {
    answer(act(&server, |tables| {
        tables.get(&session.uid, table).map(shapes::scheme)
    }))
}

async fn views(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(table): Path<u64>,
) -> Response {
    answer(act(&server, |tables| {
        tables.get(&session.uid, table).map(|_| json!([]))
    }))
}

async fn columns(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(table): Path<u64>,
) -> Response {
    answer(act(&server, |tables| {
        tables.get(&session.uid, table).map(shapes::columns)
    }))
}

async fn add_column(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(table): Path<u64>,
    bytes: Bytes,
) -> Response {
    let asker = Asker::of(&server, &session.uid);
    let mut given = body(&bytes).as_object().cloned().unwrap_or_default();
    // Options come as a text that holds JSON.
    if let Some(options) = given.get("selectionOptions").and_then(Value::as_str) {
        let options = serde_json::from_str(options).unwrap_or_default();
        given.insert("selectionOptions".to_owned(), options);
    }
    answer(act(&server, |tables| {
        let (table, column) = tables.add_column(&asker, table, given)?;
        Ok(shapes::column(table, column, From::MadeByV1))
    }))
}

#[derive(Deserialize)]
struct Part {
    limit: Option<usize>,
    offset: Option<usize>,
}

async fn rows(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(table): Path<u64>,
    Query(part): Query<Part>,
) -> Response {
    answer(act(&server, |tables| {
        let rows = tables.get(&session.uid, table)?.rows.values();
        let rows = rows.skip(part.offset.unwrap_or_default());
        let rows = rows.take(part.limit.unwrap_or(usize::MAX));
        Ok(rows.map(|row| shapes::row(row, false)).collect())
    }))
}

async fn add_row(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(table): Path<u64>,
    bytes: Bytes,
) -> Response {
    let asker = Asker::of(&server, &session.uid);
    let data = data(&bytes);
    answer(act(&server, |tables: &mut Tables| {
        let row = tables.add_row(&asker, table, &data)?;
        Ok(shapes::row(&row, true))
    }))
}

/// The member `data`, which may be a text that holds JSON.
pub(super) fn data(bytes: &Bytes) -> Value {
    let data = body(bytes).get("data").cloned().unwrap_or_default();
    match data.as_str() {
        Some(text) => serde_json::from_str(text).unwrap_or_default(),
        None => data,
    }
}

async fn simple(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(table): Path<u64>,
) -> Response {
    answer(act(&server, |tables| {
        tables.get(&session.uid, table).map(shapes::simple)
    }))
}

async fn show_row(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(row): Path<u64>,
) -> Response {
    answer(act(&server, |tables| {
        let row = tables.row(&session.uid, row)?;
        Ok(shapes::row(row, false))
    }))
}

async fn change_row(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(row): Path<u64>,
    bytes: Bytes,
) -> Response {
    let asker = Asker::of(&server, &session.uid);
    let data = data(&bytes);
    answer(act(&server, |tables| {
        let row = tables.change_row(&asker, row, &data)?;
        Ok(shapes::row(&row, false))
    }))
}

async fn remove_row(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(row): Path<u64>,
) -> Response {
    answer(act(&server, |tables| {
        let row = tables.remove_row(&session.uid, row)?;
        Ok(shapes::row(&row, false))
    }))
}
