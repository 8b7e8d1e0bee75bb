//! Creating, changing and deleting the lists of a board.

use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    DELETED_ITEMS, Gone, StackArguments, WRITE, about_board, about_stack, get, model, send,
    send_json, stack, stacks, view,
};
use crate::{
    error::{About, ToolError},
    nextcloud::Client,
    tools::{Effect, Tool},
};

pub(super) fn tools() -> [Tool; 3] {
    [
        Tool::new("deck_create_stack", Effect::Write, WRITE, create)
            .described(
                "Add a list to a board",
                "Creates an empty list (column) on a board. The order says where: lower is \
                 further left.",
            )
            .calls(&["POST /index.php/apps/deck/api/v1.0/boards/{board}/stacks"]),
        Tool::new("deck_update_stack", Effect::Write, WRITE, update)
            .described(
                "Rename or move a list",
                "Changes the title of a list (column) of a board, or its place on the board. Only \
                 what you give is changed.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}",
                "PUT /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}",
            ]),
        Tool::new("deck_delete_stack", Effect::Delete, WRITE, delete)
            .described(
                "Delete a list",
                "Deletes a list (column) of a board with all its cards. Use it only when the user \
                 asked for it; the answer says what was removed and how the user can restore it.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}",
                "DELETE /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}",
            ]),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct CreateArguments {
    /// The board's id.
    board_id: u64,
    /// The title, at most 100 characters.
    title: String,
    /// Its place on the board; lower is further left.
    order: i64,
}

async fn create(
    client: Client,
    arguments: CreateArguments,
) -> Result<view::StackSummary, ToolError> {
    let CreateArguments {
        board_id,
        title,
        order,
    } = arguments;
    let body = json!({ "title": title, "order": order });
    let about = about_board(board_id);
    let made: model::Stack =
        send_json(&client, Method::POST, stacks(board_id), &body, &about).await?;
    Ok((&made).into())
}

/// The list, if it is on the board: a change would move it to the board of the path, a deletion
/// would take it from wherever it is.
async fn located(
    client: &Client,
    at: &StackArguments,
    about: &About,
) -> Result<model::Stack, ToolError> {
    let route = stack(at.board_id, at.stack_id);
    let found: model::Stack = get(client, route, about).await?;
    if found.board_id == at.board_id {
        return Ok(found);
    }
    Err(ToolError::invalid(format!(
        "List {} \"{}\" is on board {}, not on board {}, so nothing was done. Call again with the \
         right board_id.",
        found.id, found.title, found.board_id, at.board_id
    )))
}

#[derive(Deserialize, JsonSchema)]
struct UpdateArguments {
    #[serde(flatten)]
    at: StackArguments,
    /// The new title; leave it out to keep the old one.
    #[serde(default)]
    title: Option<String>,
    /// The new place on the board; leave it out to keep the old one.
    #[serde(default)]
    order: Option<i64>,
}

async fn update(
    client: Client,
    arguments: UpdateArguments,
) -> Result<view::StackSummary, ToolError> {
    let UpdateArguments { at, title, order } = arguments;
    if title.is_none() && order.is_none() {
        return Err(ToolError::invalid(
            "There is nothing to change: give title or order, or leave the list as it is.",
        ));
    }
    let about = about_stack(at.stack_id);
    let before = located(&client, &at, &about).await?;
    // Deck replaces both, so what is not given is sent as it was.
    let body = json!({
        "title": title.unwrap_or(before.title),
        "order": order.unwrap_or(before.order),
    });
    let route = stack(at.board_id, at.stack_id);
    let after: model::Stack = send_json(&client, Method::PUT, route, &body, &about).await?;
    Ok((&after).into())
}

async fn delete(client: Client, at: StackArguments) -> Result<Gone, ToolError> {
    let about = about_stack(at.stack_id);
    let before = located(&client, &at, &about).await?;
    let route = stack(at.board_id, at.stack_id);
    let _gone: model::Stack = send(&client, Method::DELETE, route, &about).await?;
    Ok(Gone {
        removed: format!(
            "List {} \"{}\" with the {} cards that were shown in it, and its archived cards",
            before.id,
            before.title,
            before.cards.len()
        ),
        restorable: true,
        advice: DELETED_ITEMS,
    })
}
