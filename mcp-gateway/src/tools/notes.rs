//! Notes: create, read, search, change, delete, and the attachments beside them.
//!
//! The Notes app keeps a note as a file in its category's folder, and attachments in a folder
//! `.attachments.{id}` beside it; where that is, only the note itself can tell.

mod attachment;
mod search;

use std::borrow::Cow;

use http::{HeaderValue, Method, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Contents, Effect, Family, Needs, Resource, Tool, Variables};
use crate::{
    error::{About, Describe, ToolError, describe},
    nextcloud::{Client, Error, Request, Route, quoted},
};

const READ: Needs = Needs::All(&["notes.read"]);
const WRITE: Needs = Needs::All(&["notes.write"]);

/// The Notes tools and resources.
pub(super) fn family() -> Family {
    let (attachment_tool, attachment_resource) = attachment::entries();
    Family {
        tools: vec![
            Tool::new("nc_notes_create_note", Effect::Write, WRITE, create).described(
                "Create a note",
                "Creates a note in the Notes app. Use it when the user wants something written \
                 down as a new note; to add to an existing note use nc_notes_append_content.",
            )
            .calls(&["POST /index.php/apps/notes/api/v1/notes"]),
            Tool::new("nc_notes_update_note", Effect::Write, WRITE, update).described(
                "Change a note",
                "Replaces the title, content or category of a note. Read the note first \
                 (nc_notes_get_note) and pass its etag, so that nobody's change is lost. Only the \
                 fields you give are changed; an empty text clears a field.",
            )
            .calls(&["GET /index.php/apps/notes/api/v1/notes/{note_id} when category is given", "PUT /index.php/apps/notes/api/v1/notes/{note_id} with If-Match", "MOVE /remote.php/dav/files/{user}/{folder of the note}/.attachments.{note_id} when the folder changed"]),
            Tool::new("nc_notes_append_content", Effect::Write, WRITE, append).described(
                "Append to a note",
                "Adds text at the end of a note, after a line of three dashes. Use it for logs and \
                 lists that grow: it needs no etag and does not disturb what is there.",
            )
            .calls(&["GET /index.php/apps/notes/api/v1/notes/{note_id}", "PUT /index.php/apps/notes/api/v1/notes/{note_id} with If-Match, again on a newer version"]),
            search::tool(),
            Tool::new("nc_notes_get_note", Effect::Read, READ, get).described(
                "Read a note",
                "Returns one note with its full content and its etag. Use nc_notes_search_notes to \
                 find the id.",
            )
            .calls(&["GET /index.php/apps/notes/api/v1/notes/{note_id}"]),
            attachment_tool,
            Tool::new("nc_notes_delete_note", Effect::Delete, WRITE, delete).described(
                "Delete a note",
                "Deletes a note and its attachments. Usually they go to the user's trash bin, from \
                 where the user can restore them; the answer says whether they did. Use it only \
                 when the user asked for it.",
            )
            .calls(&["GET /index.php/apps/notes/api/v1/notes/{note_id}", "DELETE /index.php/apps/notes/api/v1/notes/{note_id}", "DELETE /remote.php/dav/files/{user}/{folder of the note}/.attachments.{note_id}", "PROPFIND /remote.php/dav/trashbin/{user}/trash/, remembered for ten minutes"]),
        ],
        resources: vec![
            Resource::new("notes://settings", "notes_settings", READ, read_settings).described(
                "Notes settings",
                "Where the Notes app keeps its files, and how.",
                Some("application/json"),
            )
            .calls(&["GET /index.php/apps/notes/api/v1/settings"]),
            Resource::new("nc://Notes/{note_id}", "note", READ, read_note).described(
                "A note",
                "One note with its full content.",
                Some("application/json"),
            )
            .calls(&["GET /index.php/apps/notes/api/v1/notes/{note_id}"]),
            attachment_resource,
        ],
    }
}

/// A note.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Note {
    /// The note's id.
    id: u64,
    /// The title.
    title: String,
    /// The text, in Markdown.
    #[serde(default)]
    content: String,
    /// The category, a folder such as "Work/Projects"; empty when it has none.
    #[serde(default)]
    category: String,
    /// When it was last changed, in seconds since 1970.
    #[serde(default)]
    modified: i64,
    /// Whether the user marked it as a favourite.
    #[serde(default)]
    favorite: bool,
    /// Whether it can only be read.
    #[serde(default)]
    readonly: bool,
    /// The version; `nc_notes_update_note` wants it.
    #[serde(default)]
    etag: String,
    /// Where the file is, from the root folder.
    #[serde(
        default,
        rename(deserialize = "internalPath"),
        skip_serializing_if = "String::is_empty"
    )]
    path: String,
}

#[derive(Deserialize, JsonSchema)]
struct CreateArguments {
    /// The title.
    title: String,
    /// The text, in Markdown.
    content: String,
    /// The category, a folder such as "Work/Projects"; empty for none.
    #[serde(default)]
    category: String,
}

#[derive(Deserialize, JsonSchema)]
struct NoteArguments {
    /// The note's id.
    note_id: u64,
}

#[derive(Deserialize, JsonSchema)]
struct UpdateArguments {
    /// The note's id.
    note_id: u64,
    /// The etag of the version that you read.
    etag: String,
    /// The new title; leave it out to keep the old one.
    #[serde(default)]
    title: Option<String>,
    /// The new text, in Markdown; leave it out to keep the old one.
    #[serde(default)]
    content: Option<String>,
    /// The new category; empty for none, leave it out to keep the old one.
    #[serde(default)]
    category: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct AppendArguments {
    /// The note's id.
    note_id: u64,
    /// The text to add, in Markdown.
    content: String,
}

/// A deleted note.
#[derive(Serialize, JsonSchema)]
struct GoneNote {
    /// The id of the note that is gone.
    note_id: u64,
    /// Its title was.
    title: String,
    /// Whether it had attachments, which are gone too.
    attachments_deleted: bool,
    /// Whether they are in the user's trash bin now; absent when that could not be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_trash_bin: Option<bool>,
}

/// What is sent to the Notes app: the fields that are there, empty ones included.
#[derive(Serialize)]
struct Fields<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
}

const NOTES: About = About {
    what: Cow::Borrowed("The list of notes"),
    find: "Use nc_notes_search_notes to find notes.",
    app: "Notes",
};

fn about(note_id: u64) -> About {
    About {
        what: format!("Note {note_id}").into(),
        find: "Use nc_notes_search_notes to find the right id.",
        app: "Notes",
    }
}

fn notes() -> Route {
    Route::app("notes", ["api", "v1", "notes"])
}

fn note(note_id: u64) -> Route {
    notes().join([note_id.to_string().as_str()])
}

async fn fetch(client: &Client, note_id: u64) -> Result<Note, ToolError> {
    client
        .json(&Request::new(Method::GET, note(note_id)))
        .await
        .about(&about(note_id))
}

async fn create(client: Client, arguments: CreateArguments) -> Result<Note, ToolError> {
    let fields = Fields {
        title: Some(&arguments.title),
        content: Some(&arguments.content),
        category: Some(&arguments.category),
    };
    let about = About {
        what: "The new note".into(),
        ..NOTES
    };
    let request = Request::new(Method::POST, notes())
        .json(&fields)
        .about(&about)?;
    client.json(&request).await.about(&about)
}

async fn get(client: Client, arguments: NoteArguments) -> Result<Note, ToolError> {
    fetch(&client, arguments.note_id).await
}

async fn update(client: Client, arguments: UpdateArguments) -> Result<Note, ToolError> {
    let UpdateArguments {
        note_id,
        etag,
        title,
        content,
        category,
    } = &arguments;
    if title.is_none() && content.is_none() && category.is_none() {
        return Err(ToolError::invalid(
            "There is nothing to change: give title, content or category, or leave the note as it is.",
        ));
    }
    let before = match category {
        Some(_) => Some(fetch(&client, *note_id).await?),
        None => None,
    };
    let fields = Fields {
        title: title.as_deref(),
        content: content.as_deref(),
        category: category.as_deref(),
    };
    let after = match put(&client, *note_id, etag, &fields).await? {
        Put::Done(after) => after,
        Put::Conflict(current) => return Err(conflict(*note_id, &current)),
    };
    if let Some(before) = before {
        attachment::follow(&client, &before, &after).await;
    }
    Ok(after)
}

/// How often appending starts again on a newer version.
const APPEND_ATTEMPTS: usize = 3;

async fn append(client: Client, arguments: AppendArguments) -> Result<Note, ToolError> {
    let AppendArguments { note_id, content } = arguments;
    let mut current = fetch(&client, note_id).await?;
    for _ in 0..APPEND_ATTEMPTS {
        let content = if current.content.is_empty() {
            Cow::Borrowed(&content)
        } else {
            Cow::Owned(format!("{}\n---\n{content}", current.content))
        };
        let fields = Fields {
            title: None,
            content: Some(&content),
            category: None,
        };
        match put(&client, note_id, &current.etag, &fields).await? {
            Put::Done(after) => return Ok(after),
            // Appending holds on any version, so it simply goes on from the newer one.
            Put::Conflict(newer) => current = newer,
        }
    }
    Err(conflict(note_id, &current))
}

async fn delete(client: Client, arguments: NoteArguments) -> Result<GoneNote, ToolError> {
    let NoteArguments { note_id } = arguments;
    let gone = fetch(&client, note_id).await?;
    let request = Request::new(Method::DELETE, note(note_id));
    client.send(&request).await.about(&about(note_id))?;
    let attachments_deleted = attachment::delete(&client, &gone).await;
    Ok(GoneNote {
        note_id,
        title: gone.title,
        attachments_deleted,
        in_trash_bin: client.has_trash_bin().await,
    })
}

enum Put {
    Done(Note),
    /// The version was another one; this is the current.
    Conflict(Note),
}

/// Writes a note if it still has the version `etag`.
async fn put(
    client: &Client,
    note_id: u64,
    etag: &str,
    fields: &Fields<'_>,
) -> Result<Put, ToolError> {
    let about = about(note_id);
    let etag = HeaderValue::from_str(&quoted(etag)).map_err(|error| {
        ToolError::invalid("That is no etag: pass the one that nc_notes_get_note returned.")
            .because(error)
    })?;
    let request = Request::new(Method::PUT, note(note_id))
        .header(header::IF_MATCH, etag)
        .json(fields)
        .about(&about)?;
    match client.json(&request).await {
        Ok(after) => Ok(Put::Done(after)),
        // The Notes app sends the current note along with the refusal.
        Err(Error::Refused(answer)) if answer.status == StatusCode::PRECONDITION_FAILED => {
            match answer.json() {
                Ok(current) => Ok(Put::Conflict(current)),
                Err(_) => Ok(Put::Conflict(fetch(client, note_id).await?)),
            }
        }
        Err(error) => Err(describe(error, &about)),
    }
}

fn conflict(note_id: u64, current: &Note) -> ToolError {
    ToolError::failed(format!(
        "Note {note_id} was changed since you read it, so nothing was written. The current version \
         follows: repeat your change on it and pass its etag."
    ))
    .attach(current)
}

async fn read_settings(client: Client, _: Variables) -> Result<Contents, ToolError> {
    let request = Request::new(Method::GET, Route::app("notes", ["api", "v1", "settings"]));
    let settings: serde_json::Value = client.json(&request).await.about(&NOTES)?;
    Contents::json(&settings)
}

async fn read_note(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    Contents::json(&fetch(&client, note_id(&variables)?).await?)
}

fn note_id(variables: &Variables) -> Result<u64, ToolError> {
    variables.get("note_id").parse().map_err(|_| {
        ToolError::not_found("The id of a note is a number. Use nc_notes_search_notes to find it.")
    })
}
