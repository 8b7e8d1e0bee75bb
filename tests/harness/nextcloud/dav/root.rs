//! The root of `/remote.php/dav/`: lists the collections, says who the caller is, and searches.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::server::Server;
use super::super::xml::{DAV, Element, Name};
use super::error::DavError;
use super::properties::{
    Depth, Wanted, depth, document, href_property, minimal, options, propfind_answer,
    resource_type, response, wanted,
};
use super::{ALLOW, COLLECTIONS, DavRequest, MOUNT, principals, search};

pub(super) fn serve(server: &Server, request: &DavRequest) -> Result<Response, DavError> {
    match request.method.as_str() {
        "PROPFIND" => propfind(request),
        "REPORT" => report(server, request),
        "SEARCH" => search::serve(server, request),
        "OPTIONS" => Ok(options(request, ALLOW)),
        "GET" | "HEAD" => Ok((
            StatusCode::OK,
            [("content-type", "text/html; charset=UTF-8")],
        )
            .into_response()),
        "DELETE" => Err(DavError::forbidden("Permission denied to delete node")),
        "PUT" => Err(DavError::conflict("PUT is not allowed on non-files.")),
        "MKCOL" => Err(DavError::method_not_allowed(
            "The resource you tried to create already exists",
            ALLOW,
        )),
        other => Err(DavError::not_implemented(other)),
    }
}

fn propfind(request: &DavRequest) -> Result<Response, DavError> {
    let wanted = wanted(&request.body)?;
    let mut addresses = vec![format!("{MOUNT}/")];
    if depth(&request.headers) != Depth::Zero {
        addresses.extend(
            COLLECTIONS
                .iter()
                .map(|(name, _)| format!("{MOUNT}/{name}/")),
        );
    }
    let responses = addresses
        .iter()
        .map(|address| collection(request, &wanted, address))
        .collect();
    Ok(propfind_answer(request, responses))
}

/// A collection that is nothing but a place for others.
pub(super) fn collection(request: &DavRequest, wanted: &Wanted, address: &str) -> Element {
    let all = [Name::new(DAV, "resourcetype")];
    response(address, wanted, &all, minimal(&request.headers), |name| {
        property(request, name)
    })
}

fn property(request: &DavRequest, name: &Name) -> Option<Element> {
    if name.is(DAV, "resourcetype") {
        Some(resource_type(&["collection"]))
    } else if name.is(DAV, "current-user-principal") {
        Some(href_property(
            name,
            &principals::address(&request.session.uid),
        ))
    } else {
        None
    }
}

/// `expand-property` finds the caller in one request (RFC 3253 §3.8).
pub(super) fn report(server: &Server, request: &DavRequest) -> Result<Response, DavError> {
    let query = document(&request.body)?;
    if query.name.is(DAV, "expand-property") {
        // The real server doubles the slash of its own root here.
        let address = match request.path.first() {
            Some(name) => format!("{MOUNT}/{name}/"),
            None => format!("{MOUNT}//"),
        };
        return Ok(principals::expanded(server, request, &query, &address));
    }
    Err(DavError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "Sabre\\DAV\\Exception\\ReportNotSupported",
        "",
    ))
}
