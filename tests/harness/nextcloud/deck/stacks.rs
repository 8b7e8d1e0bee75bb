//! `stacks`: the lists of a board, with or without their cards.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

use super::super::gate::CorsRoute;
use super::super::parameters::Parameters;
use super::super::server::Shared;
use super::boards::required;
use super::error::DeckError;
use super::model::{Deck, Right, Stack};
use super::shapes;
use super::{Asker, act, id};

pub(super) async fn list(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(board): Path<String>,
) -> Response {
    act(&server, &session, |deck, asker| {
        let board = id(&board, "board")?;
        deck.board(board, &asker.uid, Right::Read)?;
        Ok(of_board(deck, board, |stack| {
            let cards = deck.cards_of(stack, false).into_iter();
            cards
                .filter_map(|id| Some(shapes::card(deck, &asker.names, id, deck.cards.get(&id)?)))
                .collect()
        }))
    })
}

/// The archived cards, by list: bare rows with their labels, `null` when there are none.
pub(super) async fn archived(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(board): Path<String>,
) -> Response {
    act(&server, &session, |deck, asker| {
        let board = id(&board, "board")?;
        deck.board(board, &asker.uid, Right::Read)?;
        Ok(of_board(deck, board, |stack| {
            let cards = deck.cards_of(stack, true).into_iter();
            cards
                .filter_map(|id| {
                    let card = deck.cards.get(&id)?;
                    let mut row = shapes::bare_row(id, card);
                    if !card.labels.is_empty() {
                        shapes::set(&mut row, "labels", shapes::labels_of(deck, id, card));
                    }
                    Some(row)
                })
                .collect()
        }))
    })
}

fn of_board(deck: &Deck, board: u64, cards: impl Fn(u64) -> Vec<Value>) -> Value {
    let stacks = deck.stacks_of(board).into_iter();
    stacks
        .filter_map(|id| Some(shapes::stack(id, deck.stacks.get(&id)?, &cards(id))))
        .collect()
}

/// One list; its cards come without labels, unlike in the list of lists.
pub(super) async fn show(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, stack)): Path<(String, String)>,
) -> Response {
    act(&server, &session, |deck, asker| {
        let id = id(&stack, "stack")?;
        let stack = deck.stack(id, &asker.uid, Right::Read)?;
        let cards: Vec<Value> = deck
            .cards_of(id, false)
            .into_iter()
            .filter_map(|id| {
                let mut card = shapes::card(deck, &asker.names, id, deck.cards.get(&id)?);
                shapes::set(&mut card, "labels", Value::Null);
                Some(card)
            })
            .collect();
        Ok(shapes::stack(id, stack, &cards))
    })
}

fn title_and_order(parameters: &Parameters) -> Result<(String, i64), DeckError> {
    let title = required(parameters, "title", 100)?;
    let order = parameters
        .number("order")
        .ok_or_else(|| DeckError::Bad("order must be provided and must be numeric".to_owned()))?;
    Ok((title, order))
}

pub(super) async fn create(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(board): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let board = id(&board, "board")?;
        let (title, order) = title_and_order(&parameters)?;
        deck.board(board, &asker.uid, Right::Manage)?;
        deck.check_board(board)?;
        let stack = Stack {
            board,
            title,
            order,
            deleted_at: 0,
            last_modified: 0,
        };
        let id = deck.next_id();
        let value = shapes::stack(id, &stack, &[]);
        deck.stacks.insert(id, stack);
        deck.board_changed(board, asker.now);
        Ok(value)
    })
}

pub(super) async fn update(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((board, stack)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let (board, id) = (id(&board, "board")?, id(&stack, "stack")?);
        let (title, order) = title_and_order(&parameters)?;
        let Stack { board: before, .. } = *deck.stack(id, &asker.uid, Right::Manage)?;
        deck.board(board, &asker.uid, Right::Manage)?;
        deck.check_board(before)?;
        changed(deck, asker, id, |stack| {
            // The board of the path, whichever it is.
            stack.board = board;
            stack.title = title;
            stack.order = order;
            stack.deleted_at = 0;
        })
    })
}

pub(super) async fn remove(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, stack)): Path<(String, String)>,
) -> Response {
    act(&server, &session, |deck, asker| {
        let id = id(&stack, "stack")?;
        deck.stack(id, &asker.uid, Right::Manage)?;
        changed(deck, asker, id, |stack| stack.deleted_at = asker.now)
    })
}

fn changed(
    deck: &mut Deck,
    asker: &Asker,
    id: u64,
    change: impl FnOnce(&mut Stack),
) -> Result<Value, DeckError> {
    let stack = deck.stacks.get_mut(&id).ok_or(DeckError::Denied)?;
    change(stack);
    let value = shapes::stack(id, stack, &[]);
    let board = stack.board;
    deck.board_changed(board, asker.now);
    Ok(value)
}
