//! Boards, lists, cards and labels as the tools show them.

#![expect(
    clippy::struct_field_names,
    clippy::struct_excessive_bools,
    reason = "fields are named as the tools show them"
)]

use schemars::JsonSchema;
use serde::Serialize;

use super::model;

/// Somebody.
#[derive(Serialize, JsonSchema)]
pub(super) struct Person {
    /// The user id; `deck_assign_user_to_card` and `deck_update_card` take it.
    pub(super) user_id: String,
    /// The name that people see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
}

impl From<&model::Person> for Person {
    fn from(person: &model::Person) -> Self {
        Self {
            user_id: person.id().to_owned(),
            display_name: person.name().map(str::to_owned),
        }
    }
}

/// A label of a board.
#[derive(Serialize, JsonSchema)]
pub(super) struct Label {
    /// The label's id.
    pub(super) label_id: u64,
    /// Its title.
    pub(super) title: String,
    /// Its colour as six hexadecimal digits.
    pub(super) color: String,
}

impl From<model::Label> for Label {
    fn from(label: model::Label) -> Self {
        Self {
            label_id: label.id,
            title: label.title,
            color: label.color,
        }
    }
}

/// A board without what is on it.
#[derive(Serialize, JsonSchema)]
pub(super) struct BoardSummary {
    /// The board's id.
    pub(super) board_id: u64,
    /// Its title.
    pub(super) title: String,
    /// Its colour as six hexadecimal digits.
    pub(super) color: String,
    /// Whether it is archived; nothing on it can be changed then.
    pub(super) archived: bool,
    /// Whose board it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<Person>,
    /// Whether this account may change cards.
    pub(super) may_edit: bool,
    /// Whether this account may change lists, labels and the board itself.
    pub(super) may_manage: bool,
    /// Whether this account may share the board.
    pub(super) may_share: bool,
    /// When something on it was last changed, in seconds since 1970.
    pub(super) last_modified: i64,
}

/// Whom a board is shared with.
#[derive(Serialize, JsonSchema)]
pub(super) struct Rule {
    /// The id of the user, group or team.
    pub(super) participant: String,
    /// The name that people see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    /// "user", "group", "federated user" or "team".
    pub(super) kind: &'static str,
    /// Whether they may change cards.
    pub(super) may_edit: bool,
    /// Whether they may change lists, labels and the board itself.
    pub(super) may_manage: bool,
    /// Whether they may share the board.
    pub(super) may_share: bool,
}

impl From<model::Rule> for Rule {
    fn from(rule: model::Rule) -> Self {
        Self {
            participant: rule.participant.id().to_owned(),
            display_name: rule.participant.name().map(str::to_owned),
            kind: match rule.kind {
                1 => "group",
                6 => "federated user",
                7 => "team",
                _ => "user",
            },
            may_edit: rule.permission_edit,
            may_manage: rule.permission_manage,
            may_share: rule.permission_share,
        }
    }
}

/// A list on a board, without its cards.
#[derive(Serialize, JsonSchema)]
pub(super) struct StackSummary {
    /// The list's id.
    pub(super) stack_id: u64,
    /// The board that it is on.
    pub(super) board_id: u64,
    /// Its title.
    pub(super) title: String,
    /// Its place on the board; lower is further left.
    pub(super) order: i64,
}

impl From<&model::Stack> for StackSummary {
    fn from(stack: &model::Stack) -> Self {
        Self {
            stack_id: stack.id,
            board_id: stack.board_id,
            title: stack.title.clone(),
            order: stack.order,
        }
    }
}

/// A board with its labels, lists and people.
#[derive(Serialize, JsonSchema)]
pub(super) struct Board {
    #[serde(flatten)]
    pub(super) summary: BoardSummary,
    /// Its labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) labels: Option<Vec<Label>>,
    /// Its lists, without cards.
    pub(super) stacks: Vec<StackSummary>,
    /// Whom it is shared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) acl: Option<Vec<Rule>>,
    /// Everybody who can see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) users: Option<Vec<Person>>,
}

impl From<&model::Board> for BoardSummary {
    fn from(board: &model::Board) -> Self {
        Self {
            board_id: board.id,
            title: board.title.clone(),
            color: board.color.clone(),
            archived: board.archived,
            owner: board.owner.as_ref().map(Person::from),
            may_edit: board.permissions.edit,
            may_manage: board.permissions.manage,
            may_share: board.permissions.share,
            last_modified: board.last_modified,
        }
    }
}

impl From<model::Board> for Board {
    fn from(board: model::Board) -> Self {
        let summary = BoardSummary::from(&board);
        let mut stacks = board.stacks;
        stacks.retain(|stack| stack.deleted_at == 0);
        Self {
            summary,
            labels: Some(board.labels.into_iter().map(Label::from).collect()),
            stacks: stacks.iter().map(StackSummary::from).collect(),
            acl: Some(board.acl.into_iter().map(Rule::from).collect()),
            users: Some(board.users.iter().map(Person::from).collect()),
        }
    }
}

/// How much of a card is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum Detail {
    /// What a list needs, and at most this many characters of the description.
    Summary(usize),
    /// Everything, and at most this many characters of the description.
    Full(Option<usize>),
}

/// A card.
#[derive(Serialize, JsonSchema)]
pub(super) struct Card {
    /// The card's id.
    pub(super) card_id: u64,
    /// The list that it is in.
    pub(super) stack_id: u64,
    /// Its title.
    pub(super) title: String,
    /// Its description in Markdown, perhaps only the beginning.
    pub(super) description: String,
    /// Whether the description is longer: `deck_get_card` has all of it.
    pub(super) description_truncated: bool,
    /// Its place in the list; lower is further up.
    pub(super) order: i64,
    /// Its labels.
    pub(super) labels: Vec<Label>,
    /// Who works on it.
    pub(super) assigned_users: Vec<Person>,
    /// When it is due (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duedate: Option<String>,
    /// When it was done (RFC 3339); absent while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) done: Option<String>,
    /// Whether it is in the archive.
    pub(super) archived: bool,
    /// What is left out of a summary.
    #[serde(flatten)]
    pub(super) more: Option<CardDetails>,
}

/// What only the full form of a card has.
#[derive(Serialize, JsonSchema)]
pub(super) struct CardDetails {
    /// The kind of card, usually "plain".
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<Person>,
    /// How many attachments it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attachment_count: Option<u64>,
    /// How many comments it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comments_count: Option<u64>,
    /// When it was made, in seconds since 1970.
    pub(super) created_at: i64,
    /// When it was last changed, in seconds since 1970.
    pub(super) last_modified: i64,
}

impl Card {
    pub(super) fn new(card: model::Card, detail: Detail) -> Self {
        let (length, is_full) = match detail {
            Detail::Summary(length) => (Some(length), false),
            Detail::Full(length) => (length, true),
        };
        let (description, description_truncated) = cut(card.description, length);
        let more = is_full.then(|| CardDetails {
            kind: card.kind,
            owner: card.owner.as_ref().map(Person::from),
            attachment_count: card.attachment_count,
            comments_count: card.comments_count,
            created_at: card.created_at,
            last_modified: card.last_modified,
        });
        Self {
            card_id: card.id,
            stack_id: card.stack_id,
            title: card.title,
            description,
            description_truncated,
            order: card.order,
            labels: card.labels.into_iter().map(Label::from).collect(),
            assigned_users: card
                .assigned_users
                .iter()
                .map(|assignment| Person::from(&assignment.participant))
                .collect(),
            duedate: card.duedate,
            done: card.done,
            archived: card.archived,
            more,
        }
    }

    /// The whole card.
    pub(super) fn full(card: model::Card) -> Self {
        Self::new(card, Detail::Full(None))
    }
}

/// At most `length` characters of `text`, and whether there were more.
fn cut(text: String, length: Option<usize>) -> (String, bool) {
    match length.and_then(|length| text.char_indices().nth(length)) {
        Some((end, _)) => (text.get(..end).unwrap_or_default().to_owned(), true),
        None => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_says_so() {
        assert_eq!(cut("añ😀b".to_owned(), Some(3)), ("añ😀".to_owned(), true));
        assert_eq!(cut("añ😀".to_owned(), Some(3)), ("añ😀".to_owned(), false));
        assert_eq!(cut("abc".to_owned(), Some(0)), (String::new(), true));
        assert_eq!(cut("abc".to_owned(), None), ("abc".to_owned(), false));
    }
}
