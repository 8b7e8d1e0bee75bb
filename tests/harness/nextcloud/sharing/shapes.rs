//! A share as the API shows it to one of its parties.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::account::Account;
use super::super::mime;
use super::super::server::Store;
use super::model::{LINK, Share, WITH_USER};

/// What the owner may do with a file, and with a folder.
const OWN_FILE: u8 = 27;
const OWN_FOLDER: u8 = 31;

/// The share as `uid` sees it; `None` when its file is gone.
pub(super) fn share(store: &mut Store, url: &str, share: &Share, uid: &str) -> Option<Value> {
    let (tree, _) = store.files(&share.owner);
    let (path, node) = tree.by_id(share.file)?;
    let (path, node) = (path.clone(), node.clone());
    let parent = path.split_last().map_or(&[][..], |(_, parent)| parent);
    let parent_id = tree.get(parent).map(|node| node.id);
    let size = tree.size(&path);
    let is_owner = share.owner == uid;
    let place = format!("/{}", path.join("/"));
    let name = path.last().map(String::as_str).unwrap_or_default();
    let owner_name = display_name(store, &share.owner);
    let mut value = json!({
        "id": share.id.to_string(),
        "share_type": share.kind,
        "uid_owner": share.owner,
        "displayname_owner": owner_name,
        "permissions": share.permissions,
        "can_edit": is_owner,
        "can_delete": is_owner || share.kind == WITH_USER,
        "stime": share.made_at,
        "parent": null,
        "expiration": share.expires.as_ref().map(|day| format!("{day} 00:00:00")),
        "token": share.token,
        "uid_file_owner": share.owner,
        "note": share.note,
        "label": share.label,
        "displayname_file_owner": owner_name,
        "path": if is_owner { &place } else { &share.target },
        "item_type": if node.is_folder() { "folder" } else { "file" },
        "item_permissions": if node.is_folder() { OWN_FOLDER } else { OWN_FILE },
        "is-mount-root": !is_owner,
        "mount-type": if is_owner { "" } else { "shared" },
        "mimetype": if node.is_folder() { "httpd/unix-directory" } else { mime::of(name) },
        "has_preview": !node.is_folder(),
        "storage_id": if is_owner {
            format!("home::{uid}")
        } else {
            format!("shared::{}", share.target)
        },
        "storage": 3,
        "item_source": node.id,
        "file_source": node.id,
        "file_parent": parent_id,
        "file_target": share.target,
        "item_size": size,
        "item_mtime": node.modified,
        "mail_send": u8::from(share.is_new),
        "hide_download": 0,
        "attributes": null,
    });
    let parties = if share.kind == LINK {
        link(share, url)
    } else {
        recipient(store, share)
    };
    if let (Some(value), Value::Object(parties)) = (value.as_object_mut(), parties) {
        value.extend(parties);
    }
    Some(value)
}

/// A link shows the hash of its password where others show the recipient.
fn link(share: &Share, url: &str) -> Value {
    let token = share.token.as_deref().unwrap_or_default();
    json!({
        "share_with": share.password_hash,
        "share_with_displayname": "(Shared link)",
        "password": share.password_hash,
        "send_password_by_talk": false,
        "url": format!("{url}/s/{token}"),
    })
}

fn recipient(store: &Store, share: &Share) -> Value {
    let with = share.with.as_deref().unwrap_or_default();
    let mut value = json!({
        "share_with": with,
        "share_with_displayname": display_name(store, with),
    });
    if let (WITH_USER, Some(account), Some(object)) =
        (share.kind, store.accounts.get(with), value.as_object_mut())
    {
        object.insert(
            "share_with_displayname_unique".to_owned(),
            json!(unique_name(account)),
        );
    }
    value
}

/// What tells two people of the same name apart.
fn unique_name(account: &Account) -> &str {
    if account.email.is_empty() {
        &account.uid
    } else {
        &account.email
    }
}

fn display_name(store: &Store, uid: &str) -> String {
    let account = store.accounts.get(uid);
    account.map_or_else(|| uid.to_owned(), |account| account.display_name.clone())
}

pub(super) fn sharee(account: &Account, kind: u8) -> Value {
    json!({
        "label": account.display_name,
        "subline": "",
        "icon": "icon-user",
        "value": {"shareType": kind, "shareWith": account.uid},
        "shareWithDisplayNameUnique": unique_name(account),
        "status": [],
    })
}

/// The day of a time in Unix seconds, as the API writes days.
pub(super) fn day_of(unix: u64) -> String {
    let date = i64::try_from(unix)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .map(OffsetDateTime::date);
    date.map_or_else(String::new, |date| date.to_string())
}
