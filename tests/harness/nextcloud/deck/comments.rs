//! Comments on cards, which are an OCS API of their own.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::gate::OcsRoute;
use super::super::parameters::Parameters;
use super::super::server::{Server, Shared};
use super::super::text::query_parameter;
use super::cards::php_date;
use super::error::DeckError;
use super::model::{Comment, Deck, Right};
use super::shapes::{self, Names};

/// The most that one answer shows unless asked otherwise.
const PAGE: usize = 20;
/// The longest comment, in characters.
const LONGEST: usize = 1000;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route(
        "/ocs/{version}/apps/deck/api/v1.0/cards/{card}/comments",
        get(list).post(create),
    )
}

async fn list(
    State(server): State<Shared>,
    Path((_, card)): Path<(String, String)>,
    OcsRoute { session, ocs }: OcsRoute,
    uri: Uri,
) -> Response {
    let number = |name: &str| query_parameter(uri.query(), name).and_then(|text| text.parse().ok());
    let (limit, offset) = (
        number("limit").unwrap_or(PAGE),
        number("offset").unwrap_or_default(),
    );
    let found = on_card(&server, &card, &session.uid, |deck, names, card| {
        let comments = deck.comments.iter().rev().filter(|one| one.card == card);
        let page = comments.skip(offset).take(limit);
        page.map(|one| shown(one, names)).collect::<Value>()
    });
    match found {
        Ok(comments) => ocs.ok(&comments),
        Err(_) => ocs.failure(403, "Permission denied"),
    }
}

async fn create(
    State(server): State<Shared>,
    Path((_, card)): Path<(String, String)>,
    OcsRoute { session, ocs }: OcsRoute,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    let Some(message) = parameters.text("message").filter(|text| !text.is_empty()) else {
        return ocs.failure(400, "message must be provided");
    };
    if message.chars().count() > LONGEST {
        return ocs.failure(400, "Comment is too long");
    }
    let now = server.clock().now();
    let made = on_card(&server, &card, &session.uid, |deck, names, card| {
        let comment = Comment {
            id: deck.next_id(),
            card,
            author: session.uid.clone(),
            message: message.to_owned(),
            created_at: now,
        };
        let value = shown(&comment, names);
        deck.comments.push(comment);
        value
    });
    match made {
        Ok(comment) => ocs.ok(&comment),
        Err(_) => ocs.failure(403, "Permission denied"),
    }
}

fn on_card(
    server: &Server,
    card: &str,
    uid: &str,
    work: impl FnOnce(&mut Deck, &Names, u64) -> Value,
) -> Result<Value, DeckError> {
    let names = Names::of(server);
    let id = super::id(card, "card")?;
    server
        .family(|deck: &mut Deck| {
            deck.card(id, uid, Right::Read)?;
            Ok(work(deck, &names, id))
        })
        .unwrap_or(Err(DeckError::Broken))
}

fn shown(comment: &Comment, names: &Names) -> Value {
    let time = i64::try_from(comment.created_at)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(php_date);
    shapes::comment(comment, names, &json!(time))
}
