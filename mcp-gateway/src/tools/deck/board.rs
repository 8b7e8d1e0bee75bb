//! Creating boards.

use http::Method;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{WRITE, about_boards, boards, color, model, send_json, view};
use crate::{
    error::{About, ToolError},
    nextcloud::Client,
    tools::{Effect, Tool},
};

pub(super) fn tool() -> Tool {
    Tool::new("deck_create_board", Effect::Write, WRITE, create)
        .described(
            "Create a board",
            "Creates an empty Deck board with Deck's usual labels. Add lists to it with \
             deck_create_stack. Use it only when the user wants a new board.",
        )
        .calls(&["POST /index.php/apps/deck/api/v1.0/boards"])
}

#[derive(Deserialize, JsonSchema)]
struct CreateArguments {
    /// The title, at most 100 characters.
    title: String,
    /// The colour as six hexadecimal digits, such as 0082c9.
    color: String,
}

async fn create(client: Client, arguments: CreateArguments) -> Result<view::Board, ToolError> {
    let body = json!({ "title": arguments.title, "color": color(&arguments.color)? });
    let about = About {
        what: "The new board".into(),
        ..about_boards()
    };
    let board: model::Board = send_json(&client, Method::POST, boards(), &body, &about).await?;
    Ok(board.into())
}
