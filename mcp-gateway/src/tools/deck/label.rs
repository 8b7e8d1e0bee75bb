//! The labels of a board.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    BoardArguments, Gone, READ, WRITE, about_board, about_label, below, color, get, labels, model,
    read::one_board, send, send_json, view,
};
use crate::{
    error::ToolError,
    nextcloud::{Client, Route},
    tools::{Effect, Tool},
};

pub(super) fn read_tools() -> [Tool; 2] {
    [
        Tool::new("deck_get_labels", Effect::Read, READ, get_labels)
            .described(
                "List the labels of a board",
                "Lists the labels of a board with ids and colours. Use it before \
                 deck_assign_label_to_card.",
            )
            .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}"]),
        Tool::new("deck_get_label", Effect::Read, READ, get_label)
            .described(
                "Look at a label",
                "Returns one label of a board: its title and colour. deck_get_labels lists them \
                 all.",
            )
            .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}/labels/{label}"]),
    ]
}

pub(super) fn write_tools() -> [Tool; 3] {
    [
        Tool::new("deck_create_label", Effect::Write, WRITE, create)
            .described(
                "Create a label",
                "Adds a label to a board; its title has to be new there. Put it on cards with \
                 deck_assign_label_to_card.",
            )
            .calls(&["POST /index.php/apps/deck/api/v1.0/boards/{board}/labels"]),
        Tool::new("deck_update_label", Effect::Write, WRITE, update)
            .described(
                "Change a label",
                "Changes the title or colour of a label, on all cards that have it. Only what you \
                 give is changed.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/labels/{label}",
                "PUT /index.php/apps/deck/api/v1.0/boards/{board}/labels/{label}",
            ]),
        Tool::new("deck_delete_label", Effect::Delete, WRITE, delete)
            .described(
                "Delete a label",
                "Deletes a label of a board and takes it from all cards, for good. Use it only \
                 when the user asked for it; to take it from one card use \
                 deck_remove_label_from_card.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/labels/{label}",
                "DELETE /index.php/apps/deck/api/v1.0/boards/{board}/labels/{label}",
            ]),
    ]
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct LabelArguments {
    /// The board's id.
    pub(super) board_id: u64,
    /// The label's id.
    pub(super) label_id: u64,
}

fn label(at: &LabelArguments) -> Route {
    below(labels(at.board_id), at.label_id)
}

/// The labels of a board.
#[derive(Serialize, JsonSchema)]
pub(super) struct Labels {
    /// The labels.
    labels: Vec<view::Label>,
}

pub(super) async fn all_labels(client: &Client, board_id: u64) -> Result<Labels, ToolError> {
    let board = one_board(client, board_id).await?;
    Ok(Labels {
        labels: board.labels.unwrap_or_default(),
    })
}

async fn get_labels(client: Client, at: BoardArguments) -> Result<Labels, ToolError> {
    all_labels(&client, at.board_id).await
}

/// The label, if it is one of the board: Deck looks at the label's id alone.
pub(super) async fn located(
    client: &Client,
    at: &LabelArguments,
) -> Result<model::Label, ToolError> {
    let found: model::Label = get(client, label(at), &about_label(at.label_id)).await?;
    if found.board_id.is_none_or(|board| board == at.board_id) {
        return Ok(found);
    }
    Err(ToolError::not_found(format!(
        "Label {} \"{}\" belongs to another board than {}. Use deck_get_labels to see the labels of \
         this one.",
        found.id, found.title, at.board_id
    )))
}

async fn get_label(client: Client, at: LabelArguments) -> Result<view::Label, ToolError> {
    Ok(located(&client, &at).await?.into())
}

#[derive(Deserialize, JsonSchema)]
struct CreateArguments {
    /// The board's id.
    board_id: u64,
    /// The title, at most 100 characters, new on the board.
    title: String,
    /// The colour as six hexadecimal digits, such as ff0000.
    color: String,
}

async fn create(client: Client, arguments: CreateArguments) -> Result<view::Label, ToolError> {
    let board_id = arguments.board_id;
    let body = json!({ "title": arguments.title, "color": color(&arguments.color)? });
    let about = about_board(board_id);
    let made: model::Label =
        send_json(&client, Method::POST, labels(board_id), &body, &about).await?;
    Ok(made.into())
}

#[derive(Deserialize, JsonSchema)]
struct UpdateArguments {
    #[serde(flatten)]
    at: LabelArguments,
    /// The new title; leave it out to keep the old one.
    #[serde(default)]
    title: Option<String>,
    /// The new colour as six hexadecimal digits; leave it out to keep the old one.
    #[serde(default)]
    color: Option<String>,
}

async fn update(client: Client, arguments: UpdateArguments) -> Result<view::Label, ToolError> {
    let UpdateArguments {
        at,
        title,
        color: new_color,
    } = arguments;
    if title.is_none() && new_color.is_none() {
        return Err(ToolError::invalid(
            "There is nothing to change: give title or color, or leave the label as it is.",
        ));
    }
    let new_color = new_color.as_deref().map(color).transpose()?;
    let before = located(&client, &at).await?;
    // Deck wants both, so what is not given is sent as it was.
    let body = json!({
        "title": title.unwrap_or(before.title),
        "color": new_color.unwrap_or(before.color),
    });
    let about = about_label(at.label_id);
    let after: model::Label = send_json(&client, Method::PUT, label(&at), &body, &about).await?;
    Ok(after.into())
}

async fn delete(client: Client, at: LabelArguments) -> Result<Gone, ToolError> {
    let before = located(&client, &at).await?;
    let about = about_label(at.label_id);
    let _gone: model::Label = send(&client, Method::DELETE, label(&at), &about).await?;
    Ok(Gone {
        removed: format!(
            "Label {} \"{}\", from board {} and all its cards",
            before.id, before.title, at.board_id
        ),
        restorable: false,
        advice: "It cannot be brought back: create it again and put it on the cards anew.",
    })
}
