//! Webhooks at Nextcloud for background jobs: presets of events, registrations, deliveries.

use super::{ClientId, DeliveryId, HandleHash, Timestamp, WebhookId};

/// A named set of events, so that nobody has to know Nextcloud's class names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preset {
    /// Files and folders; notes are files too.
    Files,
    /// Events and tasks.
    Calendar,
    /// Tags put on files or taken off.
    Tags,
    /// Rows of tables.
    Tables,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 4] = [Self::Files, Self::Calendar, Self::Tags, Self::Tables];

    /// The name in the database and the admin API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Calendar => "calendar",
            Self::Tags => "tags",
            Self::Tables => "tables",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == word)
    }

    /// Nextcloud's classes of the events. Only what `webhook_listeners` takes and was seen to fire; it
    /// has none for accounts, shares, contacts or cards.
    #[must_use]
    pub const fn events(self) -> &'static [&'static str] {
        match self {
            Self::Files => &[
                r"OCP\Files\Events\Node\NodeCreatedEvent",
                r"OCP\Files\Events\Node\NodeWrittenEvent",
                r"OCP\Files\Events\Node\NodeDeletedEvent",
                r"OCP\Files\Events\Node\NodeRenamedEvent",
                r"OCP\Files\Events\Node\NodeCopiedEvent",
            ],
            Self::Calendar => &[
                r"OCP\Calendar\Events\CalendarObjectCreatedEvent",
                r"OCP\Calendar\Events\CalendarObjectUpdatedEvent",
                r"OCP\Calendar\Events\CalendarObjectDeletedEvent",
                r"OCP\Calendar\Events\CalendarObjectMovedEvent",
                r"OCP\Calendar\Events\CalendarObjectMovedToTrashEvent",
                r"OCP\Calendar\Events\CalendarObjectRestoredEvent",
            ],
            Self::Tags => &[
                r"OCP\SystemTag\TagAssignedEvent",
                r"OCP\SystemTag\TagUnassignedEvent",
            ],
            Self::Tables => &[
                r"OCA\Tables\Event\RowAddedEvent",
                r"OCA\Tables\Event\RowUpdatedEvent",
                r"OCA\Tables\Event\RowDeletedEvent",
            ],
        }
    }
}

/// One event of one preset for one background client, as it is to be at Nextcloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Ours; part of what its deliveries carry.
    pub id: WebhookId,
    /// The preset that it is of.
    pub preset: Preset,
    /// Who is told.
    pub client_id: ClientId,
    /// Nextcloud's class of the event.
    pub event: String,
    /// The uids of the people whose events count, while they let background jobs act for them.
    pub users: Vec<String>,
    /// The uids of technical accounts whose events count. They are nobody's, so nobody is asked.
    pub technical_accounts: Vec<String>,
    /// Whether it is to be there; if not, it is on its way out.
    pub is_wanted: bool,
    /// Its number at Nextcloud, once it is there.
    pub nextcloud_id: Option<i64>,
    /// The hash of the secret that its deliveries carry, once there is one.
    pub secret: Option<HandleHash>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Webhook {
    /// Whether Nextcloud has it as it is wanted.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.is_wanted && self.nextcloud_id.is_some()
    }

    /// The uids whose events Nextcloud is to send; empty: everybody's.
    #[must_use]
    pub fn uids(&self) -> Vec<String> {
        let mut uids = [self.users.as_slice(), &self.technical_accounts].concat();
        uids.sort_unstable();
        uids.dedup();
        uids
    }

    /// On what condition the client hears of an event of this user; `None`: nobody was signed in.
    #[must_use]
    pub fn condition(&self, uid: Option<&str>) -> Condition {
        let is_in = |uids: &[String], uid: &str| uids.iter().any(|one| one == uid);
        match uid {
            Some(uid) if is_in(&self.technical_accounts, uid) => Condition::Always,
            Some(uid) if self.uids().is_empty() || is_in(&self.users, uid) => {
                Condition::GrantOf(uid.to_owned())
            }
            _ => Condition::Never,
        }
    }
}

/// On what condition a background client hears of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It is none of its business.
    Never,
    /// While the user of this uid lets background jobs act for him where the client may.
    GrantOf(String),
    /// The account is nobody's.
    Always,
}

/// Something that happened at Nextcloud, on its way to a background client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id, by which the client tells repetitions.
    pub id: DeliveryId,
    /// Who is told.
    pub client_id: ClientId,
    /// The preset of the webhook that brought it.
    pub preset: Preset,
    /// The uid of the user whose background access it takes to tell of it; `None`: none.
    pub grant_of: Option<String>,
    /// Nextcloud's class of the event.
    pub event: String,
    /// What Nextcloud sent: a JSON object.
    pub body: String,
    /// When it came.
    pub received_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; `None`: it is a dead letter, and waits for an administrator.
    pub next_attempt_at: Option<Timestamp>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_preset_has_a_name_and_events_of_its_own() {
        let events: Vec<_> = Preset::ALL
            .iter()
            .flat_map(|preset| preset.events())
            .collect();
        let distinct: HashSet<_> = events.iter().collect();
        assert_eq!(distinct.len(), events.len());
        for preset in Preset::ALL {
            assert_eq!(Preset::parse(preset.as_str()), Some(preset));
        }
        assert_eq!(Preset::parse("users"), None);
    }

    #[test]
    fn a_webhook_for_some_is_for_nobody_else_and_people_are_asked() {
        let mut webhook = Webhook {
            id: WebhookId::parse("w").unwrap(),
            preset: Preset::Files,
            client_id: ClientId::parse("job").unwrap(),
            event: "E".to_owned(),
            users: Vec::new(),
            technical_accounts: Vec::new(),
            is_wanted: true,
            nextcloud_id: None,
            secret: None,
            created_at: Timestamp::from_millis(0),
            updated_at: Timestamp::from_millis(0),
        };
        let grant_of = |uid: &str| Condition::GrantOf(uid.to_owned());
        assert_eq!(webhook.condition(Some("bob")), grant_of("bob"));
        assert_eq!(webhook.condition(None), Condition::Never);

        webhook.technical_accounts = vec!["scanner".to_owned()];
        assert_eq!(webhook.condition(Some("scanner")), Condition::Always);
        assert_eq!(webhook.condition(Some("bob")), Condition::Never);
        assert_eq!(webhook.condition(None), Condition::Never);

        webhook.users = vec!["alice".to_owned()];
        assert_eq!(webhook.condition(Some("alice")), grant_of("alice"));
        assert_eq!(webhook.condition(Some("Alice")), Condition::Never);
        assert_eq!(webhook.condition(Some("scanner")), Condition::Always);
        assert_eq!(webhook.uids(), ["alice", "scanner"]);
    }
}
