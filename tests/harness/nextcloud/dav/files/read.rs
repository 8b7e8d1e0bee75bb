//! `GET` and `HEAD` of a file, whole or a range of it (RFC 9110 §14).

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::super::mime;
use super::super::super::text::{encode_segment, header, header_value, http_date};
use super::super::super::tree::Node;
use super::super::conditions::quoted;
use super::super::error::DavError;
use super::{FilesRequest, missing};

pub(super) fn serve(request: &FilesRequest<'_>) -> Result<Response, DavError> {
    let node = request.server.store(|store| {
        let (tree, _) = store.files(request.uid);
        let node = tree
            .get(request.path)
            .cloned()
            .ok_or_else(|| missing(tree, request.path))?;
        if !node.is_folder() && tree.locked_within(request.path).is_some() {
            return Err(DavError::locked(request.path));
        }
        Ok(node)
    })?;
    let Some(content) = node.content() else {
        // A folder is answered by an empty page, not by an error.
        return Ok(page());
    };
    let length = content.len();
    let mut response = match range(request, &node, length)? {
        None => (StatusCode::OK, content.clone()).into_response(),
        Some((first, last)) => {
            let part = content.slice(first..=last);
            let content_range = format!("bytes {first}-{last}/{length}");
            let mut response = (StatusCode::PARTIAL_CONTENT, part).into_response();
            response
                .headers_mut()
                .insert("content-range", header_value(&content_range));
            response
        }
    };
    let name = request.path.last().map(String::as_str).unwrap_or_default();
    for (header, value) in [
        ("content-type", content_type(name)),
        ("last-modified", http_date(node.modified)),
        ("etag", quoted(&node.etag)),
        ("oc-etag", quoted(&node.etag)),
        ("content-disposition", disposition(name)),
    ] {
        response
            .headers_mut()
            .insert(HeaderName::from_static(header), header_value(&value));
    }
    if let Some(checksum) = &node.checksum {
        response
            .headers_mut()
            .insert("oc-checksum", header_value(checksum));
    }
    Ok(response)
}

fn page() -> Response {
    let html = HeaderValue::from_static("text/html; charset=UTF-8");
    (StatusCode::OK, [("content-type", html)]).into_response()
}

pub(super) fn content_type(name: &str) -> String {
    let kind = mime::of(name);
    if kind.starts_with("text/") {
        format!("{kind};charset=UTF-8")
    } else {
        kind.to_owned()
    }
}

fn disposition(name: &str) -> String {
    let encoded = encode_segment(name);
    format!("attachment; filename*=UTF-8''{encoded}; filename=\"{encoded}\"")
}

/// The first and last byte asked for; `None` for the whole file.
fn range(
    request: &FilesRequest<'_>,
    node: &Node,
    length: usize,
) -> Result<Option<(usize, usize)>, DavError> {
    let headers = &request.dav.headers;
    // Sabre knows one range only; anything else is the whole file.
    let Some((first, last)) = header(headers, "range")
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    if let Some(if_range) = header(headers, "if-range")
        && if_range != quoted(&node.etag)
        && if_range != http_date(node.modified)
    {
        return Ok(None);
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Ok(None);
    }
    let (first, last): (Option<usize>, Option<usize>) = (first.parse().ok(), last.parse().ok());
    let (first, last) = match (first, last) {
        (Some(first), last) => (first, last.unwrap_or(length.saturating_sub(1))),
        (None, Some(suffix)) => (length.saturating_sub(suffix), length.saturating_sub(1)),
        (None, None) => return Ok(None),
    };
    if first >= length || last < first {
        return Err(DavError::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "Sabre\\DAV\\Exception\\RequestedRangeNotSatisfiable",
            &format!("The start offset ({first}) exceeded the size of the entity ({length})"),
        ));
    }
    Ok(Some((first, last.min(length - 1))))
}
