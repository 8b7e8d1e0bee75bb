//! Looking at boards, lists and cards.
//!
//! Cards are read from the lists of a whole board: the answer for one list leaves out the labels
//! of its cards. Deck lists archived cards apart, so they are read only when asked for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BoardArguments, CardArguments, READ, about_board, about_boards, about_card, board, boards,
    card, get, model, selection::Selection, stacks, view,
};
use crate::{
    error::ToolError,
    nextcloud::Client,
    tools::{Effect, Tool, page::Page},
};

/// Cards shown in each list of a board.
const CARDS_PER_STACK: usize = 100;
/// Cards shown of one list unless asked otherwise, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 500;

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new("deck_get_boards", Effect::Read, READ, get_boards)
            .described(
                "List the Deck boards",
                "Lists the boards of the user's Deck (kanban boards), also those shared with \
                 them, with ids and what the account may do. Start here when the user talks about \
                 a board, a list or a card.",
            )
            .calls(&["GET /index.php/apps/deck/api/v1.0/boards"]),
        Tool::new("deck_get_board", Effect::Read, READ, get_board)
            .described(
                "Look at a board",
                "Returns one board with its labels, its lists without cards, whom it is shared \
                 with and who can see it. For the cards use deck_get_stacks.",
            )
            .calls(&["GET /index.php/apps/deck/api/v1.0/boards/{board}"]),
        Tool::new("deck_get_stacks", Effect::Read, READ, get_stacks)
            .described(
                "List the lists of a board with their cards",
                "Returns the lists (columns) of a board with their cards: open ones as summaries \
                 unless asked otherwise. Filter by status, label or person to keep the answer \
                 short. Use it to see what is on a board or to find a card.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks unless status is archived",
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks/archived when status is \
                 archived or all",
            ]),
        Tool::new("deck_get_stack", Effect::Read, READ, get_stack)
            .described(
                "Look at one list of a board",
                "Returns one list (column) of a board with its cards, filtered like \
                 deck_get_stacks.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks unless status is archived",
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks/archived when status is \
                 archived or all",
            ]),
        Tool::new("deck_get_cards", Effect::Read, READ, get_cards)
            .described(
                "List the cards of one list",
                "Returns the cards of one list (column) of a board, filtered like \
                 deck_get_stacks. It pages: use it for lists with many cards.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks unless status is archived",
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks/archived when status is \
                 archived or all",
            ]),
        Tool::new("deck_get_card", Effect::Read, READ, get_card)
            .described(
                "Read a card",
                "Returns one card with its full description, labels, people, due date and state.",
            )
            .calls(&[
                "GET /index.php/apps/deck/api/v1.0/boards/{board}/stacks/{stack}/cards/{card}",
            ]),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct NoArguments {}

/// The user's boards.
#[derive(Serialize, JsonSchema)]
pub(super) struct Boards {
    /// The boards, archived ones included.
    boards: Vec<view::BoardSummary>,
}

pub(super) async fn all_boards(client: &Client) -> Result<Boards, ToolError> {
    let all: Vec<model::Board> = get(client, boards(), &about_boards()).await?;
    // Deck goes on listing a board for a while after it was deleted.
    let boards = all.iter().filter(|board| board.deleted_at == 0);
    Ok(Boards {
        boards: boards.map(view::BoardSummary::from).collect(),
    })
}

async fn get_boards(client: Client, _: NoArguments) -> Result<Boards, ToolError> {
    all_boards(&client).await
}

pub(super) async fn one_board(client: &Client, board_id: u64) -> Result<view::Board, ToolError> {
    let found: model::Board = get(client, board(board_id), &about_board(board_id)).await?;
    Ok(found.into())
}

fn yes() -> bool {
    true
}

#[derive(Deserialize, JsonSchema)]
struct GetBoardArguments {
    #[serde(flatten)]
    at: BoardArguments,
    /// Whether to tell whom the board is shared with.
    #[serde(default = "yes")]
    include_acl: bool,
    /// Whether to tell who can see the board.
    #[serde(default = "yes")]
    include_users: bool,
    /// Whether to tell the labels of the board.
    #[serde(default = "yes")]
    include_labels: bool,
}

async fn get_board(client: Client, arguments: GetBoardArguments) -> Result<view::Board, ToolError> {
    let board = one_board(&client, arguments.at.board_id).await?;
    Ok(view::Board {
        acl: board.acl.filter(|_| arguments.include_acl),
        users: board.users.filter(|_| arguments.include_users),
        labels: board.labels.filter(|_| arguments.include_labels),
        ..board
    })
}

/// The lists of a board with the cards that `selection` may be about.
pub(super) async fn fetch_stacks(
    client: &Client,
    board_id: u64,
    selection: &Selection,
) -> Result<Vec<model::Stack>, ToolError> {
    let about = about_board(board_id);
    let status = selection.status;
    let mut lists: Vec<model::Stack> = if status.wants_current() {
        get(client, stacks(board_id), &about).await?
    } else {
        Vec::new()
    };
    if status.wants_archived() {
        let archived = stacks(board_id).join(["archived"]);
        let archived: Vec<model::Stack> = get(client, archived, &about).await?;
        for stack in archived {
            match lists.iter_mut().find(|list| list.id == stack.id) {
                Some(list) => list.cards.extend(stack.cards),
                None => lists.push(stack),
            }
        }
    }
    lists.retain(|list| list.deleted_at == 0);
    lists.sort_by_key(|list| (list.order, list.id));
    Ok(lists)
}

/// One list of a board with the cards that `selection` may be about.
pub(super) async fn fetch_stack(
    client: &Client,
    board_id: u64,
    stack_id: u64,
    selection: &Selection,
) -> Result<model::Stack, ToolError> {
    let lists = fetch_stacks(client, board_id, selection).await?;
    let names: Vec<String> = lists
        .iter()
        .map(|list| format!("{} \"{}\"", list.id, list.title))
        .collect();
    let mut lists = lists.into_iter();
    lists.find(|list| list.id == stack_id).ok_or_else(|| {
        ToolError::not_found(format!(
            "Board {board_id} has no list {stack_id}. Its lists are: {}.",
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        ))
    })
}

/// A list of a board.
#[derive(Serialize, JsonSchema)]
pub(super) struct Stack {
    #[serde(flatten)]
    summary: view::StackSummary,
    /// How many of its cards match.
    card_count: usize,
    /// The cards that match; absent when they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    cards: Option<Vec<view::Card>>,
    /// The cards go on: call `deck_get_cards` with this offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
}

impl Stack {
    pub(super) fn new(stack: model::Stack, selection: &Selection, with_cards: bool) -> Self {
        let summary = view::StackSummary::from(&stack);
        let cards = selection.apply(stack.cards);
        let page = Page::of(cards, 0, None, CARDS_PER_STACK, CARDS_PER_STACK);
        Self {
            summary,
            card_count: page.total,
            cards: with_cards.then_some(page.items),
            next_offset: page.next_offset.filter(|_| with_cards),
        }
    }
}

/// The lists of a board.
#[derive(Serialize, JsonSchema)]
struct Stacks {
    /// The lists, from left to right.
    stacks: Vec<Stack>,
}

#[derive(Deserialize, JsonSchema)]
struct StacksArguments {
    /// The board's id.
    board_id: u64,
    /// Whether to return the cards; otherwise only how many match.
    #[serde(default = "yes")]
    include_cards: bool,
    #[serde(flatten)]
    selection: Selection,
}

async fn get_stacks(client: Client, arguments: StacksArguments) -> Result<Stacks, ToolError> {
    let StacksArguments {
        board_id,
        include_cards,
        selection,
    } = arguments;
    let lists = fetch_stacks(&client, board_id, &selection).await?;
    Ok(Stacks {
        stacks: lists
            .into_iter()
            .map(|list| Stack::new(list, &selection, include_cards))
            .collect(),
    })
}

#[derive(Deserialize, JsonSchema)]
struct OneStackArguments {
    /// The board's id.
    board_id: u64,
    /// The list's id.
    stack_id: u64,
    /// Whether to return the cards; otherwise only how many match.
    #[serde(default = "yes")]
    include_cards: bool,
    #[serde(flatten)]
    selection: Selection,
}

async fn get_stack(client: Client, arguments: OneStackArguments) -> Result<Stack, ToolError> {
    let OneStackArguments {
        board_id,
        stack_id,
        include_cards,
        selection,
    } = arguments;
    let list = fetch_stack(&client, board_id, stack_id, &selection).await?;
    Ok(Stack::new(list, &selection, include_cards))
}

#[derive(Deserialize, JsonSchema)]
struct CardsArguments {
    /// The board's id.
    board_id: u64,
    /// The list's id.
    stack_id: u64,
    #[serde(flatten)]
    selection: Selection,
    /// How many cards to return at most: 100 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many cards to skip: the `next_offset` of an earlier answer.
    #[serde(default)]
    offset: usize,
}

/// The cards of a list.
#[derive(Serialize, JsonSchema)]
struct CardPage {
    /// The cards that match, from top to bottom.
    cards: Vec<view::Card>,
    /// How many match altogether.
    total: usize,
    /// The offset to go on with: not all of them are in this answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
}

async fn get_cards(client: Client, arguments: CardsArguments) -> Result<CardPage, ToolError> {
    let CardsArguments {
        board_id,
        stack_id,
        selection,
        limit,
        offset,
    } = arguments;
    let list = fetch_stack(&client, board_id, stack_id, &selection).await?;
    let page = Page::of(selection.apply(list.cards), offset, limit, PAGE, MAX_PAGE);
    Ok(CardPage {
        cards: page.items,
        total: page.total,
        next_offset: page.next_offset,
    })
}

pub(super) async fn fetch_card(
    client: &Client,
    at: &CardArguments,
) -> Result<model::Card, ToolError> {
    let route = card(at.board_id, at.stack_id, at.card_id);
    get(client, route, &about_card(at.card_id)).await
}

async fn get_card(client: Client, arguments: CardArguments) -> Result<view::Card, ToolError> {
    Ok(view::Card::full(fetch_card(&client, &arguments).await?))
}
