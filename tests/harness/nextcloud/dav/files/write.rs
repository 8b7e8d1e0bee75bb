//! `PUT`, `MKCOL` and `DELETE`.

use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::super::text::{header, header_value};
use super::super::super::tree::Node;
use super::super::ALLOW;
use super::super::conditions::quoted;
use super::super::error::DavError;
use super::properties::public_id;
use super::{FilesRequest, check_name, check_space, missing};

pub(super) fn put(request: &FilesRequest<'_>) -> Result<Response, DavError> {
    let path = request.path;
    let headers = &request.dav.headers;
    if header(headers, "content-range").is_some() {
        return Err(DavError::bad_request(
            "Content-Range on PUT requests are forbidden.",
        ));
    }
    let modified = header(headers, "x-oc-mtime").and_then(|time| time.parse::<u64>().ok());
    let (existed, node) = request.server.store(|store| {
        let (tree, _) = store.files(request.uid);
        let existing = tree.get(path);
        if existing.is_some_and(Node::is_folder) {
            return Err(DavError::conflict("PUT is not allowed on non-files."));
        }
        let existed = existing.is_some();
        let replaced = tree.size(path);
        if let Some((_, parent)) = path.split_last() {
            // Nextcloud says 404 here where RFC 4918 says 409.
            let parent_node = tree.get(parent).ok_or_else(|| missing(tree, parent))?;
            if !parent_node.is_folder() {
                return Err(DavError::conflict("Parent node is not a collection"));
            }
        }
        check_name(path)?;
        if tree.locked_within(path).is_some() {
            return Err(DavError::locked(path));
        }
        let required = request.dav.body.len() as u64;
        check_space(store, request.uid, path, required, replaced)?;
        let now = request.server.clock().now();
        let (tree, ids) = store.files(request.uid);
        tree.write(path, request.dav.body.clone(), now, ids);
        let node = tree
            .get_mut(path)
            .ok_or_else(|| DavError::conflict("The file vanished while it was written"))?;
        node.modified = modified.unwrap_or(now);
        node.checksum = header(headers, "oc-checksum").map(str::to_owned);
        Ok((existed, node.clone()))
    })?;
    let status = if existed {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::CREATED
    };
    let mut response = done(status);
    if modified.is_some() {
        response
            .headers_mut()
            .insert("x-oc-mtime", header_value("accepted"));
    }
    tell_node(&mut response, &node, Tell::IdAndTag);
    Ok(response)
}

pub(super) fn mkcol(request: &FilesRequest<'_>) -> Result<Response, DavError> {
    let path = request.path;
    let xml =
        header(&request.dav.headers, "content-type").is_some_and(|kind| kind.contains("/xml"));
    if !request.dav.body.is_empty() && !xml {
        return Err(DavError::unsupported_media_type(
            "The request body for the MKCOL request must have an xml Content-Type",
        ));
    }
    let node = request.server.store(|store| {
        let (tree, ids) = store.files(request.uid);
        if let Some((_, parent)) = path.split_last() {
            let parent = tree
                .get(parent)
                .ok_or_else(|| DavError::conflict("Parent node does not exist"))?;
            if !parent.is_folder() {
                return Err(DavError::conflict("Parent node is not a collection"));
            }
        }
        if tree.get(path).is_some() {
            return Err(DavError::method_not_allowed(
                "The resource you tried to create already exists",
                ALLOW,
            ));
        }
        check_name(path)?;
        tree.make_folders(path, request.server.clock().now(), ids);
        tree.get(path)
            .cloned()
            .ok_or_else(|| DavError::conflict("The folder vanished while it was made"))
    })?;
    let mut response = done(StatusCode::CREATED);
    tell_node(&mut response, &node, Tell::Id);
    Ok(response)
}

pub(super) fn delete(request: &FilesRequest<'_>) -> Result<Response, DavError> {
    let path = request.path;
    if path.is_empty() {
        return Err(DavError::forbidden(
            "Permission denied to delete home folder",
        ));
    }
    request.server.store(|store| {
        let (tree, ids) = store.files(request.uid);
        if tree.get(path).is_none() {
            return Err(missing(tree, path));
        }
        if let Some(locked) = tree.locked_within(path) {
            return Err(DavError::locked(locked));
        }
        tree.discard(path, request.server.clock().now(), ids);
        Ok(())
    })?;
    Ok(done(StatusCode::NO_CONTENT))
}

/// Which headers tell about the node that a write made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tell {
    Id,
    IdAndTag,
}

pub(super) fn tell_node(response: &mut Response, node: &Node, tell: Tell) {
    let headers = response.headers_mut();
    headers.insert("oc-fileid", header_value(&public_id(node.id)));
    if tell == Tell::IdAndTag {
        for name in ["etag", "oc-etag"] {
            headers.insert(
                HeaderName::from_static(name),
                header_value(&quoted(&node.etag)),
            );
        }
    }
}

/// An empty answer; PHP's default content type stays on it.
pub(super) fn done(status: StatusCode) -> Response {
    (status, [("content-type", "text/html; charset=UTF-8")]).into_response()
}
