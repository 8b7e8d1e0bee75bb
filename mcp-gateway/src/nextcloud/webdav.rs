//! Files over WebDAV: listing, reading, conditional writing.
//!
//! Owns the DAV verbs for files and what their answers carry. The sentences for the model and the
//! tools' parameters are made in `tools::files`, searching is `search`'s matter.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    client::Client,
    dav::{self, bare, method, quoted, value},
    error::Error,
    path::{FilePath, Route},
    request::{Answer, Request},
    upload,
    xml::{DAV, OWNCLOUD, Response},
};

/// The properties of every entry, as PROPFIND and SEARCH ask for them.
pub(super) const PROPERTIES: [&str; 8] = [
    "d:getcontentlength",
    "d:getcontenttype",
    "d:getlastmodified",
    "d:getetag",
    "d:resourcetype",
    "oc:fileid",
    "oc:size",
    "oc:favorite",
];

pub(super) const DESTINATION: HeaderName = HeaderName::from_static("destination");
pub(super) const OVERWRITE: HeaderName = HeaderName::from_static("overwrite");
pub(super) const IF: HeaderName = HeaderName::from_static("if");
const OC_ETAG: HeaderName = HeaderName::from_static("oc-etag");

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is in the user's tree.
    pub path: FilePath,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its size in bytes; of a folder, of all that is in it.
    pub size: Option<u64>,
    /// Its media type; folders have none.
    pub content_type: Option<String>,
    /// When it was last changed, RFC 3339.
    pub modified: Option<String>,
    /// Its version, without quotes.
    pub etag: Option<String>,
    /// Nextcloud's number of it, which survives moving.
    pub file_id: Option<u64>,
    /// Whether the user marked it as a favourite.
    pub is_favorite: bool,
}

/// What has to be true for a write to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// There is nothing at the place yet.
    Absent,
    /// What is there still has this version.
    Unchanged(String),
}

impl Condition {
    /// The request, to be refused with 412 when the condition does not hold (RFC 9110 §13.1).
    pub(super) fn demand(&self, request: Request) -> Result<Request, Error> {
        Ok(match self {
            Self::Absent => request.header(header::IF_NONE_MATCH, HeaderValue::from_static("*")),
            Self::Unchanged(etag) => request.header(header::IF_MATCH, value(&quoted(etag))?),
        })
    }
}

/// What a write left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Whether something new came into being; otherwise something was replaced.
    pub is_new: bool,
    /// The version now, without quotes.
    pub etag: Option<String>,
}

impl Client {
    /// What is at `path`.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is nothing.
    pub async fn entry(&self, path: &FilePath) -> Result<Entry, Error> {
        let entries = self.propfind(path, "0").await?;
        entries
            .into_iter()
            .next()
            .ok_or(Error::Malformed("no entry"))
    }

    /// What is at `path` and, if it is a folder, directly in it; the folder itself comes first.
    ///
    /// # Errors
    ///
    /// As [`Client::entry`].
    pub async fn list(&self, path: &FilePath) -> Result<Vec<Entry>, Error> {
        let mut entries = self.propfind(path, "1").await?;
        // By name, not by place: nothing promises that the folder is first.
        entries.sort_by_key(|entry| entry.path != *path);
        Ok(entries)
    }

    /// The content of a file from byte `offset` on, at most `length` bytes of it.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 416 when `offset` is beyond the end.
    pub async fn read(
        &self,
        path: &FilePath,
        offset: u64,
        length: Option<u64>,
    ) -> Result<Answer, Error> {
        let mut request = Request::new(Method::GET, self.file(path).await?).may_be_cut();
        if offset > 0 || length.is_some() {
            let end = length.map_or_else(String::new, |length| {
                offset.saturating_add(length).saturating_sub(1).to_string()
            });
            request = request.header(header::RANGE, value(&format!("bytes={offset}-{end}"))?);
        }
        self.send(&request).await
    }

    /// Writes a file under a condition; a large one in parts, with progress.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 412 when the condition does not hold, with 404 or 409
    /// when the folder does not exist.
    pub async fn write(
        &self,
        path: &FilePath,
        content_type: HeaderValue,
        content: Bytes,
        condition: &Condition,
    ) -> Result<Written, Error> {
        if upload::is_large(&content) {
            // Nextcloud goes by the name of a file, not by the type it was sent as.
            return self.upload(path, &content, condition).await;
        }
        let request = Request::new(Method::PUT, self.file(path).await?).body(content_type, content);
        let request = condition.demand(request)?;
        self.send(&request).await.map(|answer| written(&answer))
    }

    /// Makes a folder.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 405 when something is there already, with 409 when the
    /// parent does not exist.
    pub async fn make_folder(&self, path: &FilePath) -> Result<(), Error> {
        let request = Request::new(method(b"MKCOL")?, self.file(path).await?);
        self.send(&request).await.map(drop)
    }

    /// Deletes a file, or a folder with all that is in it.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; a refusal with 404 when there is nothing.
    pub async fn delete(&self, path: &FilePath) -> Result<(), Error> {
        let request = Request::new(Method::DELETE, self.file(path).await?);
        self.send(&request).await.map(drop)
    }

    /// Whether what the user deletes goes to a trash bin; `None` when that cannot be found out now.
    pub async fn has_trash_bin(&self) -> Option<bool> {
        let known = &self.transport().trash_bins;
        if let Some(has_one) = known.get(self.account()).await {
            return Some(has_one);
        }
        let user = self.user_id().await.ok()?;
        let bin = Route::dav(["trashbin", user.as_ref(), "trash"]).collection();
        let request = dav::propfind(bin, "0", &["d:resourcetype"]).ok()?;
        let has_one = match self.multistatus(&request).await {
            Ok(_) => true,
            Err(error) if error.is(StatusCode::NOT_FOUND) => false,
            Err(_) => return None,
        };
        known.insert(self.account().to_owned(), has_one).await;
        Some(has_one)
    }

    /// Moves a file or folder; `replace` says what may happen to one at the destination.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; 404 without a source, 409 without the destination's folder, 412 when
    /// the destination is not as `replace` demands.
    pub async fn move_to(
        &self,
        from: &FilePath,
        to: &FilePath,
        replace: Replace<'_>,
    ) -> Result<Written, Error> {
        self.transfer(b"MOVE", from, to, replace).await
    }

    /// Copies a file or folder; otherwise as [`Client::move_to`].
    ///
    /// # Errors
    ///
    /// As [`Client::move_to`].
    pub async fn copy_to(
        &self,
        from: &FilePath,
        to: &FilePath,
        replace: Replace<'_>,
    ) -> Result<Written, Error> {
        self.transfer(b"COPY", from, to, replace).await
    }

    async fn transfer(
        &self,
        verb: &'static [u8],
        from: &FilePath,
        to: &FilePath,
        replace: Replace<'_>,
    ) -> Result<Written, Error> {
        let destination = self.url(&self.file(to).await?);
        let overwrite = if matches!(replace, Replace::Never) {
            "F"
        } else {
            "T"
        };
        let mut request = Request::new(method(verb)?, self.file(from).await?)
            .header(DESTINATION, value(&destination)?)
            .header(OVERWRITE, HeaderValue::from_static(overwrite));
        if let Replace::Unchanged(etag) = replace {
            // A tagged list (RFC 4918 §10.4.3): the condition is about the destination.
            request = request.header(IF, value(&format!("<{destination}> ([{}])", quoted(etag)))?);
        }
        self.send(&request).await.map(|answer| written(&answer))
    }

    async fn propfind(&self, path: &FilePath, depth: &'static str) -> Result<Vec<Entry>, Error> {
        let user = self.user_id().await?;
        let request = dav::propfind(self.file(path).await?, depth, &PROPERTIES)?;
        let responses = self.multistatus(&request).await?;
        Ok(responses
            .iter()
            .filter_map(|response| entry(response, &user))
            .collect())
    }

    pub(super) async fn file(&self, path: &FilePath) -> Result<Route, Error> {
        let user = self.user_id().await?;
        Ok(Route::dav(["files", user.as_ref()]).join(path.segments()))
    }
}

/// What may happen to a file at the destination of a move or copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace<'a> {
    /// Nothing: the call fails.
    Never,
    /// It is replaced.
    Any,
    /// It is replaced if it still has this version.
    Unchanged(&'a str),
}

pub(super) fn written(answer: &Answer) -> Written {
    let etag = answer
        .header(OC_ETAG)
        .or_else(|| answer.header(header::ETAG));
    Written {
        is_new: answer.status == StatusCode::CREATED,
        etag: etag.map(|etag| bare(etag).to_owned()),
    }
}

pub(super) fn entry(response: &Response, user: &str) -> Option<Entry> {
    let is_folder = response
        .property(DAV, "resourcetype")
        .is_some_and(|kind| kind.children.iter().any(|child| child == "collection"));
    let number = |namespace, name| {
        response
            .text(namespace, name)
            .and_then(|text| text.parse().ok())
    };
    Some(Entry {
        path: FilePath::from_href(&response.href, user)?,
        is_folder,
        size: number(DAV, "getcontentlength").or_else(|| number(OWNCLOUD, "size")),
        content_type: response.text(DAV, "getcontenttype").map(str::to_owned),
        modified: response.text(DAV, "getlastmodified").map(dav::rfc3339),
        etag: response
            .text(DAV, "getetag")
            .map(|etag| bare(etag).to_owned()),
        file_id: number(OWNCLOUD, "fileid"),
        is_favorite: response.text(OWNCLOUD, "favorite") == Some("1"),
    })
}
