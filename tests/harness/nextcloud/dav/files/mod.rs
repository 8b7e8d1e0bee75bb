//! `/remote.php/dav/files/{uid}/` and `/remote.php/webdav/`: a user's files; their trash bin
//! ([`trash`]) and uploads in parts ([`uploads`]) are collections of their own.
//!
//! Only one's own home has content. Another user's is an empty collection in which nothing can be
//! made, as on the real server: 207 without an entity tag, 404 below, 403 for writing.

mod properties;
mod proppatch;
mod read;
mod reports;
mod transfer;
pub(super) mod trash;
pub(super) mod uploads;
mod write;

use axum::http::StatusCode;
use axum::response::Response;

pub(super) use self::properties::{All, Asked, search_property};
use super::super::server::{Server, Store};
use super::super::text::{encode_segment, segments};
use super::super::tree::Tree;
use super::conditions::{self, Current};
use super::error::DavError;
use super::properties::{Depth, depth, options, propfind_answer, wanted};
use super::{ALLOW, DavRequest, LEGACY_MOUNT, MOUNT, root};

/// A request to a home of one's own.
struct FilesRequest<'a> {
    server: &'a Server,
    dav: &'a DavRequest,
    uid: &'a str,
    path: &'a [String],
}

impl FilesRequest<'_> {
    fn href(&self, path: &[String], folder: bool) -> String {
        href(self.uid, self.dav.legacy, path, folder)
    }
}

/// The address of a node, with a slash at the end for a folder.
pub(super) fn href(uid: &str, legacy: bool, path: &[String], folder: bool) -> String {
    let mut href = if legacy {
        LEGACY_MOUNT.to_owned()
    } else {
        format!("{MOUNT}/files/{}", encode_segment(uid))
    };
    for segment in path {
        href.push('/');
        href.push_str(&encode_segment(segment));
    }
    if folder {
        href.push('/');
    }
    href
}

pub(super) fn serve(server: &Server, dav: &DavRequest) -> Result<Response, DavError> {
    let caller = dav.session.uid.as_str();
    let (owner, path) = if dav.legacy {
        (caller, dav.path.as_slice())
    } else {
        match dav.path.get(1..).unwrap_or_default() {
            [] => return above_homes(dav),
            [owner, path @ ..] => (owner.as_str(), path),
        }
    };
    if owner != caller {
        return foreign_home(server, dav, owner, path);
    }
    let request = FilesRequest {
        server,
        dav,
        uid: caller,
        path,
    };
    if let Some(answer) = check_conditions(&request)? {
        return Ok(answer);
    }
    match dav.method.as_str() {
        "PROPFIND" => properties::propfind(&request),
        "PROPPATCH" => proppatch::serve(&request),
        "GET" | "HEAD" => read::serve(&request),
        "PUT" => write::put(&request),
        "MKCOL" => write::mkcol(&request),
        "DELETE" => write::delete(&request),
        "COPY" => transfer::copy(&request),
        "MOVE" => transfer::rename(&request),
        "REPORT" => reports::serve(&request),
        "OPTIONS" => Ok(options(dav, ALLOW)),
        // The checksum plug-in takes every PATCH for its own.
        "PATCH" => Err(DavError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ValueError",
            "hash_file(): Argument #1 ($algo) must be a valid hashing algorithm",
        )),
        other => Err(DavError::not_implemented(other)),
    }
}

fn check_conditions(request: &FilesRequest<'_>) -> Result<Option<Response>, DavError> {
    let etag_of = |path: &[String]| {
        request.server.store(|store| {
            let node = store.files(request.uid).0.get(path)?;
            (!node.is_folder()).then(|| node.etag.clone())
        })
    };
    let current = request.server.store(|store| {
        let node = store.files(request.uid).0.get(request.path)?;
        Some(Current {
            etag: node.etag.clone(),
            modified: node.modified,
        })
    });
    conditions::check(
        &request.dav.method,
        &request.dav.headers,
        current.as_ref(),
        |address| match address {
            None => etag_of(request.path),
            Some(address) => etag_of(&own_path(request, address)?),
        },
    )
}

/// The path of an address inside the caller's own home.
fn own_path(request: &FilesRequest<'_>, address: &str) -> Option<Vec<String>> {
    match place_of(request.dav, address) {
        Ok(Place::Own(path)) => Some(path),
        Ok(Place::Foreign(..)) | Err(_) => None,
    }
}

/// Where an address in a header points.
enum Place {
    /// Into the caller's home.
    Own(Vec<String>),
    /// Into the home of somebody else.
    Foreign(Vec<String>),
}

/// Resolves `Destination` and the like; scheme and host are not looked at.
fn place_of(dav: &DavRequest, address: &str) -> Result<Place, DavError> {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|slash| rest.get(slash..)),
        None => Some(address),
    };
    let outside = || {
        DavError::forbidden(&format!(
            "Requested uri ({address}) is out of base uri ({MOUNT}/)"
        ))
    };
    let mount = if dav.legacy { LEGACY_MOUNT } else { MOUNT };
    let below = path
        .and_then(|path| path.strip_prefix(mount))
        .filter(|below| below.starts_with('/'))
        .ok_or_else(outside)?;
    let below = segments(below).ok_or_else(outside)?;
    if let Some(dots) = below.iter().find(|name| *name == "." || *name == "..") {
        return Err(DavError::invalid_path(&format!(
            "\"{dots}\" is not a valid file name"
        )));
    }
    if dav.legacy {
        return Ok(Place::Own(below));
    }
    match below.as_slice() {
        [files, owner, rest @ ..] if files == "files" && *owner == dav.session.uid => {
            Ok(Place::Own(rest.to_vec()))
        }
        [files, _, rest @ ..] if files == "files" => Ok(Place::Foreign(rest.to_vec())),
        _ => Err(DavError::forbidden("Permission denied to create file")),
    }
}

/// `/remote.php/dav/files/` itself.
fn above_homes(dav: &DavRequest) -> Result<Response, DavError> {
    match dav.method.as_str() {
        "PROPFIND" => {
            let wanted = wanted(&dav.body)?;
            let mut responses = vec![root::collection(dav, &wanted, &format!("{MOUNT}/files/"))];
            if depth(&dav.headers) != Depth::Zero {
                let own = href(&dav.session.uid, false, &[], true);
                responses.push(root::collection(dav, &wanted, &own));
            }
            Ok(propfind_answer(dav, responses))
        }
        "OPTIONS" => Ok(options(dav, ALLOW)),
        _ => Err(DavError::forbidden("Permission denied")),
    }
}

/// The home of another user, which looks empty.
fn foreign_home(
    server: &Server,
    dav: &DavRequest,
    owner: &str,
    path: &[String],
) -> Result<Response, DavError> {
    if server.store(|store| store.accounts.get(owner).is_none()) {
        return Err(DavError::not_found(&format!(
            "Principal with name {owner} not found"
        )));
    }
    let missing = |name: &str| DavError::not_found(&format!("File not found: {name} in '{owner}'"));
    match (dav.method.as_str(), path) {
        ("OPTIONS", _) => Ok(options(dav, ALLOW)),
        ("PROPFIND", []) => {
            let wanted = wanted(&dav.body)?;
            let address = href(owner, false, &[], true);
            Ok(propfind_answer(
                dav,
                vec![root::collection(dav, &wanted, &address)],
            ))
        }
        ("PUT", [name]) => Err(DavError::forbidden(&format!(
            "Permission denied to create file (filename {name})"
        ))),
        ("MKCOL", [_]) => Err(DavError::forbidden("Permission denied to create directory")),
        ("MKCOL", [_, _, ..]) => Err(DavError::conflict("Parent node does not exist")),
        (_, [name, ..]) => Err(missing(name)),
        (_, []) => Err(DavError::forbidden("Permission denied to delete node")),
    }
}

/// The refusal for a path that leads nowhere, naming its first missing part.
fn missing(tree: &Tree, path: &[String]) -> DavError {
    let first = tree.first_missing(path).unwrap_or(path);
    let (name, parent) = match first.split_last() {
        Some((name, parent)) => (name.as_str(), parent.join("/")),
        None => ("", String::new()),
    };
    // The root's own path is a slash, so that its members are reported with two.
    DavError::not_found(&format!(
        "File with name /{parent}/{name} could not be located"
    ))
}

/// Refuses names that Nextcloud does not let anybody use.
fn check_name(path: &[String]) -> Result<(), DavError> {
    let name = path.last().map(String::as_str).unwrap_or_default();
    let lower = name.to_lowercase();
    if lower == ".htaccess" {
        return Err(DavError::invalid_path("Filename is a reserved word"));
    }
    if name.contains('\\') {
        return Err(DavError::invalid_path(
            "\"\\\" is not allowed inside a file or folder name.",
        ));
    }
    for extension in [".part", ".filepart"] {
        if lower.ends_with(extension) {
            return Err(DavError::invalid_path(&format!(
                "\"{extension}\" is a forbidden file type."
            )));
        }
    }
    Ok(())
}

/// Refuses what does not fit into the quota any more; `replaced` bytes become free.
fn check_space(
    store: &mut Store,
    uid: &str,
    path: &[String],
    required: u64,
    replaced: u64,
) -> Result<(), DavError> {
    match store.free_space(uid) {
        Some(free) if free + replaced < required => {
            Err(DavError::insufficient_storage(path, required, free))
        }
        Some(_) | None => Ok(()),
    }
}
