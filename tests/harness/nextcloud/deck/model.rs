//! Boards, lists, cards and labels, and who may do what with them.

use std::collections::BTreeMap;

use super::error::DeckError;

/// Everything in Deck.
#[derive(Default)]
pub(super) struct Deck {
    last_id: u64,
    pub(super) boards: BTreeMap<u64, Board>,
    pub(super) stacks: BTreeMap<u64, Stack>,
    pub(super) cards: BTreeMap<u64, Card>,
    pub(super) labels: BTreeMap<u64, Label>,
    pub(super) comments: Vec<Comment>,
}

pub(super) struct Board {
    pub(super) title: String,
    pub(super) owner: String,
    pub(super) color: String,
    pub(super) archived: bool,
    pub(super) acl: Vec<Rule>,
    /// Unix seconds, 0 for never.
    pub(super) deleted_at: u64,
    pub(super) last_modified: u64,
}

/// Whom a board is shared with; only users here.
pub(super) struct Rule {
    pub(super) id: u64,
    pub(super) uid: String,
    pub(super) edit: bool,
    pub(super) share: bool,
    pub(super) manage: bool,
}

pub(super) struct Stack {
    pub(super) board: u64,
    pub(super) title: String,
    pub(super) order: i64,
    pub(super) deleted_at: u64,
    pub(super) last_modified: u64,
}

#[derive(Clone)]
pub(super) struct Card {
    pub(super) stack: u64,
    pub(super) title: String,
    pub(super) description: String,
    /// The description before the last editor's changes.
    pub(super) description_before: Option<String>,
    pub(super) kind: String,
    pub(super) order: i64,
    pub(super) owner: String,
    pub(super) last_editor: Option<String>,
    pub(super) labels: Vec<u64>,
    /// Assignment id and uid.
    pub(super) assigned: Vec<(u64, String)>,
    /// RFC 3339 in UTC.
    pub(super) duedate: Option<String>,
    pub(super) done: Option<String>,
    pub(super) archived: bool,
    pub(super) deleted_at: u64,
    pub(super) created_at: u64,
    pub(super) last_modified: u64,
}

pub(super) struct Label {
    pub(super) board: u64,
    pub(super) title: String,
    pub(super) color: String,
}

pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) card: u64,
    pub(super) author: String,
    pub(super) message: String,
    pub(super) created_at: u64,
}

/// What somebody wants to do with a board.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Read,
    Edit,
    Manage,
    Share,
}

impl Board {
    pub(super) fn grants(&self, uid: &str, right: Right) -> bool {
        if self.owner == uid {
            return true;
        }
        self.acl
            .iter()
            .filter(|rule| rule.uid == uid)
            .any(|rule| match right {
                Right::Read => true,
                Right::Edit => rule.edit,
                Right::Manage => rule.manage,
                Right::Share => rule.share,
            })
    }
}

impl Deck {
    /// A new id; all tables share one sequence here.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The board, if it is there and the user has the right.
    pub(super) fn board(&self, id: u64, uid: &str, right: Right) -> Result<&Board, DeckError> {
        self.boards
            .get(&id)
            .filter(|board| board.deleted_at == 0 && board.grants(uid, right))
            .ok_or(DeckError::Denied)
    }

    /// The list, if it is there and the user has the right on its board.
    pub(super) fn stack(&self, id: u64, uid: &str, right: Right) -> Result<&Stack, DeckError> {
        let stack = self.stacks.get(&id).ok_or(DeckError::Denied)?;
        self.board(stack.board, uid, right)?;
        Ok(stack)
    }

    /// The card, if it is there and the user has the right on its board.
    pub(super) fn card(&self, id: u64, uid: &str, right: Right) -> Result<&Card, DeckError> {
        let card = self.card_or_deleted(id, uid, right)?;
        if card.deleted_at == 0 {
            Ok(card)
        } else {
            Err(DeckError::Denied)
        }
    }

    /// The same, even when it was deleted: replacing a deleted card restores it.
    pub(super) fn card_or_deleted(
        &self,
        id: u64,
        uid: &str,
        right: Right,
    ) -> Result<&Card, DeckError> {
        let card = self.cards.get(&id).ok_or(DeckError::Denied)?;
        self.stack(card.stack, uid, right)?;
        Ok(card)
    }

    /// The label, if it is there and the user has the right on its board.
    pub(super) fn label(&self, id: u64, uid: &str, right: Right) -> Result<&Label, DeckError> {
        let label = self.labels.get(&id).ok_or(DeckError::Denied)?;
        self.board(label.board, uid, right)?;
        Ok(label)
    }

    /// Refuses a change on an archived board.
    pub(super) fn check_board_of_stack(&self, stack: u64) -> Result<(), DeckError> {
        let board = self.stacks.get(&stack).map(|stack| stack.board);
        self.check_board(board.unwrap_or_default())
    }

    /// Refuses a change when the board is archived.
    pub(super) fn check_board(&self, board: u64) -> Result<(), DeckError> {
        match self.boards.get(&board) {
            Some(board) if board.archived => Err(DeckError::BOARD_ARCHIVED),
            Some(_) | None => Ok(()),
        }
    }

    /// The lists of a board that were not deleted, from left to right.
    pub(super) fn stacks_of(&self, board: u64) -> Vec<u64> {
        let mut found: Vec<(i64, u64)> = self
            .stacks
            .iter()
            .filter(|(_, stack)| stack.board == board && stack.deleted_at == 0)
            .map(|(id, stack)| (stack.order, *id))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// The cards of a list, in the archive or not, from top to bottom.
    pub(super) fn cards_of(&self, stack: u64, archived: bool) -> Vec<u64> {
        let mut found: Vec<(i64, u64)> = self
            .cards
            .iter()
            .filter(|(_, card)| {
                card.stack == stack && card.deleted_at == 0 && card.archived == archived
            })
            .map(|(id, card)| (card.order, *id))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Notes that something on a board changed.
    pub(super) fn board_changed(&mut self, board: u64, now: u64) {
        if let Some(board) = self.boards.get_mut(&board) {
            board.last_modified = now;
        }
    }

    /// Notes that a card changed, and with it its list and board.
    pub(super) fn card_changed(&mut self, card: u64, now: u64) {
        let Some(card) = self.cards.get_mut(&card) else {
            return;
        };
        card.last_modified = now;
        let Some(stack) = self.stacks.get_mut(&card.stack) else {
            return;
        };
        stack.last_modified = now;
        let board = stack.board;
        self.board_changed(board, now);
    }
}
