//! Reading `PROPFIND` and writing `multistatus`: the part of RFC 4918 that all collections share.

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::super::text::header;
use super::super::xml::{self, DAV, Element, Name};
use super::DavRequest;
use super::error::DavError;

/// Which properties are asked for.
pub(super) enum Wanted {
    /// `allprop`, or an empty body.
    All,
    /// These.
    Named(Vec<Name>),
}

/// How deep a `PROPFIND` goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Zero,
    One,
    Infinity,
}

/// Reads the `Depth` header; without one Sabre takes 1.
pub(super) fn depth(headers: &HeaderMap) -> Depth {
    match header(headers, "depth") {
        Some("0") => Depth::Zero,
        Some(infinity) if infinity.eq_ignore_ascii_case("infinity") => Depth::Infinity,
        Some(_) | None => Depth::One,
    }
}

/// Reads the body of a `PROPFIND`.
pub(super) fn wanted(body: &Bytes) -> Result<Wanted, DavError> {
    if body.is_empty() {
        return Ok(Wanted::All);
    }
    let root = document(body)?;
    if !root.name.is(DAV, "propfind") {
        return Err(DavError::bad_request(
            "Expected a {DAV:}propfind element in the request body",
        ));
    }
    match root.find(DAV, "prop") {
        Some(prop) => Ok(Wanted::Named(names(prop))),
        None => Ok(Wanted::All),
    }
}

/// Reads a request body that has to be XML.
pub(super) fn document(body: &Bytes) -> Result<Element, DavError> {
    let text =
        std::str::from_utf8(body).map_err(|error| DavError::bad_request(&error.to_string()))?;
    xml::parse(text).map_err(|error| DavError::bad_request(&error))
}

/// The names of an element's children.
pub(super) fn names(prop: &Element) -> Vec<Name> {
    prop.children.iter().map(|one| one.name.clone()).collect()
}

/// Whether the caller wants to hear only of what was found.
pub(super) fn minimal(headers: &HeaderMap) -> bool {
    header(headers, "prefer").is_some_and(|prefer| prefer.contains("return=minimal"))
        || header(headers, "brief").is_some_and(|brief| brief.eq_ignore_ascii_case("t"))
}

/// One `d:response`: what `lookup` knows with 200, the rest with 404.
pub(super) fn response(
    href: &str,
    wanted: &Wanted,
    all: &[Name],
    minimal: bool,
    lookup: impl Fn(&Name) -> Option<Element>,
) -> Element {
    let (asked, report_missing) = match wanted {
        Wanted::All => (all, false),
        Wanted::Named(names) => (names.as_slice(), !minimal),
    };
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in asked {
        match lookup(name) {
            Some(property) => found.push(property),
            None => missing.push(Element::named(name.clone())),
        }
    }
    let mut response = Element::new(DAV, "response").child(href_element(href));
    if !found.is_empty() || missing.is_empty() {
        response = response.child(propstat(found, "HTTP/1.1 200 OK"));
    }
    if report_missing && !missing.is_empty() {
        response = response.child(propstat(missing, "HTTP/1.1 404 Not Found"));
    }
    response
}

/// A `d:propstat` with these properties.
pub(super) fn propstat(properties: Vec<Element>, status: &str) -> Element {
    Element::new(DAV, "propstat")
        .child(Element::new(DAV, "prop").with_children(properties))
        .child(Element::new(DAV, "status").text(status))
}

/// A `d:href`.
pub(super) fn href_element(href: &str) -> Element {
    Element::new(DAV, "href").text(href)
}

/// A resource type with this marker, or the empty one.
pub(super) fn resource_type(markers: &[&str]) -> Element {
    let markers = markers.iter().map(|marker| Element::new(DAV, marker));
    Element::new(DAV, "resourcetype").with_children(markers)
}

/// A property that holds one address.
pub(super) fn href_property(name: &Name, href: &str) -> Element {
    Element::named(name.clone()).child(href_element(href))
}

/// The 207 answer.
pub(super) fn multistatus(responses: Vec<Element>) -> Response {
    let body = xml::write(&Element::new(DAV, "multistatus").with_children(responses));
    (
        StatusCode::MULTI_STATUS,
        [("content-type", "application/xml; charset=utf-8")],
        body,
    )
        .into_response()
}

/// The 207 answer to a `PROPFIND`, which says also what the server is.
pub(super) fn propfind_answer(request: &DavRequest, responses: Vec<Element>) -> Response {
    let mut answer = multistatus(responses);
    let headers = answer.headers_mut();
    headers.insert("vary", HeaderValue::from_static("Brief,Prefer"));
    headers.insert("dav", HeaderValue::from_static(request.classes()));
    answer
}

/// The answer to `OPTIONS`.
pub(super) fn options(request: &DavRequest, allow: &'static str) -> Response {
    (
        StatusCode::OK,
        [
            ("allow", allow),
            ("dav", request.classes()),
            ("ms-author-via", "DAV"),
            ("accept-ranges", "bytes"),
            ("content-type", "text/html; charset=UTF-8"),
        ],
    )
        .into_response()
}
