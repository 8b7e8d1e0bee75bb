//! Boards, lists, cards and labels as JSON, in the several forms that Deck answers with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::server::Server;
use super::super::text::digest;
use super::model::{Board, Card, Comment, Deck, Label, Right, Rule, Stack};

/// What people are called.
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    pub(super) fn of(server: &Server) -> Self {
        Self(server.store(|store| {
            let all = store.accounts.all();
            all.map(|one| (one.uid.clone(), one.display_name.clone()))
                .collect()
        }))
    }

    pub(super) fn knows(&self, uid: &str) -> bool {
        self.0.contains_key(uid)
    }

    pub(super) fn of_user(&self, uid: &str) -> String {
        self.0.get(uid).map_or_else(|| uid.to_owned(), Clone::clone)
    }

    pub(super) fn person(&self, uid: &str) -> Value {
        json!({
            "primaryKey": uid,
            "uid": uid,
            "displayname": self.of_user(uid),
            "type": 0,
        })
    }
}

/// The tag is the hash of the time of the last change.
fn etag(last_modified: u64) -> String {
    digest(last_modified.to_string().as_bytes())
}

/// The form of a board.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BoardForm {
    /// Just made: nothing was loaded yet.
    Made,
    /// A member of the list.
    Listed,
    /// A member of the list with `details`.
    Detailed,
    /// On its own.
    Whole,
}

pub(super) fn board(deck: &Deck, names: &Names, id: u64, form: BoardForm, uid: &str) -> Value {
    let Some(board) = deck.boards.get(&id) else {
        return Value::Null;
    };
    let loaded = matches!(form, BoardForm::Detailed | BoardForm::Whole);
    let with_labels = loaded || form == BoardForm::Made;
    let labels: Vec<Value> = deck
        .labels
        .iter()
        .filter(|(_, label)| with_labels && label.board == id)
        .map(|(label_id, one)| label(*label_id, one, form != BoardForm::Made))
        .collect();
    let acl: Vec<Value> = board
        .acl
        .iter()
        .filter(|_| loaded)
        .map(|one| rule(one, id, names))
        .collect();
    let users: Vec<Value> = std::iter::once(&board.owner)
        .chain(board.acl.iter().map(|rule| &rule.uid))
        .filter(|_| loaded)
        .map(|uid| names.person(uid))
        .collect();
    let stacks: Vec<Value> = deck
        .stacks_of(id)
        .iter()
        .filter(|_| loaded)
        .filter_map(|id| Some(stack(*id, deck.stacks.get(id)?, &[])))
        .collect();
    let settings = if loaded {
        json!({"notify-due": "assigned", "calendar": true})
    } else {
        json!([])
    };
    let last_modified = if form == BoardForm::Made {
        0
    } else {
        board.last_modified
    };
    let may = |right| board.grants(uid, right);
    let mut value = json!({
        "id": id,
        "title": board.title,
        "owner": names.person(&board.owner),
        "color": board.color,
        "archived": board.archived,
        "labels": labels,
        "acl": acl,
        "permissions": {
            "PERMISSION_READ": may(Right::Read),
            "PERMISSION_EDIT": may(Right::Edit),
            "PERMISSION_MANAGE": may(Right::Manage),
            "PERMISSION_SHARE": may(Right::Share),
        },
        "users": users,
        "stacks": stacks,
        "activeSessions": [],
        "deletedAt": board.deleted_at,
        "lastModified": last_modified,
        "settings": settings,
        "ETag": etag(last_modified),
    });
    if matches!(form, BoardForm::Listed | BoardForm::Detailed) {
        set(&mut value, "shared", shared(board, uid));
    }
    value
}

fn shared(board: &Board, uid: &str) -> Value {
    json!(u8::from(board.owner != uid))
}

pub(super) fn rule(rule: &Rule, board: u64, names: &Names) -> Value {
    json!({
        "id": rule.id,
        "participant": names.person(&rule.uid),
        "type": 0,
        "boardId": board,
        "permissionEdit": rule.edit,
        "permissionShare": rule.share,
        "permissionManage": rule.manage,
        "owner": false,
    })
}

/// A list; without cards it has no member for them.
pub(super) fn stack(id: u64, stack: &Stack, cards: &[Value]) -> Value {
    let mut value = json!({
        "id": id,
        "title": stack.title,
        "boardId": stack.board,
        "deletedAt": stack.deleted_at,
        "lastModified": stack.last_modified,
        "order": stack.order,
        "ETag": etag(stack.last_modified),
    });
    if !cards.is_empty() {
        set(&mut value, "cards", json!(cards));
    }
    value
}

/// A label; one that was just made has no time of change.
pub(super) fn label(id: u64, label: &Label, stored: bool) -> Value {
    json!({
        "id": id,
        "title": label.title,
        "color": label.color,
        "boardId": label.board,
        "cardId": null,
        "lastModified": if stored { json!(0) } else { Value::Null },
        "ETag": if stored { etag(0) } else { digest(b"") },
    })
}

/// The full form of a card.
pub(super) fn card(deck: &Deck, names: &Names, id: u64, card: &Card) -> Value {
    let mut value = common(id, card);
    set(&mut value, "labels", labels_of(deck, id, card));
    let assigned: Vec<Value> = card
        .assigned
        .iter()
        .map(|(assignment, uid)| self::assignment(*assignment, uid, id, names))
        .collect();
    set(&mut value, "assignedUsers", json!(assigned));
    set(&mut value, "attachments", Value::Null);
    set(&mut value, "attachmentCount", json!(0));
    set(&mut value, "owner", names.person(&card.owner));
    set(&mut value, "overdue", json!(0));
    set(&mut value, "referenceData", Value::Null);
    value
}

/// The row of a card, with the owner's name and an empty list of labels.
pub(super) fn row(names: &Names, id: u64, card: &Card) -> Value {
    let mut value = bare_row(id, card);
    set(&mut value, "labels", json!([]));
    set(&mut value, "owner", names.person(&card.owner));
    value
}

/// The row of a card as the database has it.
pub(super) fn bare_row(id: u64, card: &Card) -> Value {
    let mut value = common(id, card);
    for (name, member) in [
        ("labels", Value::Null),
        ("assignedUsers", Value::Null),
        ("attachments", Value::Null),
        ("attachmentCount", Value::Null),
        ("owner", json!(card.owner)),
        ("descriptionPrev", json!(card.description_before)),
        ("notified", json!(false)),
        ("relatedStack", Value::Null),
        ("relatedBoard", Value::Null),
    ] {
        set(&mut value, name, member);
    }
    value
}

fn common(id: u64, card: &Card) -> Value {
    json!({
        "id": id,
        "title": card.title,
        "description": card.description,
        "stackId": card.stack,
        "type": card.kind,
        "lastModified": card.last_modified,
        "lastEditor": card.last_editor,
        "createdAt": card.created_at,
        "order": card.order,
        "archived": card.archived,
        "done": card.done,
        "duedate": card.duedate,
        "deletedAt": card.deleted_at,
        "commentsUnread": 0,
        "commentsCount": 0,
        "ETag": etag(card.last_modified),
    })
}

/// The labels on a card.
pub(super) fn labels_of(deck: &Deck, id: u64, card: &Card) -> Value {
    let labels = card.labels.iter().filter_map(|label_id| {
        let mut value = label(*label_id, deck.labels.get(label_id)?, true);
        set(&mut value, "cardId", json!(id));
        Some(value)
    });
    labels.collect()
}

pub(super) fn assignment(id: u64, uid: &str, card: u64, names: &Names) -> Value {
    json!({"id": id, "participant": names.person(uid), "cardId": card, "type": 0})
}

pub(super) fn comment(comment: &Comment, names: &Names, time: &Value) -> Value {
    json!({
        "id": comment.id,
        "objectId": comment.card,
        "message": comment.message,
        "actorId": comment.author,
        "actorType": "users",
        "actorDisplayName": names.of_user(&comment.author),
        "creationDateTime": time,
        "mentions": [],
    })
}

/// All boards of a user with everything on them.
pub(super) fn everything(deck: &Deck, names: &Names, uid: &str) -> Vec<Value> {
    let seen = deck
        .boards
        .iter()
        .filter(|(_, board)| board.deleted_at == 0 && board.grants(uid, Right::Read));
    seen.map(|(id, _)| {
        let mut value = board(deck, names, *id, BoardForm::Whole, uid);
        let stacks: Vec<Value> = deck
            .stacks_of(*id)
            .into_iter()
            .filter_map(|stack_id| {
                let ids = [false, true].map(|archived| deck.cards_of(stack_id, archived));
                let cards: Vec<Value> = ids
                    .concat()
                    .into_iter()
                    .filter_map(|id| Some(card(deck, names, id, deck.cards.get(&id)?)))
                    .collect();
                Some(stack(stack_id, deck.stacks.get(&stack_id)?, &cards))
            })
            .collect();
        set(&mut value, "stacks", json!(stacks));
        value
    })
    .collect()
}

/// Sets a member of an object.
pub(super) fn set(value: &mut Value, name: &str, member: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), member);
    }
}
