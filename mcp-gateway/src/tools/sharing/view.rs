//! A share as the tools show it, with types and permissions in words.

#![expect(
    clippy::struct_field_names,
    reason = "fields are named as the tools show them"
)]

use schemars::JsonSchema;
use serde::Serialize;

use super::wire;

/// The type of a public link.
pub(super) const LINK: u8 = 3;
/// The type of a share by e-mail, which is a link too.
const MAIL: u8 = 4;

/// The permissions, with the word for each.
const PERMISSIONS: [(u8, &str); 5] = [
    (READ, "read"),
    (2, "change"),
    (4, "create"),
    (8, "delete"),
    (SHARE_ON, "share on"),
];
/// The least permission.
pub(super) const READ: u8 = 1;
const SHARE_ON: u8 = 16;
/// All permissions.
pub(super) const ALL: u8 = 31;

/// The word for a type of share; `None` for one that the tools do not make.
pub(super) fn kind(share_type: u8) -> Option<&'static str> {
    Some(match share_type {
        0 => "user",
        1 => "group",
        LINK => "public link",
        MAIL => "e-mail address",
        6 => "user of another Nextcloud",
        7 => "team",
        10 => "Talk room",
        12 => "Deck card",
        _ => return None,
    })
}

fn in_words(permissions: u8) -> Vec<&'static str> {
    PERMISSIONS
        .iter()
        .filter(|(bit, _)| permissions & bit != 0)
        .map(|(_, word)| *word)
        .collect()
}

/// A share of a file or folder.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Share {
    /// The share's id.
    pub(super) share_id: u64,
    /// The path of what is shared, as this user sees it.
    path: String,
    /// "file" or "folder".
    item_type: String,
    /// The number of the share type.
    share_type: u8,
    /// With what kind of recipient: "user", "group", "public link" and so on.
    kind: &'static str,
    /// With whom: the user id, group id, e-mail address and so on; a public link has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_with: Option<String>,
    /// The name of the recipient that people see.
    #[serde(skip_serializing_if = "Option::is_none")]
    share_with_name: Option<String>,
    /// What they may do, as a sum: 1 read, 2 change, 4 create, 8 delete, 16 share on.
    permissions: u8,
    /// What they may do, in words.
    allowed: Vec<&'static str>,
    /// The URL of a public link: whoever has it has access.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Whether the link asks for a password.
    has_password: bool,
    /// The last day on which it works; absent when it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// The user id of who made it.
    owner: String,
    /// The name of who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_name: Option<String>,
    /// A note to the recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The name that its maker gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Whether this user may change it.
    may_change: bool,
    /// Whether this user may remove it.
    may_remove: bool,
}

impl From<wire::Share> for Share {
    fn from(share: wire::Share) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let is_link = share.share_type == LINK;
        Self {
            share_id: share.id,
            path: share.path.unwrap_or_default(),
            item_type: share.item_type,
            share_type: share.share_type,
            kind: kind(share.share_type).unwrap_or("other"),
            // For a link this is the hash of its password.
            share_with: filled(share.share_with).filter(|_| !is_link),
            share_with_name: filled(share.share_with_displayname).filter(|_| !is_link),
            permissions: share.permissions,
            allowed: in_words(share.permissions),
            url: filled(share.url),
            has_password: filled(share.password).is_some(),
            expires: share
                .expiration
                .and_then(|time| time.split(' ').next().map(str::to_owned)),
            owner: share.uid_owner,
            owner_name: filled(share.displayname_owner),
            note: filled(share.note),
            label: filled(share.label),
            may_change: share.can_edit.unwrap_or_default(),
            may_remove: share.can_delete.unwrap_or_default(),
        }
    }
}

impl Share {
    /// What it means that this share is no more.
    pub(super) fn ended(&self) -> String {
        let Self { path, kind, .. } = self;
        if self.share_type == LINK {
            return format!(
                "The public link to \"{path}\" no longer works. The {} itself stays.",
                self.item_type
            );
        }
        let with = self.share_with.as_deref().unwrap_or_default();
        format!(
            "\"{path}\" of {} is no longer shared with the {kind} \"{with}\". The {} itself stays.",
            self.owner, self.item_type
        )
    }

    /// The permissions that mean something: on a link, Nextcloud adds "share on" by itself.
    fn meant(&self, permissions: u8) -> u8 {
        if matches!(self.share_type, LINK | MAIL) {
            permissions & !SHARE_ON
        } else {
            permissions
        }
    }
}

/// A share after it was made or changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Changed {
    #[serde(flatten)]
    share: Share,
    /// What is not as it was asked for, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

impl Changed {
    /// The share, and a warning when it allows something else than was asked for.
    pub(super) fn new(share: Share, asked: u8) -> Self {
        let (asked, got) = (share.meant(asked), share.meant(share.permissions));
        let more = in_words(got & !asked);
        let warning = if !more.is_empty() {
            Some(format!(
                "It allows more than was asked for: {}. It was probably shared before, and a share \
                 that is there stays as it is. Change it with nc_share_update if that is not \
                 wanted.",
                more.join(", ")
            ))
        } else if got != asked {
            Some(format!(
                "It allows less than was asked for: not {}. Nextcloud does not allow that here, or \
                 it was shared before.",
                in_words(asked & !got).join(", ")
            ))
        } else {
            None
        };
        Self { share, warning }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn share(share_type: u8, permissions: u8) -> Share {
        let share = json!({
            "id": "15", "share_type": share_type, "permissions": permissions, "path": "/Lab/x.txt",
            "item_type": "file", "uid_owner": "alice", "displayname_owner": "Alice Example",
            "share_with": "3|$argon2id$hash", "share_with_displayname": "(Shared link)",
            "password": "3|$argon2id$hash", "expiration": "2026-12-31 00:00:00", "note": "",
            "url": "https://cloud.example/s/abc", "can_edit": true, "can_delete": true,
        });
        let share: wire::Share = serde_json::from_value(share).expect("share");
        share.into()
    }

    #[test]
    fn the_hash_of_a_password_goes_no_further() {
        let shown = serde_json::to_value(share(LINK, 17)).expect("json");
        assert!(!shown.to_string().contains("argon2id"), "{shown}");
        assert_eq!(shown["has_password"], true);
        assert_eq!(shown["expires"], "2026-12-31");
        assert_eq!(shown["allowed"], json!(["read", "share on"]));
        assert_eq!(shown["url"], "https://cloud.example/s/abc");
    }

    #[test]
    fn a_share_that_allows_something_else_is_pointed_out() {
        let warning = |share_type, got, asked| Changed::new(share(share_type, got), asked).warning;
        assert_eq!(warning(0, 1, 1), None);
        assert_eq!(
            warning(LINK, 17, 1),
            None,
            "Nextcloud adds 16 to every link"
        );
        let more = warning(0, 19, 1).expect("more");
        assert!(
            more.contains("more") && more.contains("change, share on"),
            "{more}"
        );
        let less = warning(0, 19, 31).expect("less");
        assert!(
            less.contains("less") && less.contains("create, delete"),
            "{less}"
        );
    }
}
