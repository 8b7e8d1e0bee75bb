//! Creating, changing, archiving and deleting cards.
//!
//! Deck replaces a card as a whole and clears what is left out, so a change reads the card and
//! sends everything back; `archived` alone is kept when it is absent, and refused when it says
//! what is so already.

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    CardArguments, DELETED_ITEMS, Gone, StackArguments, WRITE, about_card, about_stack, card,
    cards, date, model, read::fetch_card, send, send_json, view,
};
use crate::{
    error::ToolError,
    nextcloud::Client,
    tools::{Effect, Tool},
};

pub(super) fn tools() -> [Tool; 5] {
    [
        Tool::new("deck_create_card", Effect::Write, WRITE, create)
            .described(
                "Create a card",
                "Creates a card in a list of a board, at its end unless an order is given. Use \
                 deck_get_board to find the list.",
            )
            .calls(&["POST /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards"]),
        Tool::new("deck_update_card", Effect::Write, WRITE, update)
            .described(
                "Change a card",
                "Changes the title, description, due date, state or owner of a card. Only what \
                 you give is changed; an empty text clears the description, the due date or the \
                 done mark. To move it use deck_reorder_card.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}",
                "PUT /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}",
            ]),
        Tool::new("deck_delete_card", Effect::Delete, WRITE, delete)
            .described(
                "Delete a card",
                "Deletes a card. Use it only when the user asked for it (deck_archive_card puts a \
                 card away without deleting it); the answer says how the user can restore it.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}",
                "DELETE /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}",
            ]),
        Tool::new("deck_archive_card", Effect::Write, WRITE, archive)
            .described(
                "Archive a card",
                "Puts a card into the board's archive: it leaves the list and cannot be changed \
                 until it is taken out with deck_unarchive_card.",
            )
            .calls(&[
                "PUT /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}\
                 /archive",
            ]),
        Tool::new("deck_unarchive_card", Effect::Write, WRITE, unarchive)
            .described(
                "Take a card out of the archive",
                "Brings an archived card back into its list. deck_get_stacks with status \
                 \"archived\" shows what is in the archive.",
            )
            .calls(&[
                "PUT /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}\
                 /unarchive",
            ]),
    ]
}

fn plain() -> String {
    "plain".to_owned()
}

/// Behind all others: what Deck itself takes when nothing is said.
fn last() -> i64 {
    999
}

#[derive(Deserialize, JsonSchema)]
struct CreateArguments {
    #[serde(flatten)]
    at: StackArguments,
    /// The title, at most 255 characters.
    title: String,
    /// The kind of card; Deck knows only "plain".
    #[serde(default = "plain", rename = "type")]
    kind: String,
    /// Its place in the list; lower is further up.
    #[serde(default = "last")]
    order: i64,
    /// The description, in Markdown.
    #[serde(default)]
    description: Option<String>,
    /// When it is due: a date and time with zone, such as 2026-12-24T10:00:00+01:00, or a day.
    #[serde(default)]
    duedate: Option<String>,
}

/// What is sent to create a card.
#[derive(Serialize)]
struct NewCard<'a> {
    title: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    order: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duedate: Option<String>,
}

async fn create(client: Client, arguments: CreateArguments) -> Result<view::Card, ToolError> {
    let StackArguments { board_id, stack_id } = arguments.at;
    let body = NewCard {
        title: &arguments.title,
        kind: &arguments.kind,
        order: arguments.order,
        description: arguments.description.as_deref(),
        duedate: point("due date", arguments.duedate.as_deref())?,
    };
    let about = about_stack(stack_id);
    let route = cards(board_id, stack_id);
    let made: model::Card = send_json(&client, Method::POST, route, &body, &about).await?;
    Ok(view::Card::full(made))
}

/// A date that was given; an empty one is none.
fn point(argument: &str, text: Option<&str>) -> Result<Option<String>, ToolError> {
    text.filter(|text| !text.trim().is_empty())
        .map(|text| date::parse(argument, text))
        .transpose()
}

/// The card, if it is in the list: Deck would change, and move, whichever card has the id.
pub(super) async fn located(client: &Client, at: &CardArguments) -> Result<model::Card, ToolError> {
    let found = fetch_card(client, at).await?;
    if found.stack_id == at.stack_id {
        return Ok(found);
    }
    Err(ToolError::invalid(format!(
        "Card {} \"{}\" is in list {}, not in list {}, so nothing was done. If that is the card you \
         mean, call again with that stack_id.",
        found.id, found.title, found.stack_id, at.stack_id
    )))
}

#[derive(Deserialize, JsonSchema)]
struct UpdateArguments {
    #[serde(flatten)]
    at: CardArguments,
    /// The new title; leave it out to keep the old one.
    #[serde(default)]
    title: Option<String>,
    /// The new description, in Markdown; empty for none, leave it out to keep the old one.
    #[serde(default)]
    description: Option<String>,
    /// The new kind of card; leave it out to keep the old one.
    #[serde(default, rename = "type")]
    kind: Option<String>,
    /// The user id of the new owner; leave it out to keep the old one.
    #[serde(default)]
    owner: Option<String>,
    /// The new place in the list; leave it out to keep the old one.
    #[serde(default)]
    order: Option<i64>,
    /// When it is due: a date and time with zone, such as 2026-12-24T10:00:00+01:00, or a day;
    /// empty for no due date, leave it out to keep the old one.
    #[serde(default)]
    duedate: Option<String>,
    /// Whether it is in the archive; leave it out to keep it where it is.
    #[serde(default)]
    archived: Option<bool>,
    /// When it was done: a date and time with zone, or a day; empty to open it again, leave it
    /// out to keep it as it is.
    #[serde(default)]
    done: Option<String>,
}

impl UpdateArguments {
    fn is_empty(&self) -> bool {
        let texts = [
            &self.title,
            &self.description,
            &self.kind,
            &self.owner,
            &self.duedate,
            &self.done,
        ];
        texts.iter().all(|text| text.is_none()) && self.order.is_none() && self.archived.is_none()
    }
}

/// A card as a change sends it.
#[derive(Serialize)]
struct Replacement {
    title: String,
    #[serde(rename = "type")]
    kind: String,
    owner: String,
    description: String,
    order: i64,
    duedate: Option<String>,
    done: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archived: Option<bool>,
}

async fn update(client: Client, arguments: UpdateArguments) -> Result<view::Card, ToolError> {
    if arguments.is_empty() {
        return Err(ToolError::invalid(
            "There is nothing to change: give at least one field, or leave the card as it is.",
        ));
    }
    // Before anything is asked: a wrong date is the caller's to correct.
    let duedate = point("due date", arguments.duedate.as_deref())?;
    let done = point("done date", arguments.done.as_deref())?;
    let at = &arguments.at;
    let before = located(&client, at).await?;
    let owner = arguments
        .owner
        .or_else(|| before.owner.as_ref().map(|owner| owner.id().to_owned()))
        .ok_or_else(|| {
            ToolError::failed(format!(
                "Card {} has no owner any more, and Deck changes no card without one. Give the \
                 user id of a new owner.",
                before.id
            ))
        })?;
    let body = Replacement {
        title: arguments.title.unwrap_or(before.title),
        kind: arguments.kind.unwrap_or(before.kind),
        owner,
        description: arguments.description.unwrap_or(before.description),
        order: arguments.order.unwrap_or(before.order),
        duedate: if arguments.duedate.is_some() {
            duedate
        } else {
            before.duedate
        },
        done: if arguments.done.is_some() {
            done
        } else {
            before.done
        },
        archived: arguments
            .archived
            .filter(|archived| *archived != before.archived),
    };
    let route = card(at.board_id, at.stack_id, at.card_id);
    let about = about_card(at.card_id);
    let after: model::Card = send_json(&client, Method::PUT, route, &body, &about).await?;
    Ok(view::Card::full(after))
}

async fn delete(client: Client, at: CardArguments) -> Result<Gone, ToolError> {
    let before = located(&client, &at).await?;
    let route = card(at.board_id, at.stack_id, at.card_id);
    let about = about_card(at.card_id);
    let _gone: model::Card = send(&client, Method::DELETE, route, &about).await?;
    Ok(Gone {
        removed: format!("Card {} \"{}\"", before.id, before.title),
        restorable: true,
        advice: DELETED_ITEMS,
    })
}

/// Where a card is after it went into the archive or out of it.
#[derive(Serialize, JsonSchema)]
struct Filed {
    /// The card's id.
    card_id: u64,
    /// Its title.
    title: String,
    /// The list that it belongs to.
    stack_id: u64,
    /// Whether it is in the archive.
    archived: bool,
}

async fn archive(client: Client, at: CardArguments) -> Result<Filed, ToolError> {
    file(&client, &at, "archive").await
}

async fn unarchive(client: Client, at: CardArguments) -> Result<Filed, ToolError> {
    file(&client, &at, "unarchive").await
}

async fn file(client: &Client, at: &CardArguments, verb: &str) -> Result<Filed, ToolError> {
    let route = card(at.board_id, at.stack_id, at.card_id).join([verb]);
    let after: model::Card = send(client, Method::PUT, route, &about_card(at.card_id)).await?;
    Ok(Filed {
        card_id: after.id,
        title: after.title,
        stack_id: after.stack_id,
        archived: after.archived,
    })
}
