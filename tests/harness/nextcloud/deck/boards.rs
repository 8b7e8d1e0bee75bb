//! `boards`: the list, one board, and whom it is shared with.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

use super::super::gate::CorsRoute;
use super::super::parameters::Parameters;
use super::super::server::Shared;
use super::super::text::{header, parse_http_date, query_parameter};
use super::error::DeckError;
use super::model::{Board, Label, Right, Rule};
use super::shapes::{self, BoardForm};
use super::{act, id, read};

/// The labels that every new board has.
const LABELS: [(&str, &str); 4] = [
    ("Finished", "31CC7C"),
    ("To review", "317CCC"),
    ("Action needed", "FF7A66"),
    ("Later", "F1DB50"),
];

pub(super) async fn list(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let details = query_parameter(uri.query(), "details").is_some_and(|value| value == "true");
    let form = if details {
        BoardForm::Detailed
    } else {
        BoardForm::Listed
    };
    read(&server, &session, &headers, |deck, asker| {
        let since = match header(&headers, "if-modified-since") {
            None => 0,
            Some(text) => parse_http_date(text).ok_or(DeckError::Rule(
                "Invalid If-Modified-Since header provided.",
            ))?,
        };
        // The newest change is looked for among what changed since: nothing, and PHP breaks.
        if since > asker.now {
            return Err(DeckError::Broken);
        }
        // Deleted boards go on being listed.
        let seen = deck.boards.iter().filter(|(_, board)| {
            board.last_modified >= since && board.grants(&asker.uid, Right::Read)
        });
        let shown = seen.map(|(id, _)| shapes::board(deck, &asker.names, *id, form, &asker.uid));
        Ok(shown.collect())
    })
}

pub(super) async fn show(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(board): Path<String>,
    headers: HeaderMap,
) -> Response {
    read(&server, &session, &headers, |deck, asker| {
        let id = id(&board, "board")?;
        deck.board(id, &asker.uid, Right::Read)?;
        Ok(shapes::board(
            deck,
            &asker.names,
            id,
            BoardForm::Whole,
            &asker.uid,
        ))
    })
}

pub(super) async fn create(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let (title, color) = title_and_color(&parameters)?;
        let id = deck.next_id();
        let board = Board {
            title,
            owner: asker.uid.clone(),
            color,
            archived: false,
            acl: Vec::new(),
            deleted_at: 0,
            last_modified: asker.now,
        };
        deck.boards.insert(id, board);
        for (title, color) in LABELS {
            let label = Label {
                board: id,
                title: title.to_owned(),
                color: color.to_owned(),
            };
            let label_id = deck.next_id();
            deck.labels.insert(label_id, label);
        }
        Ok(shapes::board(
            deck,
            &asker.names,
            id,
            BoardForm::Made,
            &asker.uid,
        ))
    })
}

/// The two texts that boards and labels need.
pub(super) fn title_and_color(parameters: &Parameters) -> Result<(String, String), DeckError> {
    let title = required(parameters, "title", 100)?;
    let color = required(parameters, "color", 6)?;
    Ok((title, color))
}

/// A text that has to be there and may have so many characters.
pub(super) fn required(
    parameters: &Parameters,
    name: &str,
    most: usize,
) -> Result<String, DeckError> {
    let text = parameters
        .text(name)
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| DeckError::empty(name))?;
    if text.chars().count() > most {
        let message = format!("{name} cannot be longer than {most} characters ");
        return Err(DeckError::Bad(message));
    }
    Ok(text.to_owned())
}

pub(super) async fn update(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(board): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let id = id(&board, "board")?;
        let (title, color) = title_and_color(&parameters)?;
        deck.board(id, &asker.uid, Right::Manage)?;
        if let Some(board) = deck.boards.get_mut(&id) {
            board.title = title;
            board.color = color;
            board.archived = parameters.truth("archived").unwrap_or_default();
        }
        deck.board_changed(id, asker.now);
        Ok(shapes::board(
            deck,
            &asker.names,
            id,
            BoardForm::Whole,
            &asker.uid,
        ))
    })
}

pub(super) async fn remove(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(board): Path<String>,
) -> Response {
    act(&server, &session, |deck, asker| {
        let id = id(&board, "board")?;
        deck.board(id, &asker.uid, Right::Manage)?;
        if let Some(board) = deck.boards.get_mut(&id) {
            board.deleted_at = asker.now;
        }
        deck.board_changed(id, asker.now);
        Ok(shapes::board(
            deck,
            &asker.names,
            id,
            BoardForm::Whole,
            &asker.uid,
        ))
    })
}

pub(super) async fn share(
    State(server): State<Shared>,
    CorsRoute(session): CorsRoute,
    Path(board): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let parameters = Parameters::read(&headers, &body);
    act(&server, &session, |deck, asker| {
        let id = id(&board, "board")?;
        deck.board(id, &asker.uid, Right::Share)?;
        let uid = required(&parameters, "participant", 64)?;
        if !asker.names.knows(&uid) {
            return Err(DeckError::Bad("participant not found".to_owned()));
        }
        let may = |name: &str| parameters.truth(name).unwrap_or_default();
        let rule = Rule {
            id: deck.next_id(),
            uid,
            edit: may("permissionEdit"),
            share: may("permissionShare"),
            manage: may("permissionManage"),
        };
        let value: Value = shapes::rule(&rule, id, &asker.names);
        if let Some(board) = deck.boards.get_mut(&id) {
            board.acl.push(rule);
        }
        deck.board_changed(id, asker.now);
        Ok(value)
    })
}
