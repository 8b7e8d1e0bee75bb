//! The Deck app, API v1.0 (app version 1.16.7), and the one route of its own pages that API clients
//! use.
//!
//! Deck looks at the last id of a path only. What a board or list in the path is used for all the
//! same are traps, and they are kept: a replaced card moves to the list of the path, a replaced
//! list to its board, and the public `reorder` takes the list of the path for the target. New users
//! get no welcome board here, and deleted things stay listed as the real server does for a while.

mod attach;
mod boards;
mod cards;
mod comments;
mod error;
mod labels;
mod model;
mod reorder;
mod shapes;
mod stacks;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use serde_json::{Value, json};

use self::error::DeckError;
use self::model::Deck;
use self::shapes::Names;
use super::auth::Session;
use super::server::{Server, Shared};
use super::text::digest;
use super::{json_answer, with_etag};

pub(super) fn routes() -> Router<Shared> {
    const API: &str = "/index.php/apps/deck/api/v1.0/boards";
    let stacks_path = format!("{API}/{{board}}/stacks");
    let cards_path = format!("{stacks_path}/{{stack}}/cards");
    let card_path = format!("{cards_path}/{{card}}");
    let labels_path = format!("{API}/{{board}}/labels");
    let mut router = Router::new()
        .route(API, get(boards::list).post(boards::create))
        .route(
            &format!("{API}/{{board}}"),
            get(boards::show).put(boards::update).delete(boards::remove),
        )
        .route(&format!("{API}/{{board}}/acl"), post(boards::share))
        .route(&stacks_path, get(stacks::list).post(stacks::create))
        .route(&format!("{stacks_path}/archived"), get(stacks::archived))
        .route(
            &format!("{stacks_path}/{{stack}}"),
            get(stacks::show).put(stacks::update).delete(stacks::remove),
        )
        .route(&cards_path, post(cards::create))
        .route(
            &card_path,
            get(cards::show).put(cards::update).delete(cards::remove),
        )
        .route(&format!("{card_path}/reorder"), put(reorder::public))
        .route(
            &format!("{card_path}/attachments"),
            get(attach::attachments),
        )
        .route(&labels_path, post(labels::create))
        .route(
            &format!("{labels_path}/{{label}}"),
            get(labels::show).put(labels::update).delete(labels::remove),
        )
        .route(
            "/index.php/apps/deck/cards/{card}/reorder",
            put(reorder::internal),
        )
        .merge(comments::routes());
    for (verb, handler) in [
        ("archive", put(cards::archive)),
        ("unarchive", put(cards::unarchive)),
        ("assignLabel", put(attach::assign_label)),
        ("removeLabel", put(attach::remove_label)),
        ("assignUser", put(attach::assign_user)),
        ("unassignUser", put(attach::unassign_user)),
    ] {
        router = router.route(&format!("{card_path}/{verb}"), handler);
    }
    router
}

pub(super) fn capabilities(_: &Server) -> Value {
    json!({"deck": {
        "version": "1.16.7",
        "canCreateBoards": true,
        "apiVersions": ["1.0", "1.1"],
    }})
}

/// Every board that a user sees with its lists and all their cards, archived ones too, for tests.
pub(super) fn all(server: &Server, uid: &str) -> Vec<Value> {
    let names = Names::of(server);
    server
        .family(|deck: &mut Deck| shapes::everything(deck, &names, uid))
        .unwrap_or_default()
}

/// Who asks, when, and what people are called.
struct Asker {
    uid: String,
    now: u64,
    names: Names,
}

/// Works on all boards as the user of a session, and answers with what comes of it.
fn act(
    server: &Server,
    session: &Session,
    work: impl FnOnce(&mut Deck, &Asker) -> Result<Value, DeckError>,
) -> Response {
    match outcome(server, session, work) {
        Ok(body) => json_answer(StatusCode::OK, &body),
        Err(error) => error.response(),
    }
}

/// The same for what has an entity tag: one thing has its own, a list one of all its members.
fn read(
    server: &Server,
    session: &Session,
    headers: &HeaderMap,
    work: impl FnOnce(&mut Deck, &Asker) -> Result<Value, DeckError>,
) -> Response {
    let body = match outcome(server, session, work) {
        Ok(body) => body,
        Err(error) => return error.response(),
    };
    let tag_of = |value: &Value| value["ETag"].as_str().unwrap_or_default().to_owned();
    let tag = match body.as_array() {
        Some(list) => digest(list.iter().map(tag_of).collect::<String>().as_bytes()),
        None => tag_of(&body),
    };
    with_etag(json_answer(StatusCode::OK, &body), &tag, headers)
}

fn outcome(
    server: &Server,
    session: &Session,
    work: impl FnOnce(&mut Deck, &Asker) -> Result<Value, DeckError>,
) -> Result<Value, DeckError> {
    let asker = Asker {
        uid: session.uid.clone(),
        now: server.clock().now(),
        names: Names::of(server),
    };
    server
        .family(|deck: &mut Deck| work(deck, &asker))
        .unwrap_or(Err(DeckError::Broken))
}

/// An id in a path.
fn id(text: &str, what: &str) -> Result<u64, DeckError> {
    let number = text.parse();
    number.map_err(|_| DeckError::Bad(format!("{what} id must be a number")))
}
