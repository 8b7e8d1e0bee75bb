//! Deck: boards, their lists ("stacks"), cards, labels, and who works on what.
//!
//! Deck looks at the last id of a path only, so a request with the wrong board or list in it
//! works, and a full replacement then moves the thing there. What changes or removes something
//! therefore reads it first and refuses when it is elsewhere.

mod assign;
mod board;
mod card;
mod date;
mod label;
mod model;
mod read;
mod reorder;
mod resources;
mod selection;
mod stack;
mod view;

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Family, Needs};
use crate::{
    error::{About, ToolError, describe, words},
    nextcloud::{Client, Error, Request, Route},
};

const READ: Needs = Needs::All(&["deck.read"]);
const WRITE: Needs = Needs::All(&["deck.write"]);

/// The Deck tools and resources.
pub(super) fn family() -> Family {
    let mut tools = read::tools();
    tools.extend(label::read_tools());
    tools.push(board::tool());
    tools.extend(stack::tools());
    tools.extend(card::tools());
    tools.push(reorder::tool());
    tools.extend(label::write_tools());
    tools.extend(assign::tools());
    Family {
        tools,
        resources: resources::resources(),
    }
}

#[derive(Deserialize, JsonSchema)]
struct BoardArguments {
    /// The board's id.
    board_id: u64,
}

#[derive(Deserialize, JsonSchema)]
struct StackArguments {
    /// The board's id.
    board_id: u64,
    /// The list's id.
    stack_id: u64,
}

#[derive(Deserialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the three ids of a card's path")]
struct CardArguments {
    /// The board's id.
    board_id: u64,
    /// The id of the list that the card is in.
    stack_id: u64,
    /// The card's id.
    card_id: u64,
}

fn boards() -> Route {
    Route::app("deck", ["api", "v1.0", "boards"])
}

fn board(board_id: u64) -> Route {
    below(boards(), board_id)
}

fn stacks(board_id: u64) -> Route {
    board(board_id).join(["stacks"])
}

fn stack(board_id: u64, stack_id: u64) -> Route {
    below(stacks(board_id), stack_id)
}

fn cards(board_id: u64, stack_id: u64) -> Route {
    stack(board_id, stack_id).join(["cards"])
}

fn card(board_id: u64, stack_id: u64, card_id: u64) -> Route {
    below(cards(board_id, stack_id), card_id)
}

fn labels(board_id: u64) -> Route {
    board(board_id).join(["labels"])
}

fn below(route: Route, id: u64) -> Route {
    route.join([id.to_string().as_str()])
}

const APP: &str = "Deck";

fn about_boards() -> About {
    About {
        what: "The list of boards".into(),
        find: "The user should sign in again.",
        app: APP,
    }
}

fn about_board(board_id: u64) -> About {
    About {
        what: format!("Board {board_id}").into(),
        find: "Use deck_get_boards to find the right id.",
        app: APP,
    }
}

fn about_stack(stack_id: u64) -> About {
    About {
        what: format!("List {stack_id}").into(),
        find: "Use deck_get_board to see the lists of a board.",
        app: APP,
    }
}

fn about_card(card_id: u64) -> About {
    About {
        what: format!("Card {card_id}").into(),
        find: "Use deck_get_stacks to see the cards of a board.",
        app: APP,
    }
}

fn about_label(label_id: u64) -> About {
    About {
        what: format!("Label {label_id}").into(),
        find: "Use deck_get_labels to see the labels of a board.",
        app: APP,
    }
}

/// Reads something.
async fn get<T: DeserializeOwned>(
    client: &Client,
    route: Route,
    about: &About,
) -> Result<T, ToolError> {
    // Never with If-Modified-Since: Deck fails inside when the date is ahead of its clock.
    let request = Request::new(Method::GET, route);
    client.json(&request).await.map_err(|error| {
        if error.is(StatusCode::FORBIDDEN) {
            // Deck answers so for what is missing as well.
            return ToolError::not_found(format!(
                "{} does not exist, or is not shared with this account. {}",
                about.what, about.find
            ))
            .because(error);
        }
        refusal(error, about)
    })
}

/// Sends a change without a body.
async fn send<T: DeserializeOwned>(
    client: &Client,
    method: Method,
    route: Route,
    about: &About,
) -> Result<T, ToolError> {
    let answer = client.json(&Request::new(method, route)).await;
    answer.map_err(|error| change_refusal(error, about))
}

/// Sends a change.
async fn send_json<T: DeserializeOwned>(
    client: &Client,
    method: Method,
    route: Route,
    body: &(impl Serialize + Sync),
    about: &About,
) -> Result<T, ToolError> {
    let request = Request::new(method, route)
        .json(body)
        .map_err(|error| describe(error, about))?;
    let answer = client.json(&request).await;
    answer.map_err(|error| change_refusal(error, about))
}

/// Why a change was refused.
fn change_refusal(error: Error, about: &About) -> ToolError {
    if error.is(StatusCode::FORBIDDEN) {
        return ToolError::failed(format!(
            "{} does not exist, or this account may not do that with it: cards need the right to \
             edit the board, lists and labels the right to manage it. {}",
            about.what, about.find
        ))
        .because(error);
    }
    refusal(error, about)
}

/// Deck's 500 is often not a fault but a rule, with words of its own.
const RULE: &str = "Operation not allowed";

fn refusal(error: Error, about: &About) -> ToolError {
    let words = words(&error).filter(|_| error.is(StatusCode::INTERNAL_SERVER_ERROR));
    match words.filter(|words| words.starts_with(RULE)) {
        Some(words) => ToolError::failed(format!(
            "{} cannot be changed. Nextcloud says: \"{words}\". An archived card has to be taken \
             out of the archive first, with deck_unarchive_card; an archived board only its owner \
             can bring back, in Nextcloud.",
            about.what
        ))
        .because(error),
        None => describe(error, about),
    }
}

/// A colour as Deck wants it: six hexadecimal digits, without the number sign.
fn color(text: &str) -> Result<String, ToolError> {
    let digits = text.trim().trim_start_matches('#');
    if digits.len() == 6 && digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(digits.to_ascii_lowercase());
    }
    Err(ToolError::invalid(format!(
        "\"{text}\" is no colour. Give six hexadecimal digits, such as 0082c9."
    )))
}

/// Something that was deleted.
#[derive(Serialize, JsonSchema)]
struct Gone {
    /// What was removed.
    removed: String,
    /// Whether the user can bring it back.
    restorable: bool,
    /// Where it can be brought back, or that it cannot.
    advice: &'static str,
}

/// In the web interface only: the API has no call for it.
const DELETED_ITEMS: &str = "The user can restore it in Deck's web interface: open the board's details, then its deleted \
     items. Nextcloud removes it for good after some days.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_six_digits_with_or_without_the_sign() {
        assert_eq!(color("#0082C9").expect("colour"), "0082c9");
        assert_eq!(color("ff0000").expect("colour"), "ff0000");
        for text in ["", "red", "fff", "#0082c9ff", "00 2c9"] {
            assert!(color(text).is_err(), "{text}");
        }
    }
}
