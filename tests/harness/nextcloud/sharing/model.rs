//! Shares, and whom they reach.

use super::super::account::Account;

/// The types that are here.
pub(super) const WITH_USER: u8 = 0;
pub(super) const WITH_GROUP: u8 = 1;
pub(super) const LINK: u8 = 3;

/// The permissions that some rule is about.
pub(super) const READ: u8 = 1;
pub(super) const CREATE: u8 = 4;
pub(super) const DELETE: u8 = 8;
pub(super) const SHARE: u8 = 16;
pub(super) const ALL: u8 = 31;

/// A share.
#[derive(Clone)]
pub(super) struct Share {
    pub(super) id: u64,
    pub(super) kind: u8,
    /// Whose file it is, who also made the share.
    pub(super) owner: String,
    /// The id of the file or folder.
    pub(super) file: u64,
    pub(super) permissions: u8,
    /// The user or group; a link has none.
    pub(super) with: Option<String>,
    /// Where it appears in the recipients' files.
    pub(super) target: String,
    /// The secret part of a link's URL.
    pub(super) token: Option<String>,
    /// What stands for a link's password.
    pub(super) password_hash: Option<String>,
    /// `YYYY-MM-DD`.
    pub(super) expires: Option<String>,
    pub(super) note: String,
    pub(super) label: String,
    /// Unix seconds.
    pub(super) made_at: u64,
    /// Whether the recipient was told, which only the answer to the creation shows.
    pub(super) is_new: bool,
}

impl Share {
    /// Whether somebody is a recipient.
    pub(super) fn reaches(&self, account: &Account) -> bool {
        match (self.kind, &self.with) {
            (WITH_USER, Some(uid)) => *uid == account.uid,
            (WITH_GROUP, Some(group)) => account.groups.contains(group),
            _ => false,
        }
    }
}

/// All shares.
#[derive(Default)]
pub(super) struct Shares {
    last_id: u64,
    list: Vec<Share>,
}

impl Shares {
    pub(super) fn all(&mut self) -> Vec<Share> {
        self.list.clone()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Share> {
        self.list.iter().find(|share| share.id == id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Share> {
        self.list.iter_mut().find(|share| share.id == id)
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.list.retain(|share| share.id != id);
    }

    /// Adds a share and gives it back with its id; with a user or group that the file is shared
    /// with already, gives the old one back as it is.
    pub(super) fn add(&mut self, mut share: Share) -> Share {
        let twin = self.list.iter().find(|old| {
            share.kind != LINK
                && (old.kind, old.file) == (share.kind, share.file)
                && old.with == share.with
        });
        if let Some(twin) = twin {
            return twin.clone();
        }
        self.last_id += 1;
        share.id = self.last_id;
        self.list.push(Share {
            is_new: false,
            ..share.clone()
        });
        share
    }
}
