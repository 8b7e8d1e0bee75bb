//! The Notes app, API v1 (app version 4.13.1).
//!
//! Notes are files under the user's `Notes` folder: the id is the file's id, the category the
//! folder, the title the file name. What WebDAV changes there, this API shows, and the other way
//! round. Attachments are only files, reached by WebDAV.

mod list;
mod model;
mod naming;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use serde_json::{Value, json};

use self::model::{Note, NoteSettings, NotesError};
use super::gate::CorsRoute;
use super::parameters::Parameters;
use super::server::{Server, Shared};
use super::text::header;
use super::{json_answer, pages, with_etag};

pub(super) fn routes() -> Router<Shared> {
    const API: &str = "/index.php/apps/notes/api/v1";
    Router::new()
        .route(&format!("{API}/notes"), get(list::list).post(create))
        .route(
            &format!("{API}/notes/{{id}}"),
            get(show).put(update).delete(remove),
        )
        .route(
            &format!("{API}/settings"),
            get(show_settings).put(update_settings),
        )
}

pub(super) fn capabilities(_: &Server) -> Value {
    json!({"notes": {
        "api_version": ["0.2", "1.3", "1.4"],
        "version": "4.13.1",
        "notes_path": "Notes",
    }})
}

/// Puts a note into a user's account, for tests; gives its id.
///
/// # Errors
/// When a file is where the category's folder would have to be.
pub(super) fn add(
    server: &Server,
    uid: &str,
    title: &str,
    category: &str,
    content: &str,
) -> anyhow::Result<u64> {
    let settings = settings_of(server, uid);
    let now = server.clock().now();
    server
        .store(|store| {
            let id = model::create(store, uid, &settings, title, category, now)?;
            model::write(store, uid, &settings, id, content, now)?;
            Ok(id)
        })
        .map_err(|error: NotesError| anyhow::anyhow!("the note cannot be made: {error:?}"))
}

/// Every note of a user as the API would show it, for tests.
pub(super) fn all(server: &Server, uid: &str) -> Vec<Value> {
    let settings = settings_of(server, uid);
    let notes = server.store(|store| model::all(store, uid, &settings));
    notes.iter().map(|note| note.json(&[])).collect()
}

/// A body that may leave out anything.
struct Fields {
    title: Option<String>,
    content: Option<String>,
    category: Option<String>,
    modified: Option<u64>,
    favorite: Option<bool>,
}

impl Fields {
    fn read(headers: &HeaderMap, body: &Bytes) -> Self {
        let parameters = Parameters::read(headers, body);
        let text = |name: &str| parameters.text(name).map(str::to_owned);
        Self {
            title: text("title"),
            content: text("content"),
            category: text("category"),
            modified: parameters
                .number("modified")
                .and_then(|seconds| u64::try_from(seconds).ok()),
            favorite: parameters.truth("favorite"),
        }
    }
}

async fn show(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Ok(id) = id.parse() else {
        return pages::not_found();
    };
    let settings = settings_of(&server, &session.uid);
    let found = server.store(|store| model::get(store, &session.uid, &settings, id));
    match found {
        Ok(note) => with_etag(
            answer(StatusCode::OK, &note.json(&[])),
            &note.etag,
            &headers,
        ),
        Err(error) => refusal(&error),
    }
}

async fn create(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fields = Fields::read(&headers, &body);
    let uid = session.uid.as_str();
    let settings = settings_of(&server, uid);
    let now = server.clock().now();
    let made = server.store(|store| {
        let title = fields.title.as_deref().unwrap_or_default();
        let category = fields.category.as_deref().unwrap_or_default();
        let content = fields.content.as_deref().unwrap_or_default();
        model::check_space(store, uid, content.len() as u64, 0)?;
        let id = model::create(store, uid, &settings, title, category, now)?;
        model::write(store, uid, &settings, id, content, now)?;
        if let Some(modified) = fields.modified.filter(|modified| *modified > 0) {
            model::set_modified(store, uid, id, modified);
        }
        if fields.favorite == Some(true) {
            model::set_favorite(store, uid, id, true, now);
        }
        model::get(store, uid, &settings, id)
    });
    finish(made)
}

async fn update(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(id) = id.parse() else {
        return pages::not_found();
    };
    let fields = Fields::read(&headers, &body);
    let uid = session.uid.as_str();
    let settings = settings_of(&server, uid);
    let now = server.clock().now();
    let if_match = header(&headers, "if-match").filter(|value| !value.is_empty());
    let changed = server.store(|store| {
        let note = model::get(store, uid, &settings, id)?;
        // Only the quoted tag matches; `*` and bare tags do not.
        let matches = |tags: &str| tags.split(',').any(|tag| tag.trim() == note.quoted_etag());
        if !if_match.is_none_or(matches) {
            return Err(NotesError::EtagMismatch(Box::new(note)));
        }
        if let Some(content) = &fields.content {
            let old = note.content.len() as u64;
            model::check_space(store, uid, content.len() as u64, old)?;
            model::write(store, uid, &settings, id, content, now)?;
        }
        if let Some(modified) = fields.modified {
            model::set_modified(store, uid, id, modified);
        }
        if fields.title.is_some() || fields.category.is_some() {
            let title = fields.title.as_deref().unwrap_or(&note.title);
            let category = fields.category.as_deref().unwrap_or(&note.category);
            model::rename(store, uid, &settings, id, title, category, now)?;
        }
        if let Some(favorite) = fields.favorite {
            model::set_favorite(store, uid, id, favorite, now);
        }
        model::get(store, uid, &settings, id)
    });
    finish(changed)
}

async fn remove(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = id.parse() else {
        return pages::not_found();
    };
    let settings = settings_of(&server, &session.uid);
    let now = server.clock().now();
    let removed = server.store(|store| model::remove(store, &session.uid, &settings, id, now));
    match removed {
        Ok(()) => answer(StatusCode::OK, &json!([])),
        Err(error) => refusal(&error),
    }
}

async fn show_settings(State(server): State<Shared>, CorsRoute(session): CorsRoute) -> Response {
    answer(StatusCode::OK, &settings_of(&server, &session.uid).json())
}

async fn update_settings(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    body: Bytes,
) -> Response {
    let change: Value = serde_json::from_slice(&body).unwrap_or_default();
    let settings = server.family(|all: &mut model::AllSettings| {
        let settings = all.of(&session.uid);
        settings.change(&change);
        settings.clone()
    });
    answer(StatusCode::OK, &settings.unwrap_or_default().json())
}

fn settings_of(server: &Server, uid: &str) -> NoteSettings {
    server
        .family(|all: &mut model::AllSettings| all.of(uid).clone())
        .unwrap_or_default()
}

fn finish(result: Result<Note, NotesError>) -> Response {
    match result {
        Ok(note) => answer(StatusCode::OK, &note.json(&[])),
        Err(error) => refusal(&error),
    }
}

/// An answer of the app, which names its API versions also in refusals.
fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = json_answer(status, body);
    response.headers_mut().insert(
        "x-notes-api-versions",
        HeaderValue::from_static("0.2, 1.3, 1.4"),
    );
    response
}

fn refusal(error: &NotesError) -> Response {
    let (status, class) = match error {
        NotesError::EtagMismatch(note) => {
            return answer(StatusCode::PRECONDITION_FAILED, &note.json(&[]));
        }
        NotesError::Missing => (
            StatusCode::NOT_FOUND,
            "OCA\\Notes\\Service\\NoteDoesNotExistException",
        ),
        NotesError::NoSpace => (
            StatusCode::INSUFFICIENT_STORAGE,
            "OCA\\Notes\\Service\\InsufficientStorageException",
        ),
        NotesError::Locked => (StatusCode::LOCKED, "OCP\\Lock\\LockedException"),
        NotesError::NotAFolder => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "OCA\\Notes\\Service\\NotesFolderException",
        ),
    };
    answer(status, &json!({"errorType": class}))
}
