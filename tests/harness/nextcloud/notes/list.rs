//! `GET notes`: pruning, chunks and the entity tag of a list.
//!
//! The last chunk ends with `{"id"}` alone for every note that an earlier chunk or `pruneBefore`
//! left out: that is how clients learn what was deleted, and what trips a client that expects
//! every member to be a whole note.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::gate::CorsRoute;
use super::super::server::Shared;
use super::super::text::{digest, header_value, http_date};
use super::super::with_etag;
use super::model::{self, Note};
use super::{answer, settings_of};

/// The parameters of a list; what PHP cannot read as a number is 0.
#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
pub(super) struct Parameters {
    category: Option<String>,
    exclude: String,
    prune_before: String,
    chunk_size: String,
    chunk_cursor: String,
}

/// Where the next chunk starts: after the note `id`, last updated at `last_update`.
struct Cursor {
    /// When the first chunk was asked for.
    started: u64,
    last_update: u64,
    id: u64,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('-').map(|number| number.parse().ok());
        Some(Self {
            started: numbers.next()??,
            last_update: numbers.next()??,
            id: numbers.next()??,
        })
    }
}

pub(super) async fn list(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Response {
    let settings = settings_of(&server, &session.uid);
    let mut all = server.store(|store| model::all(store, &session.uid, &settings));
    if let Some(category) = &parameters.category {
        all.retain(|note| note.category == *category);
    }
    let prune_before: u64 = parameters.prune_before.parse().unwrap_or_default();
    let chunk_size: usize = parameters.chunk_size.parse().unwrap_or_default();
    let cursor = Cursor::parse(&parameters.chunk_cursor);
    let started = cursor
        .as_ref()
        .map_or_else(|| server.clock().now(), |cursor| cursor.started);

    let mut full: Vec<&Note> = all
        .iter()
        .filter(|note| prune_before == 0 || note.last_update >= prune_before)
        .filter(|note| {
            cursor
                .as_ref()
                .is_none_or(|cursor| (note.last_update, note.id) > (cursor.last_update, cursor.id))
        })
        .collect();
    full.sort_by_key(|note| (note.last_update, note.id));
    let pending = match chunk_size {
        0 => 0,
        size => full.len().saturating_sub(size),
    };
    full.truncate(full.len() - pending);

    let exclude: Vec<&str> = parameters.exclude.split(',').map(str::trim).collect();
    let mut members: Vec<Value> = full.iter().map(|note| note.json(&exclude)).collect();
    if pending == 0 {
        let left_out = all
            .iter()
            .filter(|note| !full.iter().any(|one| one.id == note.id));
        members.extend(left_out.map(|note| json!({"id": note.id})));
    }
    let body = Value::Array(members);
    let etag = digest(body.to_string().as_bytes());
    let mut response = with_etag(answer(StatusCode::OK, &body), &etag, &headers);
    let response_headers = response.headers_mut();
    response_headers.insert("last-modified", header_value(&http_date(started)));
    if let (Some(last), true) = (full.last(), pending > 0) {
        let cursor = format!("{started}-{}-{}", last.last_update, last.id);
        response_headers.insert("x-notes-chunk-cursor", header_value(&cursor));
        response_headers.insert("x-notes-chunk-pending", header_value(&pending.to_string()));
    }
    response
}
