//! Labels and people on a card.

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    CardArguments, WRITE, about_card, card, change_refusal,
    label::{LabelArguments, located},
    model, send_json, view,
};
use crate::{
    error::{ToolError, describe},
    nextcloud::{Client, Request},
    tools::{Effect, Tool},
};

pub(super) fn tools() -> [Tool; 4] {
    [
        Tool::new(
            "deck_assign_label_to_card",
            Effect::Write,
            WRITE,
            assign_label,
        )
        .described(
            "Put a label on a card",
            "Puts a label of the board on a card. deck_get_labels shows the labels there are.",
        )
        .calls(&[
            "GET /index.php/apps/deck/api/v1.0/boards/{board}/labels/{label}",
            "PUT /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}\
             /assignLabel",
        ]),
        Tool::new(
            "deck_remove_label_from_card",
            Effect::WriteIdempotent,
            WRITE,
            remove_label,
        )
        .described(
            "Take a label from a card",
            "Takes a label from a card; the label stays on the board and on other cards. It \
             is no error when the card does not have it.",
        )
        .calls(&[
            "GET /index.php/apps/deck/api/v1.0/boards/{board}/labels/{label}",
            "PUT /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}\
             /removeLabel",
        ]),
        Tool::new(
            "deck_assign_user_to_card",
            Effect::Write,
            WRITE,
            assign_user,
        )
        .described(
            "Assign somebody to a card",
            "Makes somebody a person who works on a card; they are told by Nextcloud. They \
             have to have access to the board: deck_get_board lists who has.",
        )
        .calls(&[
            "PUT /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}\
             /assignUser",
        ]),
        Tool::new(
            "deck_unassign_user_from_card",
            Effect::Delete,
            WRITE,
            unassign_user,
        )
        .described(
            "Take somebody from a card",
            "Takes a person from a card that they worked on. It is no error when they did \
             not.",
        )
        .calls(&[
            "PUT /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}\
             /unassignUser",
        ]),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct CardLabelArguments {
    #[serde(flatten)]
    at: CardArguments,
    /// The label's id.
    label_id: u64,
}

/// Whether a card has a label now.
#[derive(Serialize, JsonSchema)]
struct Labelled {
    /// The card's id.
    card_id: u64,
    /// The label.
    label: view::Label,
    /// Whether the card has it now.
    assigned: bool,
}

async fn assign_label(
    client: Client,
    arguments: CardLabelArguments,
) -> Result<Labelled, ToolError> {
    set_label(&client, &arguments, true).await
}

async fn remove_label(
    client: Client,
    arguments: CardLabelArguments,
) -> Result<Labelled, ToolError> {
    set_label(&client, &arguments, false).await
}

async fn set_label(
    client: &Client,
    arguments: &CardLabelArguments,
    assigned: bool,
) -> Result<Labelled, ToolError> {
    let CardLabelArguments { at, label_id } = arguments;
    let place = LabelArguments {
        board_id: at.board_id,
        label_id: *label_id,
    };
    // Deck would put a label of any board on the card.
    let label = located(client, &place).await?;
    let verb = if assigned {
        "assignLabel"
    } else {
        "removeLabel"
    };
    let route = card(at.board_id, at.stack_id, at.card_id).join([verb]);
    let body = json!({ "labelId": label_id });
    let about = about_card(at.card_id);
    let _nothing: Value = send_json(client, Method::PUT, route, &body, &about).await?;
    Ok(Labelled {
        card_id: at.card_id,
        label: label.into(),
        assigned,
    })
}

#[derive(Deserialize, JsonSchema)]
struct CardUserArguments {
    #[serde(flatten)]
    at: CardArguments,
    /// The person's user id.
    user_id: String,
}

/// Whether somebody works on a card now.
#[derive(Serialize, JsonSchema)]
struct OnCard {
    /// The card's id.
    card_id: u64,
    /// The person.
    user: view::Person,
    /// Whether they are assigned to the card now.
    assigned: bool,
    /// Whether this call changed that.
    changed: bool,
}

async fn assign_user(client: Client, arguments: CardUserArguments) -> Result<OnCard, ToolError> {
    let CardUserArguments { at, user_id } = arguments;
    let route = card(at.board_id, at.stack_id, at.card_id).join(["assignUser"]);
    let body = json!({ "userId": user_id });
    let about = about_card(at.card_id);
    let made: model::Assignment = send_json(&client, Method::PUT, route, &body, &about).await?;
    Ok(OnCard {
        card_id: at.card_id,
        user: (&made.participant).into(),
        assigned: true,
        changed: true,
    })
}

async fn unassign_user(client: Client, arguments: CardUserArguments) -> Result<OnCard, ToolError> {
    let CardUserArguments { at, user_id } = arguments;
    let route = card(at.board_id, at.stack_id, at.card_id).join(["unassignUser"]);
    let about = about_card(at.card_id);
    let request = Request::new(Method::PUT, route)
        .json(&json!({ "userId": user_id }))
        .map_err(|error| describe(error, &about))?;
    let user = match client.json::<model::Assignment>(&request).await {
        Ok(gone) => Some((&gone.participant).into()),
        // The card is there, or it would be 403: nobody of that name is assigned to it.
        Err(error) if error.is(StatusCode::NOT_FOUND) => None,
        Err(error) => return Err(change_refusal(error, &about)),
    };
    Ok(OnCard {
        card_id: at.card_id,
        changed: user.is_some(),
        user: user.unwrap_or(view::Person {
            user_id,
            display_name: None,
        }),
        assigned: false,
    })
}
