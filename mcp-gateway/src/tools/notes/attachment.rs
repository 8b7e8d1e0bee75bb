//! The attachments of a note: files in `.attachments.{id}` beside the note's own file.

use base64::{Engine, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Note, READ, about, fetch, note_id};
use crate::{
    error::{About, Describe, ToolError},
    nextcloud::{Client, FilePath, PathError, Replace},
    tools::{Contents, Effect, Resource, Tool, Variables},
};

const CALLS: &[&str] = &[
    "GET /index.php/apps/notes/api/v1/notes/{note_id}",
    "GET /remote.php/dav/files/{user}/{folder of the note}/.attachments.{note_id}/{attachment_filename}",
];

/// The tool and the resource.
pub(super) fn entries() -> (Tool, Resource) {
    let tool = Tool::new("nc_notes_get_attachment", Effect::Read, READ, get)
        .described(
            "Read an attachment of a note",
            "Returns a file that is attached to a note, such as an image that the note's text \
         refers to as .attachments.<id>/<name>, in base64 with its media type.",
        )
        .calls(CALLS);
    let resource = Resource::new(
        "nc://Notes/{note_id}/attachments/{attachment_filename}",
        "note_attachment",
        READ,
        read,
    )
    .described(
        "An attachment of a note",
        "A file that is attached to a note.",
        None,
    )
    .calls(CALLS);
    (tool, resource)
}

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    /// The note's id.
    note_id: u64,
    /// The file's name, as the note's text refers to it.
    attachment_filename: String,
}

/// A file that is attached to a note.
#[derive(Serialize, JsonSchema)]
struct Attachment {
    /// The URI of the same as a resource.
    uri: String,
    /// The media type.
    mime_type: String,
    /// The size in bytes.
    size: usize,
    /// The content in base64.
    data: String,
}

async fn get(client: Client, arguments: Arguments) -> Result<Attachment, ToolError> {
    let Arguments {
        note_id,
        attachment_filename,
    } = arguments;
    let (mime_type, data, size) = load(&client, note_id, &attachment_filename).await?;
    let name = percent_encoding::utf8_percent_encode(
        &attachment_filename,
        percent_encoding::NON_ALPHANUMERIC,
    );
    let uri = format!("nc://Notes/{note_id}/attachments/{name}");
    Ok(Attachment {
        uri,
        mime_type,
        size,
        data,
    })
}

async fn read(client: Client, variables: Variables) -> Result<Contents, ToolError> {
    let note_id = note_id(&variables)?;
    let (mime_type, base64, _) =
        load(&client, note_id, variables.get("attachment_filename")).await?;
    Ok(Contents::Blob { mime_type, base64 })
}

async fn load(
    client: &Client,
    note_id: u64,
    name: &str,
) -> Result<(String, String, usize), ToolError> {
    let note = fetch(client, note_id).await?;
    let path = folder(&note)?.child(name).map_err(|_| {
        ToolError::invalid("The name of an attachment is the name of one file, without a folder.")
    })?;
    let about = About {
        what: format!("The attachment \"{name}\" of note {note_id}").into(),
        find: "Read the note: its text names its attachments.",
        ..about(note_id)
    };
    let answer = client.read(&path, 0, None).await.about(&about)?;
    if answer.is_cut {
        return Err(ToolError::failed(format!(
            "The attachment \"{name}\" is larger than the {} KiB that this server passes on. The \
             user can open it in Nextcloud.",
            client.read_limit() / 1024
        )));
    }
    let mime_type = answer
        .media_type()
        .unwrap_or_else(|| "application/octet-stream".to_owned());
    Ok((
        mime_type,
        BASE64_STANDARD.encode(&answer.body),
        answer.body.len(),
    ))
}

/// Where the attachments of a note are: beside its file, whatever its category is.
fn folder(note: &Note) -> Result<FilePath, PathError> {
    let file: FilePath = if note.path.is_empty() {
        // Versions of the Notes app that do not tell the path use the default folder.
        format!("Notes/{}/{}", note.category, note.id).parse()?
    } else {
        note.path.parse()?
    };
    file.parent().child(&format!(".attachments.{}", note.id))
}

/// Moves the attachments along when a note changed its folder: its text refers to them by a
/// relative path. That the note has none, or that Nextcloud moved them itself, is the usual case.
pub(super) async fn follow(client: &Client, before: &Note, after: &Note) {
    let (Ok(from), Ok(to)) = (folder(before), folder(after)) else {
        return;
    };
    if from != to
        && let Err(error) = client.move_to(&from, &to, Replace::Never).await
        && error.status() != Some(http::StatusCode::NOT_FOUND)
    {
        tracing::warn!(note = after.id, %error, "the attachments did not follow their note");
    }
}

/// Deletes the attachments of a deleted note; whether there were any.
pub(super) async fn delete(client: &Client, gone: &Note) -> bool {
    let Ok(folder) = folder(gone) else {
        return false;
    };
    client.delete(&folder).await.is_ok()
}
