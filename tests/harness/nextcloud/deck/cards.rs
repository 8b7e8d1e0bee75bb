//! `cards`: one card, replaced as a whole by every change.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, UtcOffset};

use super::super::gate::CorsRoute;
use super::super::parameters::Parameters;
use super::super::server::Shared;
use super::boards::required;
use super::error::DeckError;
use super::model::{Card, Deck, Right};
use super::shapes;
use super::{Asker, act, id, read};

/// The ids of a card's path: board, list, card.
pub(super) type CardPath = Path<(String, String, String)>;

pub(super) async fn show(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, _, card)): CardPath,
    headers: HeaderMap,
) -> Response {
    read(&server, &session, &headers, |deck, asker| {
        let id = id(&card, "card")?;
        let card = deck.card(id, &asker.uid, Right::Read)?;
        let mut value = shapes::card(deck, &asker.names, id, card);
        shapes::set(&mut value, "attachments", json!([]));
        Ok(value)
    })
}

pub(super) async fn create(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, stack)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let stack = id(&stack, "stack")?;
        let title = required(&parameters, "title", 255)?;
        let kind = if parameters.has("type") {
            required(&parameters, "type", 32)?
        } else {
            "plain".to_owned()
        };
        deck.stack(stack, &asker.uid, Right::Edit)?;
        deck.check_board_of_stack(stack)?;
        let card = Card {
            stack,
            title,
            description: parameters
                .text("description")
                .unwrap_or_default()
                .to_owned(),
            description_before: None,
            kind,
            order: parameters.number("order").unwrap_or(999),
            owner: asker.uid.clone(),
            last_editor: None,
            labels: Vec::new(),
            assigned: Vec::new(),
            duedate: date(&parameters, "duedate")?,
            done: None,
            archived: false,
            deleted_at: 0,
            created_at: asker.now,
            last_modified: asker.now,
        };
        let id = deck.next_id();
        let value = shapes::card(deck, &asker.names, id, &card);
        deck.cards.insert(id, card);
        deck.card_changed(id, asker.now);
        Ok(value)
    })
}

/// A date as PHP's `DateTime` takes the usual forms; what it cannot read breaks the call.
fn date(parameters: &Parameters, name: &str) -> Result<Option<String>, DeckError> {
    let Some(text) = parameters.text(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let day = format_description!("[year]-[month]-[day]");
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| Date::parse(text, day).map(|day| day.midnight().assume_utc()))
        .ok()
        .and_then(|point| php_date(point.to_offset(UtcOffset::UTC)))
        .map(Some)
        .ok_or(DeckError::Broken)
}

/// PHP writes UTC as an offset.
pub(super) fn php_date(point: OffsetDateTime) -> Option<String> {
    let text = point.format(&Rfc3339).ok()?;
    Some(text.replace('Z', "+00:00"))
}

pub(super) async fn update(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, stack, card)): CardPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let (stack, id) = (id(&stack, "stack")?, id(&card, "card")?);
        let title = required(&parameters, "title", 255)?;
        let kind = required(&parameters, "type", 32)?;
        let owner = required(&parameters, "owner", 64)?;
        let before = deck.card_or_deleted(id, &asker.uid, Right::Edit)?;
        let archived = parameters.truth("archived");
        let is_archived = before.archived;
        let home = before.stack;
        deck.stack(stack, &asker.uid, Right::Edit)?;
        deck.check_board_of_stack(home)?;
        if archived == Some(true) && is_archived {
            return Err(DeckError::CARD_ARCHIVED);
        }
        let (duedate, done) = (date(&parameters, "duedate")?, date(&parameters, "done")?);
        let card = deck.cards.get_mut(&id).ok_or(DeckError::Denied)?;
        if card.description_before.is_none() {
            card.description_before = Some(card.description.clone());
        }
        // The list of the path, whichever it is; everything else is replaced as well.
        card.stack = stack;
        card.title = title;
        card.kind = kind;
        card.owner = owner;
        card.order = parameters.number("order").unwrap_or_default();
        parameters
            .text("description")
            .unwrap_or_default()
            .clone_into(&mut card.description);
        card.duedate = duedate;
        card.done = done;
        card.archived = archived.unwrap_or(card.archived);
        card.deleted_at = 0;
        let value = deck
            .cards
            .get(&id)
            .map(|card| shapes::card(deck, &asker.names, id, card));
        // Editor and time are written behind the answer.
        if let Some(card) = deck.cards.get_mut(&id) {
            card.last_editor = Some(asker.uid.clone());
        }
        deck.card_changed(id, asker.now);
        value.ok_or(DeckError::Denied)
    })
}

pub(super) async fn remove(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, _, card)): CardPath,
) -> Response {
    act(&server, &session, |deck, asker| {
        changed(deck, asker, &card, |card| card.deleted_at = asker.now)
    })
}

pub(super) async fn archive(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, _, card)): CardPath,
) -> Response {
    act(&server, &session, |deck, asker| {
        changed(deck, asker, &card, |card| card.archived = true)
    })
}

pub(super) async fn unarchive(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, _, card)): CardPath,
) -> Response {
    act(&server, &session, |deck, asker| {
        changed(deck, asker, &card, |card| card.archived = false)
    })
}

/// Changes a card and answers with its row.
fn changed(
    deck: &mut Deck,
    asker: &Asker,
    card: &str,
    change: impl FnOnce(&mut Card),
) -> Result<Value, DeckError> {
    let id = id(card, "card")?;
    let Card { stack, .. } = *deck.card(id, &asker.uid, Right::Edit)?;
    deck.check_board_of_stack(stack)?;
    let card = deck.cards.get_mut(&id).ok_or(DeckError::Denied)?;
    change(card);
    let value = shapes::row(&asker.names, id, card);
    deck.card_changed(id, asker.now);
    Ok(value)
}
