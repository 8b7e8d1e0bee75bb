//! Boards, lists, cards and labels as Deck sends them.
//!
//! Deck has two forms of a card: the full one of the read calls, and the bare row that archiving,
//! reordering and the archive list answer with, where lists are `null` and the owner is an id.
//! Both are read here; what the tools show is made in `view`.

use serde::{Deserialize, Deserializer};

/// `null` means empty, as so often in PHP.
fn or_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Somebody, with or without a name.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Person {
    /// The full form, of a user, a group or a team.
    Known {
        #[serde(rename = "primaryKey")]
        id: String,
        #[serde(default)]
        displayname: Option<String>,
    },
    /// The id alone.
    Id(String),
}

impl Person {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Known { id, .. } | Self::Id(id) => id,
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Known { displayname, .. } => displayname.as_deref(),
            Self::Id(_) => None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Board {
    pub(super) id: u64,
    pub(super) title: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) color: String,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default)]
    pub(super) owner: Option<Person>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) permissions: Permissions,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) labels: Vec<Label>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) acl: Vec<Rule>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) users: Vec<Person>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) stacks: Vec<Stack>,
    /// Seconds since 1970 when it was deleted; 0 when it was not.
    #[serde(default)]
    pub(super) deleted_at: i64,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) last_modified: i64,
}

/// What the caller may do with a board.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Permissions {
    #[serde(rename = "PERMISSION_EDIT")]
    pub(super) edit: bool,
    #[serde(rename = "PERMISSION_MANAGE")]
    pub(super) manage: bool,
    #[serde(rename = "PERMISSION_SHARE")]
    pub(super) share: bool,
}

/// Whom a board is shared with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    pub(super) participant: Person,
    #[serde(rename = "type")]
    pub(super) kind: u8,
    pub(super) permission_edit: bool,
    pub(super) permission_share: bool,
    pub(super) permission_manage: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stack {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) board_id: u64,
    pub(super) order: i64,
    #[serde(default)]
    pub(super) deleted_at: i64,
    /// Absent when there are none.
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) cards: Vec<Card>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Card {
    pub(super) id: u64,
    pub(super) title: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) description: String,
    pub(super) stack_id: u64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) order: i64,
    #[serde(default)]
    pub(super) owner: Option<Person>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) labels: Vec<Label>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) assigned_users: Vec<Assignment>,
    #[serde(default)]
    pub(super) attachment_count: Option<u64>,
    #[serde(default)]
    pub(super) comments_count: Option<u64>,
    #[serde(default)]
    pub(super) duedate: Option<String>,
    #[serde(default)]
    pub(super) done: Option<String>,
    #[serde(default)]
    pub(super) archived: bool,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) created_at: i64,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) last_modified: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Label {
    pub(super) id: u64,
    pub(super) title: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) color: String,
    #[serde(default)]
    pub(super) board_id: Option<u64>,
}

/// Somebody who works on a card.
#[derive(Debug, Deserialize)]
pub(super) struct Assignment {
    pub(super) participant: Person,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_row_is_read_like_a_full_card() {
        let row = r#"{"id":11,"title":"T","description":null,"stackId":9,"type":"plain","order":0,
            "labels":null,"assignedUsers":null,"attachmentCount":null,"owner":"alice","archived":false,
            "done":null,"duedate":null,"commentsCount":0,"createdAt":1,"lastModified":2,"ETag":"x"}"#;
        let card: Card = serde_json::from_str(row).expect("a card");
        assert_eq!(card.owner.expect("owner").id(), "alice");
        assert!(card.labels.is_empty() && card.assigned_users.is_empty());
        assert_eq!(card.description, "");
    }
}
