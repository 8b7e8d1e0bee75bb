//! Which cards a question is about, and how much of each is shown.
//!
//! Deck has no filters, so a board's lists are read and cut down here.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    model::Card,
    view::{self, Detail},
};

/// Characters of a description in a summary unless asked otherwise.
const PREVIEW: usize = 140;

fn preview() -> usize {
    PREVIEW
}

/// How much of a card is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum DetailLevel {
    #[default]
    Summary,
    Full,
}

/// Which cards are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum CardStatus {
    All,
    #[default]
    Open,
    Done,
    Archived,
    /// Open or done; for resources, which have no filters.
    #[serde(skip)]
    Current,
}

impl CardStatus {
    /// Whether cards outside the archive are asked for.
    pub(super) fn wants_current(self) -> bool {
        self != Self::Archived
    }

    /// Whether cards in the archive are asked for, which Deck lists apart.
    pub(super) fn wants_archived(self) -> bool {
        matches!(self, Self::All | Self::Archived)
    }

    fn takes(self, card: &Card) -> bool {
        match self {
            Self::All => true,
            Self::Open => !card.archived && card.done.is_none(),
            Self::Done => !card.archived && card.done.is_some(),
            Self::Archived => card.archived,
            Self::Current => !card.archived,
        }
    }
}

/// The arguments that all tools share that show cards.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Selection {
    /// "summary" (the default) shows the beginning of each description, "full" everything.
    #[serde(default)]
    detail: DetailLevel,
    /// Which cards: "open" (the default) for neither done nor archived, "done" for done but not
    /// archived, "archived", or "all".
    #[serde(default)]
    pub(super) status: CardStatus,
    /// Only cards with this label: its title in any case, or its id.
    #[serde(default)]
    label: Option<String>,
    /// Only cards on which this user works: the user id or display name in any case.
    #[serde(default)]
    assigned_to: Option<String>,
    /// With detail "full": how many characters of each description to return at most; all unless
    /// given.
    #[serde(default)]
    description_max_length: Option<usize>,
    /// With detail "summary": how many characters of each description to return at most.
    #[serde(default = "preview")]
    description_preview_length: usize,
}

impl Selection {
    /// All that is not in the archive, in full.
    pub(super) fn current() -> Self {
        Self {
            detail: DetailLevel::Full,
            status: CardStatus::Current,
            label: None,
            assigned_to: None,
            description_max_length: None,
            description_preview_length: PREVIEW,
        }
    }

    /// The cards that are asked for, in their order, as they are shown.
    pub(super) fn apply(&self, mut cards: Vec<Card>) -> Vec<view::Card> {
        cards.retain(|card| self.takes(card));
        cards.sort_by_key(|card| (card.order, card.id));
        let detail = match self.detail {
            DetailLevel::Summary => Detail::Summary(self.description_preview_length),
            DetailLevel::Full => Detail::Full(self.description_max_length),
        };
        cards
            .into_iter()
            .map(|card| view::Card::new(card, detail))
            .collect()
    }

    fn takes(&self, card: &Card) -> bool {
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        let label = |wanted: &String| {
            let mut labels = card.labels.iter();
            labels.any(|label| same(&label.title, wanted) || label.id.to_string() == *wanted)
        };
        let person = |wanted: &String| {
            let mut people = card.assigned_users.iter().map(|one| &one.participant);
            people.any(|person| {
                same(person.id(), wanted) || person.name().is_some_and(|name| same(name, wanted))
            })
        };
        self.status.takes(card)
            && self.label.as_ref().is_none_or(label)
            && self.assigned_to.as_ref().is_none_or(person)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn cards() -> Vec<Card> {
        let card = |id: u64, order: u64, change: Value| {
            let mut card = json!({
                "id": id, "title": format!("Card {id}"), "description": "ten letters", "stackId": 9,
                "type": "plain", "order": order, "labels": [], "assignedUsers": [], "archived": false,
                "done": null, "owner": "alice",
            });
            let fields = card.as_object_mut().expect("object");
            fields.extend(change.as_object().cloned().expect("object"));
            serde_json::from_value(card).expect("a card")
        };
        vec![
            card(1, 2, json!({})),
            card(
                2,
                1,
                json!({ "labels": [{ "id": 47, "title": "Dringend", "color": "ff0000" }] }),
            ),
            card(3, 0, json!({ "done": "2026-11-21T02:06:49+00:00" })),
            card(
                4,
                0,
                json!({ "archived": true, "done": "2026-11-21T02:06:49+00:00" }),
            ),
            card(
                5,
                3,
                json!({ "assignedUsers": [{ "participant":
                { "primaryKey": "bob", "uid": "bob", "displayname": "Bób Example", "type": 0 } }] }),
            ),
        ]
    }

    fn ids(arguments: Value) -> Vec<u64> {
        let selection: Selection = serde_json::from_value(arguments).expect("arguments");
        let shown = selection.apply(cards());
        shown.iter().map(|card| card.card_id).collect()
    }

    #[test]
    fn open_cards_are_shown_in_order_unless_asked_otherwise() {
        assert_eq!(ids(json!({})), [2, 1, 5]);
        assert_eq!(ids(json!({ "status": "done" })), [3]);
        assert_eq!(ids(json!({ "status": "archived" })), [4]);
        assert_eq!(ids(json!({ "status": "all" })), [3, 4, 2, 1, 5]);
    }

    #[test]
    fn labels_and_people_are_found_by_either_name() {
        for label in ["dringend", "47"] {
            assert_eq!(ids(json!({ "label": label })), [2]);
        }
        for user in ["Bob", "BÓB example"] {
            assert_eq!(ids(json!({ "assigned_to": user })), [5]);
        }
        assert_eq!(ids(json!({ "label": "dring" })), [] as [u64; 0]);
    }

    #[test]
    fn only_the_full_form_has_all_fields() {
        let shown = |arguments: Value| -> Value {
            let selection: Selection = serde_json::from_value(arguments).expect("arguments");
            serde_json::to_value(&selection.apply(cards())[0]).expect("json")
        };
        let summary = shown(json!({ "description_preview_length": 3 }));
        assert_eq!(
            (&summary["description"], &summary["description_truncated"]),
            (&json!("ten"), &json!(true))
        );
        assert!(summary.get("owner").is_none());
        let full = shown(json!({ "detail": "full", "description_preview_length": 3 }));
        assert_eq!(
            (&full["description"], &full["owner"]["user_id"]),
            (&json!("ten letters"), &json!("alice"))
        );
        let bounded = shown(json!({ "detail": "full", "description_max_length": 5 }));
        assert_eq!(bounded["description"], "ten l");
    }
}
