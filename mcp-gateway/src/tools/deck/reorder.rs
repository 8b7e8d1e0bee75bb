//! Moving a card within its list or to another list of the board.
//!
//! The public route for it is broken: the list in its path wins over the one in its body, so a
//! card never leaves its list and the answer is a success all the same. The route that Deck's own
//! pages use works. It takes any list of any board, so the target is looked up on the board first.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CardArguments, WRITE, about_board, about_card, get, model, send_json, stacks};
use crate::{
    error::ToolError,
    nextcloud::{Client, Route},
    tools::{Effect, Tool},
};

pub(super) fn tool() -> Tool {
    Tool::new("deck_reorder_card", Effect::Write, WRITE, reorder)
        .described(
            "Move a card",
            "Moves a card to a place in its list, or to another list (column) of the same board. \
             Use it when the user moves a card along, say from \"To do\" to \"Done\"; to mark it \
             as done use deck_update_card as well.",
        )
        .calls(&[
            "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks",
            "PUT /index.php/apps/deck/cards/{card}/reorder",
        ])
}

#[derive(Deserialize, JsonSchema)]
struct ReorderArguments {
    #[serde(flatten)]
    at: CardArguments,
    /// The place in the target list: 0 is the top.
    order: u32,
    /// The id of the list that it goes to; the same list to move it up or down.
    target_stack_id: u64,
}

/// Where the card is now.
#[derive(Serialize, JsonSchema)]
struct Moved {
    /// The card's id.
    card_id: u64,
    /// The list that it was in.
    from_stack_id: u64,
    /// The list that it is in now.
    stack_id: u64,
    /// Its place there.
    order: i64,
    /// The ids of all cards of that list, from top to bottom.
    card_ids: Vec<u64>,
}

async fn reorder(client: Client, arguments: ReorderArguments) -> Result<Moved, ToolError> {
    let ReorderArguments {
        at,
        order,
        target_stack_id,
    } = arguments;
    let CardArguments {
        board_id, card_id, ..
    } = at;
    let lists: Vec<model::Stack> = get(&client, stacks(board_id), &about_board(board_id)).await?;
    if !lists.iter().any(|list| list.id == target_stack_id) {
        let names: Vec<String> = lists
            .iter()
            .map(|list| format!("{} \"{}\"", list.id, list.title))
            .collect();
        return Err(ToolError::not_found(format!(
            "Board {board_id} has no list {target_stack_id}, so the card was not moved. Its lists \
             are: {}.",
            names.join(", ")
        )));
    }
    let home = lists
        .iter()
        .find(|list| list.cards.iter().any(|card| card.id == card_id));
    let Some(home) = home else {
        return Err(ToolError::not_found(format!(
            "Board {board_id} shows no card {card_id}, so nothing was moved. It may be archived \
             (look with status \"archived\" in deck_get_stacks, and take it out with \
             deck_unarchive_card) or on another board."
        )));
    };
    let route = Route::app("deck", ["cards", &card_id.to_string(), "reorder"]);
    let body = json!({ "order": order, "stackId": target_stack_id });
    let about = about_card(card_id);
    let mut cards: Vec<model::Card> = send_json(&client, Method::PUT, route, &body, &about).await?;
    cards.sort_by_key(|card| card.order);
    let moved = cards
        .iter()
        .find(|card| card.id == card_id && card.stack_id == target_stack_id)
        .ok_or_else(|| {
            ToolError::failed(format!(
                "Nextcloud accepted the move of card {card_id}, but the card is not in list \
                 {target_stack_id}. Look at the board with deck_get_stacks."
            ))
        })?;
    Ok(Moved {
        card_id,
        from_stack_id: home.id,
        stack_id: moved.stack_id,
        order: moved.order,
        card_ids: cards.iter().map(|card| card.id).collect(),
    })
}
