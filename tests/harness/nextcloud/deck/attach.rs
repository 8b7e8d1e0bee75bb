//! What hangs on a card: labels, people, attachments.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::super::gate::CorsRoute;
use super::super::parameters::Parameters;
use super::super::server::Shared;
use super::boards::required;
use super::cards::CardPath;
use super::error::DeckError;
use super::model::{Card, Deck, Right};
use super::shapes;
use super::{Asker, act, id};

/// The API shows none of those that are files.
pub(super) async fn attachments(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, _, card)): CardPath,
) -> Response {
    act(&server, &session, |deck, asker| {
        deck.card(id(&card, "card")?, &asker.uid, Right::Read)?;
        Ok(json!([]))
    })
}

pub(super) async fn assign_label(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, _, card)): CardPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        with_label(deck, asker, &card, &parameters, |labels, label| {
            if !labels.contains(&label) {
                labels.push(label);
            }
        })
    })
}

pub(super) async fn remove_label(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, _, card)): CardPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        with_label(deck, asker, &card, &parameters, |labels, label| {
            labels.retain(|one| *one != label);
        })
    })
}

/// Any label that exists will do, of whichever board.
fn with_label(
    deck: &mut Deck,
    asker: &Asker,
    card: &str,
    parameters: &Parameters,
    change: impl FnOnce(&mut Vec<u64>, u64),
) -> Result<Value, DeckError> {
    let id = id(card, "card")?;
    let label = parameters.number("labelId").ok_or(DeckError::Broken)?;
    let label = u64::try_from(label).unwrap_or_default();
    let Card {
        stack, archived, ..
    } = *deck.card(id, &asker.uid, Right::Edit)?;
    deck.check_board_of_stack(stack)?;
    if archived {
        return Err(DeckError::CARD_ARCHIVED);
    }
    if !deck.labels.contains_key(&label) {
        return Err(DeckError::Denied);
    }
    if let Some(card) = deck.cards.get_mut(&id) {
        change(&mut card.labels, label);
    }
    deck.card_changed(id, asker.now);
    Ok(Value::Null)
}

pub(super) async fn assign_user(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, _, card)): CardPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let id = id(&card, "card")?;
        let uid = required(&parameters, "userId", 64)?;
        let card = deck.card(id, &asker.uid, Right::Edit)?;
        if card.assigned.iter().any(|(_, one)| *one == uid) {
            let message = "The user is already assigned to the card";
            return Err(DeckError::Bad(message.to_owned()));
        }
        let board = deck.stacks.get(&card.stack).map(|stack| stack.board);
        let board = board.and_then(|board| deck.boards.get(&board));
        if !board.is_some_and(|board| board.grants(&uid, Right::Read)) {
            let message = "The user is not part of the board";
            return Err(DeckError::Bad(message.to_owned()));
        }
        let assignment = deck.next_id();
        if let Some(card) = deck.cards.get_mut(&id) {
            card.assigned.push((assignment, uid.clone()));
        }
        deck.card_changed(id, asker.now);
        Ok(shapes::assignment(assignment, &uid, id, &asker.names))
    })
}

pub(super) async fn unassign_user(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, _, card)): CardPath,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let id = id(&card, "card")?;
        let uid = required(&parameters, "userId", 64)?;
        deck.card(id, &asker.uid, Right::Edit)?;
        let card = deck.cards.get_mut(&id).ok_or(DeckError::Denied)?;
        let place = card.assigned.iter().position(|(_, one)| *one == uid);
        let Some(place) = place else {
            return Err(DeckError::Missing(format!("No assignment for {uid}found.")));
        };
        let (assignment, uid) = card.assigned.remove(place);
        deck.card_changed(id, asker.now);
        Ok(shapes::assignment(assignment, &uid, id, &asker.names))
    })
}
