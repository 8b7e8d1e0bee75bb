//! Boards, lists, cards and labels as resources: whole, without the archive.

use super::{
    CardArguments, READ,
    label::{LabelArguments, all_labels, located},
    read::{Stack, all_boards, fetch_card, fetch_stack, fetch_stacks, one_board},
    selection::Selection,
    view,
};
use crate::{
    error::ToolError,
    nextcloud::Client,
    tools::{Contents, Resource, Variables},
};

const JSON: Option<&str> = Some("application/json");

pub(super) fn resources() -> Vec<Resource> {
    vec![
        Resource::new("nc://Deck/boards", "deck_boards", READ, boards)
            .described(
                "Deck boards",
                "The boards of the user's Deck, also those shared with them.",
                JSON,
            )
            .calls(&["GET /index.php/apps/deck/api/v1.0/boards"]),
        Resource::new("nc://Deck/boards/{board_id}", "deck_board", READ, board)
            .described(
                "A Deck board",
                "One board with its labels, lists and people.",
                JSON,
            )
            .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}"]),
        Resource::new(
            "nc://Deck/boards/{board_id}/stacks",
            "deck_stacks",
            READ,
            stacks,
        )
        .described(
            "The lists of a Deck board",
            "The lists of a board with their cards; archived ones are left out.",
            JSON,
        )
        .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks"]),
        Resource::new(
            "nc://Deck/boards/{board_id}/stacks/{stack_id}",
            "deck_stack",
            READ,
            stack,
        )
        .described(
            "A list of a Deck board",
            "One list with its cards; archived ones are left out.",
            JSON,
        )
        .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks"]),
        Resource::new(
            "nc://Deck/boards/{board_id}/stacks/{stack_id}/cards",
            "deck_cards",
            READ,
            cards,
        )
        .described(
            "The cards of a list",
            "The cards of one list of a board; archived ones are left out.",
            JSON,
        )
        .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks"]),
        Resource::new(
            "nc://Deck/boards/{board_id}/stacks/{stack_id}/cards/{card_id}",
            "deck_card",
            READ,
            card,
        )
        .described("A Deck card", "One card with everything on it.", JSON)
        .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}"]),
        Resource::new(
            "nc://Deck/boards/{board_id}/labels",
            "deck_labels",
            READ,
            labels,
        )
        .described(
            "The labels of a Deck board",
            "The labels of one board.",
            JSON,
        )
        .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}"]),
        Resource::new(
            "nc://Deck/boards/{board_id}/labels/{label_id}",
            "deck_label",
            READ,
            label,
        )
        .described("A label of a Deck board", "One label.", JSON)
        .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}/labels/{label}"]),
    ]
}

fn id(variables: &Variables, name: &str) -> Result<u64, ToolError> {
    variables.get(name).parse().map_err(|_| {
        ToolError::not_found("Ids in Deck are numbers. Use deck_get_boards to find a board.")
    })
}

async fn boards(client: Client, _: Variables) -> Result<Contents, ToolError> {
    Contents::json(&all_boards(&client).await?)
}

async fn board(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    Contents::json(&one_board(&client, id(&variables, "board_id")?).await?)
}

async fn stacks(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    let selection = Selection::current();
    let lists = fetch_stacks(&client, id(&variables, "board_id")?, &selection).await?;
    let lists: Vec<Stack> = lists
        .into_iter()
        .map(|list| Stack::new(list, &selection, true))
        .collect();
    Contents::json(&lists)
}

async fn stack(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    let selection = Selection::current();
    let (board_id, stack_id) = (id(&variables, "board_id")?, id(&variables, "stack_id")?);
    let list = fetch_stack(&client, board_id, stack_id, &selection).await?;
    Contents::json(&Stack::new(list, &selection, true))
}

async fn cards(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    let selection = Selection::current();
    let (board_id, stack_id) = (id(&variables, "board_id")?, id(&variables, "stack_id")?);
    let list = fetch_stack(&client, board_id, stack_id, &selection).await?;
    Contents::json(&selection.apply(list.cards))
}

async fn card(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    let at = CardArguments {
        board_id: id(&variables, "board_id")?,
        stack_id: id(&variables, "stack_id")?,
        card_id: id(&variables, "card_id")?,
    };
    Contents::json(&view::Card::full(fetch_card(&client, &at).await?))
}

async fn labels(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    Contents::json(&all_labels(&client, id(&variables, "board_id")?).await?)
}

async fn label(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    let at = LabelArguments {
        board_id: id(&variables, "board_id")?,
        label_id: id(&variables, "label_id")?,
    };
    Contents::json(&view::Label::from(located(&client, &at).await?))
}
