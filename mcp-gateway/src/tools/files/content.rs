//! Reading and writing the content of files: text as text, everything else in base64.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{READ, WRITE, about, below_root, no_parent, occupied};
use crate::{
    error::{Describe, ToolError, describe},
    nextcloud::{Answer, Client, Condition, FilePath},
    tools::{Effect, Tool},
};

/// What a media type ends in when `content` is base64.
const BASE64_SUFFIX: &str = ";base64";

pub(super) fn tools() -> [Tool; 2] {
    [
        Tool::new("nc_webdav_read_file", Effect::Read, READ, read).described(
            "Read a file",
            "Returns the content of a file: text as it is, anything else in base64, and the etag \
             that nc_webdav_write_file wants. A file that is too large is cut; go on with offset.",
        )
        .calls(&[
            "GET /remote.php/dav/files/{user}/{path} with Range",
            "PROPFIND /remote.php/dav/files/{user}/{path} when the answer may be that of a folder",
        ]),
        Tool::new("nc_webdav_write_file", Effect::Write, WRITE, write).described(
            "Write a file",
            "Creates a file, or replaces one. Without if_match it only creates: an existing file \
             is never overwritten. To change a file, read it first (nc_webdav_read_file) and pass \
             its etag as if_match. For binary content give base64 and a content_type such as \
             \"image/png;base64\".",
        )
        .calls(&[
            "PUT /remote.php/dav/files/{user}/{path} with If-None-Match or If-Match",
            "MKCOL /remote.php/dav/uploads/{user}/{upload} instead, above 20 MiB",
            "PUT /remote.php/dav/uploads/{user}/{upload}/{number} for each part of 10 MiB",
            "MOVE /remote.php/dav/uploads/{user}/{upload}/.file with Destination, OC-Total-Length, \
             Overwrite, If",
            "DELETE /remote.php/dav/uploads/{user}/{upload} when the upload was given up",
            "PROPFIND /remote.php/dav/files/{user}/{path} when it was refused (412)",
        ]),
    ]
}

#[derive(Deserialize, JsonSchema)]
struct ReadArguments {
    /// The file's path from the root folder, such as "Documents/plan.md".
    path: String,
    /// The byte to start at: the `next_offset` of an earlier answer.
    #[serde(default)]
    offset: u64,
    /// How many bytes to return at most; as many as this server passes on unless given.
    #[serde(default)]
    length: Option<u64>,
    /// What to make of documents such as PDF or DOCX. This server has no document parser: "auto"
    /// and "raw" return them in base64, "markdown" refuses what is not text already.
    #[serde(default)]
    parse_document: ParseDocument,
}

/// How documents are returned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum ParseDocument {
    /// As Markdown where a parser knows them, else as they are.
    #[default]
    Auto,
    /// As Markdown, or not at all.
    Markdown,
    /// As they are.
    Raw,
}

/// The content of a file.
#[derive(Serialize, JsonSchema)]
struct FilePart {
    /// The path.
    path: String,
    /// The content: text, or base64 when encoding says so.
    content: String,
    /// "base64" when the content is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    /// The media type.
    content_type: String,
    /// How many bytes of the file are in this answer.
    size: usize,
    /// The size of the whole file in bytes, if Nextcloud told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_size: Option<u64>,
    /// The version; pass it as `if_match` to change the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// The offset to go on with: the file has more than is in this answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<u64>,
}

async fn read(client: Client, arguments: ReadArguments) -> Result<FilePart, ToolError> {
    let ReadArguments {
        path,
        offset,
        length,
        parse_document,
    } = arguments;
    let path = below_root(&path)?;
    if length == Some(0) {
        return Err(ToolError::invalid(
            "A length of 0 bytes returns nothing: leave it out or give more.",
        ));
    }
    let answer = match client.read(&path, offset, length).await {
        Err(error) if error.is(StatusCode::RANGE_NOT_SATISFIABLE) => {
            return Err(ToolError::invalid(format!(
                "\"{path}\" ends before byte {offset}. Read it from the start to see its size."
            ))
            .because(error));
        }
        answer => answer.about(&about(&path))?,
    };
    let content_type = answer
        .media_type()
        .unwrap_or_else(|| "application/octet-stream".to_owned());
    // A folder answers 200 with an empty page and no version.
    let etag = answer
        .header(header::ETAG)
        .map(|etag| etag.trim_matches('"').to_owned());
    if answer.body.is_empty()
        && etag.is_none()
        && client.entry(&path).await.about(&about(&path))?.is_folder
    {
        return Err(ToolError::invalid(format!(
            "\"{path}\" is a folder. See what is in it with nc_webdav_list_directory."
        )));
    }
    let part = part(&path, &answer, &content_type, etag, offset, length);
    if parse_document == ParseDocument::Markdown && part.encoding.is_some() {
        return Err(ToolError::invalid(format!(
            "\"{path}\" ({content_type}) is not text, and this server has no parser to turn it into \
             Markdown. Leave parse_document out to get it in base64."
        )));
    }
    Ok(part)
}

/// The part of the file that the answer carries, cut between characters if it is text.
fn part(
    path: &FilePath,
    answer: &Answer,
    content_type: &str,
    etag: Option<String>,
    offset: u64,
    length: Option<u64>,
) -> FilePart {
    let is_partial = answer.status == StatusCode::PARTIAL_CONTENT;
    let total_size = if is_partial {
        answer
            .header(header::CONTENT_RANGE)
            .and_then(|range| range.rsplit_once('/')?.1.parse().ok())
    } else {
        answer
            .header(header::CONTENT_LENGTH)
            .and_then(|length| length.parse().ok())
    };
    let mut bytes = answer.body.clone();
    if !is_partial {
        // A server that ignores ranges sends the file from the start.
        let skip = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        bytes = bytes.slice(skip..);
    }
    if let Some(length) = length.and_then(|length| usize::try_from(length).ok()) {
        bytes.truncate(length);
    }
    let end = offset + bytes.len() as u64;
    let has_more = answer.is_cut || total_size.is_some_and(|total| end < total);
    let (content, encoding, size) = match text(&bytes, has_more) {
        Some(text) => (text.to_owned(), None, text.len()),
        None => (BASE64_STANDARD.encode(&bytes), Some("base64"), bytes.len()),
    };
    FilePart {
        path: path.to_string(),
        content,
        encoding,
        content_type: content_type.to_owned(),
        size,
        total_size,
        etag,
        next_offset: has_more.then_some(offset + size as u64),
    }
}

/// The bytes as text; the character at a cut may be torn and belongs to the next part.
fn text(bytes: &Bytes, is_cut: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if is_cut && error.error_len().is_none() && error.valid_up_to() > 0 => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()
        }
        Err(_) => None,
    }
    .filter(|text| !text.contains('\0'))
}

#[derive(Deserialize, JsonSchema)]
struct WriteArguments {
    /// The file's path from the root folder, such as "Documents/plan.md".
    path: String,
    /// The content: text, or base64 when `content_type` ends in `;base64`.
    content: String,
    /// The media type, such as "text/markdown" or "image/png;base64"; "text/plain" unless given.
    #[serde(default)]
    content_type: Option<String>,
    /// The etag of the version that is replaced; leave it out to create a new file.
    #[serde(default)]
    if_match: Option<String>,
}

/// A file as it is now.
#[derive(Serialize, JsonSchema)]
struct Saved {
    /// The path.
    path: String,
    /// Whether the file is new; otherwise one was replaced.
    created: bool,
    /// The size in bytes.
    size: usize,
    /// The new version.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
}

async fn write(client: Client, arguments: WriteArguments) -> Result<Saved, ToolError> {
    let WriteArguments {
        path,
        content,
        content_type,
        if_match,
    } = arguments;
    let path = below_root(&path)?;
    let (content_type, content) = decode(content_type, content)?;
    let size = content.len();
    let condition = if_match.map_or(Condition::Absent, Condition::Unchanged);
    match client.write(&path, content_type, content, &condition).await {
        Ok(written) => Ok(Saved {
            path: path.to_string(),
            created: written.is_new,
            size,
            etag: written.etag,
        }),
        Err(error) if error.is(StatusCode::PRECONDITION_FAILED) => {
            Err(occupied(&client, &path, error).await)
        }
        // Nextcloud says 404 where WebDAV says 409.
        Err(error) if error.is(StatusCode::NOT_FOUND) || error.is(StatusCode::CONFLICT) => {
            Err(no_parent(&path, error))
        }
        Err(error) => Err(describe(error, &about(&path))),
    }
}

fn decode(
    content_type: Option<String>,
    content: String,
) -> Result<(HeaderValue, Bytes), ToolError> {
    let content_type = content_type.unwrap_or_else(|| "text/plain".to_owned());
    let (media_type, bytes) = match content_type.strip_suffix(BASE64_SUFFIX) {
        Some(media_type) => {
            let bytes = BASE64_STANDARD.decode(content.trim()).map_err(|error| {
                ToolError::invalid("The content is not valid base64, as its content_type promises. Encode it again.")
                    .because(error)
            })?;
            (media_type.trim(), Bytes::from(bytes))
        }
        None => (content_type.as_str(), Bytes::from(content)),
    };
    let value = HeaderValue::from_str(media_type).map_err(|error| {
        ToolError::invalid("That is no media type: write it like \"text/markdown\".").because(error)
    })?;
    Ok((value, bytes))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: StatusCode, body: &[u8], headers: &[(header::HeaderName, &str)]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, HeaderValue::from_str(value).expect("value"));
        }
        Answer {
            status,
            headers: map,
            body: Bytes::copy_from_slice(body),
            is_cut: false,
        }
    }

    fn read_part(answer: &Answer, offset: u64, length: Option<u64>) -> FilePart {
        part(
            &FilePath::default(),
            answer,
            "text/plain",
            None,
            offset,
            length,
        )
    }

    #[test]
    fn text_is_never_torn_inside_a_character() {
        let mut cut = answer(
            StatusCode::OK,
            &"aä".as_bytes()[..2],
            &[(header::CONTENT_LENGTH, "3")],
        );
        cut.is_cut = true;
        let part = read_part(&cut, 0, None);
        assert_eq!(
            (part.content.as_str(), part.size, part.next_offset),
            ("a", 1, Some(1))
        );
        assert_eq!(part.encoding, None);
    }

    #[test]
    fn what_is_no_text_is_base64() {
        let part = read_part(&answer(StatusCode::OK, &[0xff, 0x00], &[]), 0, None);
        assert_eq!(
            (part.content.as_str(), part.encoding),
            ("/wA=", Some("base64"))
        );
        assert_eq!(part.next_offset, None);
    }

    #[test]
    fn a_range_and_a_server_without_ranges_give_the_same() {
        let range = answer(
            StatusCode::PARTIAL_CONTENT,
            b"cd",
            &[(header::CONTENT_RANGE, "bytes 2-3/6")],
        );
        let whole = answer(StatusCode::OK, b"abcdef", &[(header::CONTENT_LENGTH, "6")]);
        for answer in [range, whole] {
            let part = read_part(&answer, 2, Some(2));
            assert_eq!(part.content, "cd");
            assert_eq!((part.total_size, part.next_offset), (Some(6), Some(4)));
        }
    }

    #[test]
    fn base64_is_decoded_before_it_is_written() {
        let (value, bytes) =
            decode(Some("image/png;base64".to_owned()), "AAEC\n".to_owned()).expect("decoded");
        assert_eq!(
            (value.to_str().expect("text"), bytes.as_ref()),
            ("image/png", &[0, 1, 2][..])
        );
        assert!(decode(Some("image/png;base64".to_owned()), "???".to_owned()).is_err());
        assert!(decode(Some("text/plain\n".to_owned()), String::new()).is_err());
    }
}
