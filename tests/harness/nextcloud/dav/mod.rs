//! WebDAV: `/remote.php/dav/` with its collections, and the legacy `/remote.php/webdav/`.
//!
//! Owns authentication, dispatch and the error shape. A collection (files, their trash bin and
//! uploads, principals, calendars, address books) is one module and one line in [`COLLECTIONS`].

pub(super) mod addressbooks;
mod auth;
pub(super) mod calendars;
mod conditions;
mod error;
mod files;
mod principals;
mod properties;
mod root;
mod search;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use serde_json::{Value, json};

use self::error::DavError;
use super::auth::{Identity, Session};
use super::server::{Server, Shared};
use super::text::segments;

/// The largest request body taken, in bytes.
const LARGEST_BODY: usize = 64 << 20;
/// The `DAV` header below `/remote.php/dav/`.
const CLASSES: &str = "1, 3, extended-mkcol, access-control, \
    calendarserver-principal-property-search, nc-paginate, nextcloud-checksum-update, \
    nc-calendar-search, nc-enable-birthday-calendar";
/// The `DAV` header below `/remote.php/webdav/`.
const LEGACY_CLASSES: &str = "1, 3, extended-mkcol, nextcloud-checksum-update";
/// The methods that Sabre announces for everything.
const ALLOW: &str = "OPTIONS, GET, HEAD, DELETE, PROPFIND, PUT, PROPPATCH, COPY, MOVE, REPORT";
/// Where the collections are.
pub(super) const MOUNT: &str = "/remote.php/dav";
/// Where a user's own files are for old clients.
const LEGACY_MOUNT: &str = "/remote.php/webdav";

/// What a collection does with a request.
type Handler = fn(&Server, &DavRequest) -> Result<Response, DavError>;

/// The collections by their first path segment.
const COLLECTIONS: &[(&str, Handler)] = &[
    ("principals", principals::serve),
    ("files", files::serve),
    ("trashbin", files::trash::serve),
    ("uploads", files::uploads::serve),
    ("calendars", calendars::serve),
    ("addressbooks", addressbooks::serve),
];

/// An authenticated WebDAV request.
pub(super) struct DavRequest {
    session: Session,
    method: Method,
    /// Decoded, below the mount; the first one names the collection, but not on the legacy mount.
    path: Vec<String>,
    legacy: bool,
    headers: HeaderMap,
    body: Bytes,
}

impl DavRequest {
    fn classes(&self) -> &'static str {
        match self.path.first().map(String::as_str) {
            _ if self.legacy => LEGACY_CLASSES,
            Some("addressbooks") => addressbooks::CLASSES,
            Some("calendars") => calendars::CLASSES,
            Some("principals") => principals::CLASSES,
            Some(_) | None => CLASSES,
        }
    }
}

pub(super) fn routes() -> Router<Shared> {
    let mut router = Router::new();
    for mount in [MOUNT, LEGACY_MOUNT] {
        router = router
            .route(mount, any(serve))
            .route(&format!("{mount}/"), any(serve))
            .route(&format!("{mount}/{{*path}}"), any(serve));
    }
    router
}

pub(super) fn capabilities(_: &Server) -> Value {
    json!({
        "dav": {"chunking": "1.0", "absence-supported": true, "absence-replacement": true},
        "files": {
            "blacklisted_files": [".htaccess"],
            "forbidden_filenames": [".htaccess"],
            "forbidden_filename_basenames": [],
            "forbidden_filename_characters": ["\\", "/"],
            "forbidden_filename_extensions": [".filepart", ".part"],
            "bigfilechunking": true,
            "chunked_upload": {"max_size": 104_857_600, "max_parallel_count": 5},
            "undelete": true,
            "delete_from_trash": true,
            "windows_compatible_filenames": false,
        },
    })
}

async fn serve(State(server): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let identity = parts
        .extensions
        .get::<Identity>()
        .cloned()
        .unwrap_or(Identity::Anonymous);
    let session = match auth::authenticate(&identity, &parts.headers) {
        Ok(session) => session,
        Err(error) => return error.into_response(),
    };
    let (mount, legacy) = if parts.uri.path().starts_with(LEGACY_MOUNT) {
        (LEGACY_MOUNT, true)
    } else {
        (MOUNT, false)
    };
    let below = parts.uri.path().strip_prefix(mount).unwrap_or_default();
    let (Some(path), Ok(body)) = (segments(below), to_bytes(body, LARGEST_BODY).await) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let request = DavRequest {
        session,
        method: parts.method,
        path,
        legacy,
        headers: parts.headers,
        body,
    };
    dispatch(&server, &request).unwrap_or_else(|error| refusal(&request, error))
}

/// Sabre announces itself before it looks for the resource, so that a refused `PROPFIND` does too.
fn refusal(request: &DavRequest, error: DavError) -> Response {
    let malformed = error.status() == StatusCode::BAD_REQUEST;
    if request.method.as_str() != "PROPFIND" || malformed {
        return error.into_response();
    }
    error
        .header("vary", "Brief,Prefer")
        .header("dav", request.classes())
        .into_response()
}

fn dispatch(server: &Server, request: &DavRequest) -> Result<Response, DavError> {
    if let Some(dots) = request
        .path
        .iter()
        .find(|name| *name == "." || *name == "..")
    {
        return Err(DavError::invalid_path(&format!(
            "\"{dots}\" is not a valid file name"
        )));
    }
    if request.legacy {
        return files::serve(server, request);
    }
    let Some(first) = request.path.first() else {
        return root::serve(server, request);
    };
    let handler = COLLECTIONS
        .iter()
        .find_map(|(name, handler)| (name == first).then_some(*handler))
        .ok_or_else(|| DavError::not_found(&format!("File not found: {first} in 'root'")))?;
    handler(server, request)
}
