//! Shares of files and folders: with people, groups, or whoever has a link.
//!
//! Nothing is ever shared more than was asked: the permissions are always sent, because without
//! them Nextcloud grants everything, and an answer that allows something else is pointed out. The
//! hash of a link's password, which Nextcloud sends along, goes no further than [`wire`].

mod view;
mod wire;

use http::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Date, format_description::BorrowedFormatItem, macros::format_description};

use self::view::{Changed, Share};
use super::{Effect, Family, Needs, Tool, page::Page};
use crate::{
    error::{About, Describe, ToolError, describe, words},
    nextcloud::{Client, Error, FilePath, Request, Route},
};

const READ: Needs = Needs::All(&["sharing.read"]);
const WRITE: Needs = Needs::All(&["sharing.write"]);

/// The sharing tools.
pub(super) fn family() -> Family {
    let tools = vec![
        Tool::new("nc_share_create", Effect::Write, WRITE, create)
            .described(
                "Share a file or folder",
                "Shares a file or folder with a user, a group, an e-mail address or others, or \
                 makes a public link (share_type 3) whose URL is in the answer. Read-only unless \
                 more permissions are given. Use it only when the user asked to share, and give \
                 no more permissions than they asked for.",
            )
            .calls(&["POST /ocs/v2.php/apps/files_sharing/api/v1/shares"]),
        Tool::new("nc_share_delete", Effect::Delete, WRITE, delete)
            .described(
                "Stop sharing",
                "Removes a share: the others lose their access, a public link stops working. The \
                 file itself stays. Use nc_share_list to find the id.",
            )
            .calls(&[
                "GET /ocs/v2.php/apps/files_sharing/api/v1/shares/{share_id}",
                "DELETE /ocs/v2.php/apps/files_sharing/api/v1/shares/{share_id}",
            ]),
        Tool::new("nc_share_get", Effect::Read, READ, get)
            .described(
                "Look at a share",
                "Returns one share: what is shared with whom, what they may do, until when, and \
                 the URL of a public link.",
            )
            .calls(&["GET /ocs/v2.php/apps/files_sharing/api/v1/shares/{share_id}"]),
        Tool::new("nc_share_list", Effect::Read, READ, list)
            .described(
                "List shares",
                "Lists what the user shares with others, or with shared_with_me what others share \
                 with the user; with a path only the shares of that file or folder. Use it to \
                 find out who can see a file, or the id of a share.",
            )
            .calls(&["GET /ocs/v2.php/apps/files_sharing/api/v1/shares"]),
        Tool::new("nc_share_update", Effect::Write, WRITE, update)
            .described(
                "Change what a share allows",
                "Replaces the permissions of a share. Look at it with nc_share_get first, and \
                 give all permissions that it should have afterwards.",
            )
            .calls(&["PUT /ocs/v2.php/apps/files_sharing/api/v1/shares/{share_id}"]),
    ];
    Family {
        tools,
        resources: Vec::new(),
    }
}

const APP: &str = "file sharing";

fn about_share(share_id: u64) -> About {
    About {
        what: format!("Share {share_id}").into(),
        find: "Use nc_share_list to find the right id.",
        app: APP,
    }
}

fn about_path(path: &FilePath) -> About {
    About {
        what: format!("\"{path}\"").into(),
        find: "Use nc_webdav_list_directory or nc_webdav_find_by_name to find the right path.",
        app: APP,
    }
}

fn shares() -> Route {
    Route::ocs(["apps", "files_sharing", "api", "v1", "shares"])
}

fn share(share_id: u64) -> Route {
    shares().join([share_id.to_string().as_str()])
}

#[derive(Deserialize, JsonSchema)]
struct ShareArguments {
    /// The share's id.
    share_id: u64,
}

/// Read, and nothing else.
fn read_only() -> u8 {
    view::READ
}

#[derive(Deserialize, JsonSchema)]
struct CreateArguments {
    /// The path of the file or folder from the root folder, such as "Documents/plan.md".
    path: String,
    /// With whom: a user id, group id, e-mail address, federated id, id of a Talk room or of a
    /// Deck card, as the share type says. Leave it out for a public link.
    #[serde(default)]
    share_with: Option<String>,
    /// 0 user (the default), 1 group, 3 public link, 4 e-mail address, 6 user of another
    /// Nextcloud, 7 team, 10 Talk room, 12 Deck card.
    #[serde(default)]
    share_type: u8,
    /// What they may do, as a sum: 1 read (the default), 2 change, 4 create, 8 delete, 16 share
    /// on.
    #[serde(default = "read_only")]
    permissions: u8,
    /// The last day on which the share works, such as 2026-12-31; without end unless given.
    #[serde(default)]
    expire_date: Option<String>,
}

async fn create(client: Client, arguments: CreateArguments) -> Result<Changed, ToolError> {
    let path: FilePath = arguments.path.parse()?;
    if path.is_root() {
        return Err(ToolError::invalid(
            "That is the root folder, which cannot be shared. Give the path of something in it.",
        ));
    }
    let with = recipient(arguments.share_type, arguments.share_with.as_deref())?;
    let permissions = checked(arguments.permissions)?;
    let expire_date = arguments.expire_date.as_deref().map(day).transpose()?;

    let (place, kind, sum) = (
        path.to_string(),
        arguments.share_type.to_string(),
        permissions.to_string(),
    );
    let mut form = vec![
        ("path", place.as_str()),
        ("shareType", &kind),
        ("permissions", &sum),
    ];
    form.extend(with.map(|with| ("shareWith", with)));
    form.extend(expire_date.map(|day| ("expireDate", day)));
    let request = Request::new(Method::POST, shares()).form(form);
    let made: wire::Share = client
        .ocs(request)
        .await
        .map_err(|error| not_shared(error, &path, with))?;
    Ok(Changed::new(made.into(), permissions))
}

/// The recipient; every kind of share but a public link has one.
fn recipient(share_type: u8, share_with: Option<&str>) -> Result<Option<&str>, ToolError> {
    let Some(kind) = view::kind(share_type) else {
        return Err(ToolError::invalid(format!(
            "There is no share type {share_type}. The types are: 0 user, 1 group, 3 public link, 4 \
             e-mail address, 6 user of another Nextcloud, 7 team, 10 Talk room, 12 Deck card."
        )));
    };
    let share_with = share_with.filter(|with| !with.trim().is_empty());
    match (share_type == view::LINK, share_with) {
        (true, Some(with)) => Err(ToolError::invalid(format!(
            "A public link is for whoever has its URL, so it cannot be made for \"{with}\" alone. \
             Leave share_with out, or choose another share type."
        ))),
        (false, None) => Err(ToolError::invalid(format!(
            "To share with a {kind}, say with which in share_with; a public link is share type 3."
        ))),
        (true, None) | (false, Some(_)) => Ok(share_with),
    }
}

/// A sum of permissions that are there.
fn checked(permissions: u8) -> Result<u8, ToolError> {
    if (view::READ..=view::ALL).contains(&permissions) {
        return Ok(permissions);
    }
    Err(ToolError::invalid(format!(
        "{permissions} is no sum of permissions. Add up what they may do: 1 read, 2 change, 4 \
         create, 8 delete, 16 share on."
    )))
}

const DAY: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

fn day(text: &str) -> Result<&str, ToolError> {
    match Date::parse(text, DAY) {
        Ok(_) => Ok(text),
        Err(error) => Err(ToolError::invalid(format!(
            "The expiry date \"{text}\" is no day. Write it as year, month and day, such as \
             2026-12-31."
        ))
        .because(error)),
    }
}

/// Why something was not shared. Nextcloud answers 404 for the file and for the recipient, and its
/// words are in the user's language, so both are named.
fn not_shared(error: Error, path: &FilePath, with: Option<&str>) -> ToolError {
    if !error.is(StatusCode::NOT_FOUND) {
        return describe(error, &about_path(path));
    }
    let said = words(&error).map_or_else(String::new, |words| {
        format!(" Nextcloud says: \"{words}\".")
    });
    let recipient = with.map_or_else(String::new, |with| {
        format!(", or there is nobody called \"{with}\" to share it with")
    });
    ToolError::not_found(format!(
        "\"{path}\" was not shared: it does not exist{recipient}.{said} Use \
         nc_webdav_find_by_name to find the right path, and ask the user for the exact id of the \
         recipient."
    ))
    .because(error)
}

/// The share, as its list of one.
async fn fetch(client: &Client, share_id: u64) -> Result<Share, ToolError> {
    let request = Request::new(Method::GET, share(share_id));
    let about = about_share(share_id);
    let found: Vec<wire::Share> = client.ocs(request).await.about(&about)?;
    let first = found
        .into_iter()
        .next()
        .ok_or(Error::Malformed("no share in the answer"))
        .about(&about)?;
    Ok(first.into())
}

async fn get(client: Client, arguments: ShareArguments) -> Result<Share, ToolError> {
    fetch(&client, arguments.share_id).await
}

/// Shares returned unless asked otherwise, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 500;

#[derive(Deserialize, JsonSchema)]
struct ListArguments {
    /// Only shares of this file or folder; its path from the root folder.
    #[serde(default)]
    path: Option<String>,
    /// Whether to list what others share with the user, instead of what the user shares.
    #[serde(default)]
    shared_with_me: bool,
    /// How many shares to return at most: 100 unless given, 500 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many shares to skip: the `next_offset` of an earlier answer.
    #[serde(default)]
    offset: usize,
}

/// Shares.
#[derive(Serialize, JsonSchema)]
struct SharePage {
    /// The shares.
    shares: Vec<Share>,
    /// How many there are altogether.
    total: usize,
    /// The offset to go on with: not all of them are in this answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
}

async fn list(client: Client, arguments: ListArguments) -> Result<SharePage, ToolError> {
    let path: Option<FilePath> = match arguments.path.as_deref() {
        None | Some("") => None,
        Some(path) => Some(path.parse()?),
    };
    let mut request = Request::new(Method::GET, shares());
    if let Some(path) = &path {
        request = request.query("path", path.to_string());
    }
    if arguments.shared_with_me {
        request = request.query("shared_with_me", "true");
    }
    let about = path.as_ref().map_or_else(
        || About {
            what: "The list of shares".into(),
            find: "The user should sign in again.",
            app: APP,
        },
        about_path,
    );
    let all: Vec<wire::Share> = client.ocs(request).await.about(&about)?;
    let page = Page::of(all, arguments.offset, arguments.limit, PAGE, MAX_PAGE);
    Ok(SharePage {
        shares: page.items.into_iter().map(Share::from).collect(),
        total: page.total,
        next_offset: page.next_offset,
    })
}

#[derive(Deserialize, JsonSchema)]
struct UpdateArguments {
    /// The share's id.
    share_id: u64,
    /// What they may do from now on, as a sum: 1 read, 2 change, 4 create, 8 delete, 16 share on.
    permissions: u8,
}

async fn update(client: Client, arguments: UpdateArguments) -> Result<Changed, ToolError> {
    let permissions = checked(arguments.permissions)?;
    let sum = permissions.to_string();
    let request =
        Request::new(Method::PUT, share(arguments.share_id)).form([("permissions", sum.as_str())]);
    let about = about_share(arguments.share_id);
    let after: wire::Share = client.ocs(request).await.about(&about)?;
    Ok(Changed::new(after.into(), permissions))
}

/// A share that is no more.
#[derive(Serialize, JsonSchema)]
struct Ended {
    /// What was removed, and what that means.
    removed: String,
    /// The share as it was.
    share: Share,
}

async fn delete(client: Client, arguments: ShareArguments) -> Result<Ended, ToolError> {
    let share_id = arguments.share_id;
    let before = fetch(&client, share_id).await?;
    let request = Request::new(Method::DELETE, share(share_id));
    let _nothing: Value = client.ocs(request).await.about(&about_share(share_id))?;
    Ok(Ended {
        removed: before.ended(),
        share: before,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_has_no_recipient() {
        assert_eq!(recipient(3, None).expect("link"), None);
        assert_eq!(recipient(3, Some("")).expect("link"), None);
        assert_eq!(recipient(0, Some("bob")).expect("user"), Some("bob"));
        for (share_type, with) in [
            (3, Some("bob")),
            (0, None),
            (1, Some(" ")),
            (2, Some("x")),
            (99, None),
        ] {
            assert!(
                recipient(share_type, with).is_err(),
                "{share_type} {with:?}"
            );
        }
    }

    #[test]
    fn permissions_are_a_sum_of_what_there_is() {
        for permissions in [1, 17, 31] {
            assert_eq!(checked(permissions).expect("sum"), permissions);
        }
        for permissions in [0, 32, 255] {
            assert!(checked(permissions).is_err(), "{permissions}");
        }
    }

    #[test]
    fn an_expiry_date_is_a_day() {
        assert!(day("2026-12-31").is_ok());
        for text in [
            "",
            "tomorrow",
            "2026-12-32",
            "31.12.2026",
            "2026-12-31T00:00:00Z",
        ] {
            assert!(day(text).is_err(), "{text}");
        }
    }
}
