//! `PROPPATCH`: favourites, the modification time, and properties that only clients understand.

use axum::http::HeaderValue;
use axum::response::Response;

use super::super::super::text::{parse_http_date, parse_search_date};
use super::super::super::tree::Node;
use super::super::super::xml::{DAV, Element, Name, OWNCLOUD};
use super::super::error::DavError;
use super::super::properties::{document, href_element, multistatus, propstat};
use super::{FilesRequest, missing};

/// What the server computes; nobody may set it.
const PROTECTED: [(&str, &str); 9] = [
    (DAV, "getetag"),
    (DAV, "getcontentlength"),
    (DAV, "getcontenttype"),
    (DAV, "resourcetype"),
    (DAV, "quota-used-bytes"),
    (DAV, "quota-available-bytes"),
    (OWNCLOUD, "fileid"),
    (OWNCLOUD, "size"),
    (OWNCLOUD, "permissions"),
];

/// A change to one property; `None` removes it.
type Change = (Name, Option<String>);

pub(super) fn serve(request: &FilesRequest<'_>) -> Result<Response, DavError> {
    let update = document(&request.dav.body)?;
    if !update.name.is(DAV, "propertyupdate") {
        return Err(DavError::bad_request(
            "Expected a {DAV:}propertyupdate element in the request body",
        ));
    }
    let changes = changes(&update);
    let refused = changes.iter().any(|(name, _)| is_protected(name));
    let folder = request.server.store(|store| {
        let now = request.server.clock().now();
        let (tree, ids) = store.files(request.uid);
        if tree.get(request.path).is_none() {
            return Err(missing(tree, request.path));
        }
        let Some(node) = tree.get_mut(request.path) else {
            return Ok(false);
        };
        let folder = node.is_folder();
        if !refused {
            for (name, value) in &changes {
                apply(node, name, value.as_deref());
            }
            node.changed = now;
            if changes.iter().any(|(name, _)| sets_time(name)) {
                node.etag = ids.etag();
            }
        }
        Ok(folder)
    })?;
    let href = request.href(request.path, folder);
    let mut response = Element::new(DAV, "response").child(href_element(&href));
    // All or nothing (RFC 4918 §9.2): one protected property fails the others.
    let mut add = |protected: Option<bool>, status: &str| {
        let names: Vec<Element> = changes
            .iter()
            .filter(|(name, _)| protected.is_none_or(|wanted| is_protected(name) == wanted))
            .map(|(name, _)| Element::named(name.clone()))
            .collect();
        if !names.is_empty() {
            response.children.push(propstat(names, status));
        }
    };
    if refused {
        add(Some(true), "HTTP/1.1 403 Forbidden");
        add(Some(false), "HTTP/1.1 424 Failed Dependency");
    } else {
        add(None, "HTTP/1.1 200 OK");
    }
    let mut answer = multistatus(vec![response]);
    answer
        .headers_mut()
        .insert("vary", HeaderValue::from_static("Brief,Prefer"));
    Ok(answer)
}

fn changes(update: &Element) -> Vec<Change> {
    let mut changes = Vec::new();
    for instruction in &update.children {
        let Some(prop) = instruction.find(DAV, "prop") else {
            continue;
        };
        let removes = instruction.name.is(DAV, "remove");
        changes.extend(prop.children.iter().map(|property| {
            let value = (!removes).then(|| property.text.clone());
            (property.name.clone(), value)
        }));
    }
    changes
}

fn apply(node: &mut Node, name: &Name, value: Option<&str>) {
    if name.is(OWNCLOUD, "favorite") {
        node.favorite = value.is_some_and(|value| matches!(value, "1" | "true"));
    } else if sets_time(name) {
        if let Some(value) = value {
            node.modified = parse_http_date(value).unwrap_or_else(|| parse_search_date(value));
        }
    } else if let Some(value) = value {
        node.properties.insert(name.clone(), value.to_owned());
    } else {
        node.properties.remove(name);
    }
}

fn sets_time(name: &Name) -> bool {
    name.is(DAV, "lastmodified") || name.is(DAV, "getlastmodified")
}

fn is_protected(name: &Name) -> bool {
    PROTECTED.iter().any(|(ns, local)| name.is(ns, local))
}
