//! `COPY` and `MOVE` (RFC 4918 §9.8, §9.9) with Sabre's order of checks.

use axum::http::StatusCode;
use axum::response::Response;

use super::super::super::text::header;
use super::super::super::tree::{Node, Tree};
use super::super::DavRequest;
use super::super::error::DavError;
use super::write::{Tell, done, tell_node};
use super::{FilesRequest, Place, check_name, check_space, missing, place_of};

pub(super) fn copy(request: &FilesRequest<'_>) -> Result<Response, DavError> {
    transfer(request, Kind::Copy)
}

pub(super) fn rename(request: &FilesRequest<'_>) -> Result<Response, DavError> {
    transfer(request, Kind::Move)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Copy,
    Move,
}

fn transfer(request: &FilesRequest<'_>, kind: Kind) -> Result<Response, DavError> {
    let overwrite = overwrite(request.dav)?;
    let from = request.path;
    let to = destination(request.dav)?;
    let (replaced, node) = request.server.store(|store| {
        let (tree, _) = store.files(request.uid);
        let replaced = check_destination(tree, &to, overwrite)?;
        check_apart(from, &to)?;
        if tree.get(from).is_none() {
            return Err(missing(tree, from));
        }
        check_name(&to)?;
        for path in [from, to.as_slice()] {
            if let Some(locked) = tree.locked_within(path) {
                return Err(DavError::locked_in_transfer(locked));
            }
        }
        if kind == Kind::Copy {
            let (required, freed) = (tree.size(from), tree.size(&to));
            check_space(store, request.uid, &to, required, freed)?;
        }
        let now = request.server.clock().now();
        let (tree, ids) = store.files(request.uid);
        if replaced {
            tree.discard(&to, now, ids);
        }
        match kind {
            Kind::Copy => tree.copy(from, &to, now, ids),
            Kind::Move => tree.rename(from, &to, now, ids),
        }
        let node: Node = tree
            .get(&to)
            .cloned()
            .ok_or_else(|| DavError::conflict("The destination vanished"))?;
        Ok((replaced, node))
    })?;
    let mut response = done(if replaced {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CREATED
    });
    // A copy does not tell its entity tag.
    let tell = match kind {
        Kind::Copy => Tell::Id,
        Kind::Move => Tell::IdAndTag,
    };
    tell_node(&mut response, &node, tell);
    Ok(response)
}

/// Where the request moves to, which has to be in the caller's home.
pub(super) fn destination(dav: &DavRequest) -> Result<Vec<String>, DavError> {
    let address = header(&dav.headers, "destination")
        .ok_or_else(|| DavError::bad_request("The destination header was not supplied"))?;
    match place_of(dav, address)? {
        Place::Own(path) => Ok(path),
        Place::Foreign(path) => {
            let name = path.last().map(String::as_str).unwrap_or_default();
            Err(DavError::forbidden(&format!(
                "Permission denied to create file (filename {name})"
            )))
        }
    }
}

pub(super) fn overwrite(dav: &DavRequest) -> Result<bool, DavError> {
    match header(&dav.headers, "overwrite") {
        None | Some("T" | "t") => Ok(true),
        Some("F" | "f") => Ok(false),
        Some(_) => Err(DavError::bad_request(
            "The HTTP Overwrite header should be either T or F",
        )),
    }
}

/// Says whether something at the destination will be replaced.
pub(super) fn check_destination(
    tree: &Tree,
    to: &[String],
    overwrite: bool,
) -> Result<bool, DavError> {
    let Some((_, parent)) = to.split_last() else {
        return Err(DavError::forbidden(
            "Permission denied to replace the home folder",
        ));
    };
    let parent = tree
        .get(parent)
        .ok_or_else(|| DavError::conflict("The destination node is not found"))?;
    if !parent.is_folder() {
        return Err(DavError::unsupported_media_type(
            "The destination node is not a collection",
        ));
    }
    let exists = tree.get(to).is_some();
    if exists && !overwrite {
        return Err(DavError::precondition_failed(
            "The destination node already exists, and the overwrite header is set to false",
            "Overwrite",
        ));
    }
    Ok(exists)
}

/// Refuses to put a node into itself.
fn check_apart(from: &[String], to: &[String]) -> Result<(), DavError> {
    if from == to {
        return Err(DavError::forbidden(
            "Source and destination uri are identical.",
        ));
    }
    if to.starts_with(from) {
        return Err(DavError::conflict(
            "The destination may not be part of the same subtree as the source path.",
        ));
    }
    Ok(())
}
