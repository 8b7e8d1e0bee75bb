//! `labels`: of a board; titles are unique there.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;

use super::super::gate::CorsRoute;
use super::super::parameters::Parameters;
use super::super::server::Shared;
use super::boards::title_and_color;
use super::error::DeckError;
use super::model::{Deck, Label, Right};
use super::shapes;
use super::{act, id};

pub(super) async fn show(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, label)): Path<(String, String)>,
) -> Response {
    act(&server, &session, |deck, asker| {
        let id = id(&label, "label")?;
        let label = deck.label(id, &asker.uid, Right::Read)?;
        Ok(shapes::label(id, label, true))
    })
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
        let (title, color) = title_and_color(&parameters)?;
        deck.board(board, &asker.uid, Right::Manage)?;
        check_unique(deck, board, &title, None)?;
        deck.check_board(board)?;
        let label = Label {
            board,
            title,
            color,
        };
        let id = deck.next_id();
        let value = shapes::label(id, &label, false);
        deck.labels.insert(id, label);
        deck.board_changed(board, asker.now);
        Ok(value)
    })
}

fn check_unique(
    deck: &Deck,
    board: u64,
    title: &str,
    except: Option<u64>,
) -> Result<(), DeckError> {
    let taken = deck
        .labels
        .iter()
        .any(|(id, label)| label.board == board && label.title == title && Some(*id) != except);
    if taken {
        return Err(DeckError::Bad("title must be unique".to_owned()));
    }
    Ok(())
}

pub(super) async fn update(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, label)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let id = id(&label, "label")?;
        let (title, color) = title_and_color(&parameters)?;
        let Label { board, .. } = *deck.label(id, &asker.uid, Right::Manage)?;
        check_unique(deck, board, &title, Some(id))?;
        deck.check_board(board)?;
        let label = Label {
            board,
            title,
            color,
        };
        let value = shapes::label(id, &label, true);
        deck.labels.insert(id, label);
        deck.board_changed(board, asker.now);
        Ok(value)
    })
}

pub(super) async fn remove(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path((_, label)): Path<(String, String)>,
) -> Response {
    act(&server, &session, |deck, asker| {
        let id = id(&label, "label")?;
        let Label { board, .. } = *deck.label(id, &asker.uid, Right::Manage)?;
        deck.check_board(board)?;
        let gone = deck.labels.remove(&id).ok_or(DeckError::Denied)?;
        for card in deck.cards.values_mut() {
            card.labels.retain(|label| *label != id);
        }
        deck.board_changed(board, asker.now);
        Ok(shapes::label(id, &gone, true))
    })
}
