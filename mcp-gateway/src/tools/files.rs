//! Files and folders over WebDAV: list, read, write, arrange; searching is `search`.
//!
//! Nothing is ever overwritten unseen: a write names the version that it replaces, or the place
//! has to be empty.

mod content;
mod search;

use std::borrow::Cow;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Family, Needs, Tool, page::Page};
use crate::{
    error::{About, Describe, ToolError, describe},
    nextcloud::{Client, Entry, Error, FilePath, Replace, Written},
};

const READ: Needs = Needs::All(&["files.read"]);
const WRITE: Needs = Needs::All(&["files.write"]);

/// The file tools.
pub(super) fn family() -> Family {
    let [read_file, write_file] = content::tools();
    let mut tools =
        vec![
        Tool::new("nc_webdav_list_directory", Effect::Read, READ, list).described(
            "List a folder",
            "Lists the files and folders in a folder, folders first, with sizes, types and etags. \
             Use it to look around; to find something by name anywhere use \
             nc_webdav_find_by_name.",
        )
        .calls(&["PROPFIND /remote.php/dav/files/{user}/{path} with Depth 1"]),
        read_file,
        write_file,
        Tool::new("nc_webdav_create_directory", Effect::WriteIdempotent, WRITE, create_directory)
            .described(
                "Create a folder",
                "Creates one folder; its parent has to exist. It is no error when the folder is \
                 there already.",
            )
            .calls(&[
                "MKCOL /remote.php/dav/files/{user}/{path}",
                "PROPFIND /remote.php/dav/files/{user}/{path} when something is there already",
            ]),
        Tool::new("nc_webdav_delete_resource", Effect::Delete, WRITE, delete).described(
            "Delete a file or folder",
            "Deletes a file, or a folder with everything in it. Usually it goes to the user's trash \
             bin, from where the user can restore it; the answer says whether it did. Use it only \
             when the user asked for it. It is no error when there is nothing at the path.",
        )
        .calls(&[
            "PROPFIND /remote.php/dav/files/{user}/{path}",
            "DELETE /remote.php/dav/files/{user}/{path}",
            "PROPFIND /remote.php/dav/trashbin/{user}/trash/, remembered for ten minutes",
        ]),
        Tool::new("nc_webdav_move_resource", Effect::Write, WRITE, move_resource).described(
            "Move or rename a file or folder",
            "Moves or renames a file or folder. The destination is the full new path, and its \
             folder has to exist. Something at the destination is replaced only with overwrite, \
             and safely only with its etag in if_destination_match.",
        )
        .calls(&[
            "MOVE /remote.php/dav/files/{user}/{source_path} with Destination, Overwrite, If",
            "PROPFIND /remote.php/dav/files/{user}/{destination_path} when it was refused (412)",
        ]),
        Tool::new("nc_webdav_copy_resource", Effect::Write, WRITE, copy_resource).described(
            "Copy a file or folder",
            "Copies a file, or a folder with everything in it. The destination is the full new \
             path, and its folder has to exist. Something at the destination is replaced only with \
             overwrite, and safely only with its etag in if_destination_match.",
        )
        .calls(&[
            "COPY /remote.php/dav/files/{user}/{source_path} with Destination, Overwrite, If",
            "PROPFIND /remote.php/dav/files/{user}/{destination_path} when it was refused (412)",
        ]),
    ];
    tools.extend(search::tools());
    Family {
        tools,
        resources: Vec::new(),
    }
}

/// A file or folder.
#[derive(Debug, Serialize, JsonSchema)]
struct FileEntry {
    /// The path from the root folder; the other tools take it.
    path: String,
    /// The name.
    name: String,
    /// Whether it is a folder.
    is_directory: bool,
    /// The size in bytes; of a folder, of all that is in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The media type; folders have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// When it was last changed (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    last_modified: Option<String>,
    /// The version; writing over it wants it as `if_match`.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// Nextcloud's number of it, which survives moving.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_id: Option<u64>,
    /// Whether the user marked it as a favourite.
    is_favorite: bool,
}

impl From<Entry> for FileEntry {
    fn from(entry: Entry) -> Self {
        Self {
            path: entry.path.to_string(),
            name: entry.path.name().to_owned(),
            is_directory: entry.is_folder,
            size: entry.size,
            content_type: entry.content_type,
            last_modified: entry.modified,
            etag: entry.etag,
            file_id: entry.file_id,
            is_favorite: entry.is_favorite,
        }
    }
}

fn about(path: &FilePath) -> About {
    About {
        what: format!("\"{path}\"").into(),
        find: "Use nc_webdav_list_directory or nc_webdav_find_by_name to find the right path.",
        app: "Files",
    }
}

/// Entries shown unless asked otherwise, and at most.
const PAGE: usize = 200;
const MAX_PAGE: usize = 1000;

#[derive(Deserialize, JsonSchema)]
struct ListArguments {
    /// The folder's path, such as "Documents/Work"; empty for the root folder.
    #[serde(default)]
    path: String,
    /// How many entries to return at most: 200 unless given, 1000 at most.
    #[serde(default)]
    limit: Option<usize>,
    /// How many entries to skip: the `next_offset` of an earlier answer.
    #[serde(default)]
    offset: usize,
}

/// What is in a folder.
#[derive(Serialize, JsonSchema)]
struct Listing {
    /// The folder's path.
    path: String,
    /// Its files and folders, folders first, by name.
    entries: Vec<FileEntry>,
    /// How many there are altogether.
    total: usize,
    /// The offset to go on with: not all entries are in this answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
}

async fn list(client: Client, arguments: ListArguments) -> Result<Listing, ToolError> {
    let path: FilePath = arguments.path.parse()?;
    let mut entries = client.list(&path).await.about(&about(&path))?.into_iter();
    if entries.next().is_some_and(|first| !first.is_folder) {
        return Err(ToolError::invalid(format!(
            "\"{path}\" is a file, not a folder. Read it with nc_webdav_read_file."
        )));
    }
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort_by(|a, b| {
        b.is_folder
            .cmp(&a.is_folder)
            .then_with(|| a.path.name().cmp(b.path.name()))
    });
    let page = Page::of(entries, arguments.offset, arguments.limit, PAGE, MAX_PAGE);
    Ok(Listing {
        path: path.to_string(),
        entries: page.items.into_iter().map(FileEntry::from).collect(),
        total: page.total,
        next_offset: page.next_offset,
    })
}

#[derive(Deserialize, JsonSchema)]
struct PathArguments {
    /// The path from the root folder, such as "Documents/Work".
    path: String,
}

/// A folder that is there now.
#[derive(Serialize, JsonSchema)]
struct Folder {
    /// Its path.
    path: String,
    /// Whether it was created; otherwise it was there already.
    created: bool,
}

async fn create_directory(client: Client, arguments: PathArguments) -> Result<Folder, ToolError> {
    let path = below_root(&arguments.path)?;
    match client.make_folder(&path).await {
        Ok(()) => Ok(Folder {
            path: path.to_string(),
            created: true,
        }),
        Err(error) if error.is(StatusCode::METHOD_NOT_ALLOWED) => {
            let entry = client.entry(&path).await.about(&about(&path))?;
            if !entry.is_folder {
                return Err(ToolError::failed(format!(
                    "There is a file at \"{path}\", so no folder can be made there. Choose another name."
                )));
            }
            Ok(Folder {
                path: path.to_string(),
                created: false,
            })
        }
        Err(error) if error.is(StatusCode::CONFLICT) => Err(no_parent(&path, error)),
        Err(error) => Err(describe(error, &about(&path))),
    }
}

/// What was deleted.
#[derive(Serialize, JsonSchema)]
struct Removed {
    /// The path.
    path: String,
    /// Whether something was deleted; otherwise there was nothing.
    deleted: bool,
    /// What it was, as it was before; there only when something was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<FileEntry>,
    /// Whether it is in the user's trash bin now; absent when that could not be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_trash_bin: Option<bool>,
}

async fn delete(client: Client, arguments: PathArguments) -> Result<Removed, ToolError> {
    let path = below_root(&arguments.path)?;
    let nothing = || Removed {
        path: path.to_string(),
        deleted: false,
        was: None,
        in_trash_bin: None,
    };
    let was = match client.entry(&path).await {
        Ok(entry) => entry,
        Err(error) if error.is(StatusCode::NOT_FOUND) => return Ok(nothing()),
        Err(error) => return Err(describe(error, &about(&path))),
    };
    match client.delete(&path).await {
        Ok(()) => Ok(Removed {
            deleted: true,
            was: Some(was.into()),
            in_trash_bin: client.has_trash_bin().await,
            ..nothing()
        }),
        Err(error) if error.is(StatusCode::NOT_FOUND) => Ok(nothing()),
        Err(error) => Err(describe(error, &about(&path))),
    }
}

#[derive(Deserialize, JsonSchema)]
struct TransferArguments {
    /// The path of what is there, from the root folder.
    source_path: String,
    /// The full path that it gets, from the root folder.
    destination_path: String,
    /// Whether something at the destination is replaced.
    #[serde(default)]
    overwrite: bool,
    /// The etag that the thing at the destination must have to be replaced; implies overwrite.
    #[serde(default)]
    if_destination_match: Option<String>,
}

/// Where it is now.
#[derive(Serialize, JsonSchema)]
struct Transferred {
    /// Where it was or still is.
    source_path: String,
    /// Where it is now.
    destination_path: String,
    /// Whether something at the destination was replaced.
    replaced: bool,
    /// The version at the destination, if Nextcloud told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
}

async fn move_resource(
    client: Client,
    arguments: TransferArguments,
) -> Result<Transferred, ToolError> {
    let (from, to) = places(&arguments)?;
    let moved = client.move_to(&from, &to, replace(&arguments)).await;
    transferred(&client, &from, &to, moved).await
}

async fn copy_resource(
    client: Client,
    arguments: TransferArguments,
) -> Result<Transferred, ToolError> {
    let (from, to) = places(&arguments)?;
    let copied = client.copy_to(&from, &to, replace(&arguments)).await;
    transferred(&client, &from, &to, copied).await
}

fn places(arguments: &TransferArguments) -> Result<(FilePath, FilePath), ToolError> {
    Ok((
        below_root(&arguments.source_path)?,
        below_root(&arguments.destination_path)?,
    ))
}

fn replace(arguments: &TransferArguments) -> Replace<'_> {
    match &arguments.if_destination_match {
        Some(etag) => Replace::Unchanged(etag),
        None if arguments.overwrite => Replace::Any,
        None => Replace::Never,
    }
}

async fn transferred(
    client: &Client,
    from: &FilePath,
    to: &FilePath,
    outcome: Result<Written, Error>,
) -> Result<Transferred, ToolError> {
    match outcome {
        Ok(written) => Ok(Transferred {
            source_path: from.to_string(),
            destination_path: to.to_string(),
            replaced: !written.is_new,
            etag: written.etag,
        }),
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => {
            Err(occupied(client, to, error).await)
        }
        Err(error) if error.is(StatusCode::CONFLICT) => Err(no_parent(to, error)),
        Err(error) => Err(describe(error, &about(from))),
    }
}

/// Something else is at the place, or another version: says which, so that the model can decide.
async fn occupied(client: &Client, path: &FilePath, error: Error) -> ToolError {
    let Ok(entry) = client.entry(path).await else {
        return describe(error, &about(path));
    };
    ToolError::failed(format!(
        "There is something at \"{path}\" that your call did not name, so nothing was changed. What \
         is there follows: choose another path, or look at it and pass its etag to replace it."
    ))
    .attach(&FileEntry::from(entry))
    .because(error)
}

fn no_parent(path: &FilePath, error: Error) -> ToolError {
    ToolError::not_found(format!(
        "The folder \"{}\" does not exist, so \"{path}\" cannot be put there. Create it first with \
         nc_webdav_create_directory.",
        path.parent()
    ))
    .because(error)
}

/// A path that is not the root folder, which can be neither written nor removed.
fn below_root(text: &str) -> Result<FilePath, ToolError> {
    let path: FilePath = text.parse()?;
    if path.is_root() {
        let sentence: Cow<'static, str> =
            "That is the root folder, which has to stay as it is. Give the path of something in it.".into();
        return Err(ToolError::invalid(sentence));
    }
    Ok(path)
}
