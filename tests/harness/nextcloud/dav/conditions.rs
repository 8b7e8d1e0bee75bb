//! Conditional requests as Sabre decides them, before the method runs.
//!
//! RFC 9110 §13 (`If-Match`, `If-None-Match`, dates) and RFC 4918 §10.4 (`If`, entity tags only:
//! there are no lock tokens). Entity tags have to be quoted, or they match nothing.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::super::text::{header, header_value, parse_http_date};
use super::error::DavError;

/// What the conditions are compared with.
pub(super) struct Current {
    /// Without quotes.
    pub(super) etag: String,
    /// Unix seconds.
    pub(super) modified: u64,
}

/// Checks all conditions; `Ok(Some)` is the finished 304.
///
/// `tagged` finds the entity tag of a file that an `If` header names by its address.
pub(super) fn check(
    method: &Method,
    headers: &HeaderMap,
    current: Option<&Current>,
    tagged: impl Fn(Option<&str>) -> Option<String>,
) -> Result<Option<Response>, DavError> {
    check_if_match(headers, current)?;
    if let Some(answer) = check_if_none_match(method, headers, current)? {
        return Ok(Some(answer));
    }
    if let Some(answer) = check_dates(method, headers, current)? {
        return Ok(Some(answer));
    }
    check_if(headers, tagged)?;
    Ok(None)
}

fn check_if_match(headers: &HeaderMap, current: Option<&Current>) -> Result<(), DavError> {
    let Some(if_match) = header(headers, "if-match") else {
        return Ok(());
    };
    let Some(current) = current else {
        return Err(DavError::precondition_failed(
            "An If-Match header was specified and the resource did not exist",
            "If-Match",
        ));
    };
    if if_match == "*" || lists(if_match, &current.etag) {
        return Ok(());
    }
    Err(DavError::precondition_failed(
        "An If-Match header was specified, but none of the specified ETags matched.",
        "If-Match",
    )
    .header("etag", &quoted(&current.etag)))
}

fn check_if_none_match(
    method: &Method,
    headers: &HeaderMap,
    current: Option<&Current>,
) -> Result<Option<Response>, DavError> {
    let (Some(if_none_match), Some(current)) = (header(headers, "if-none-match"), current) else {
        return Ok(None);
    };
    if if_none_match != "*" && !lists(if_none_match, &current.etag) {
        return Ok(None);
    }
    if is_read(method) {
        return Ok(Some(not_modified(current)));
    }
    Err(DavError::precondition_failed(
        "An If-None-Match header was specified, but the ETag matched (or * was specified).",
        "If-None-Match",
    ))
}

fn check_dates(
    method: &Method,
    headers: &HeaderMap,
    current: Option<&Current>,
) -> Result<Option<Response>, DavError> {
    let Some(current) = current else {
        return Ok(None);
    };
    let date = |name| header(headers, name).and_then(parse_http_date);
    if header(headers, "if-none-match").is_none()
        && is_read(method)
        && date("if-modified-since").is_some_and(|since| current.modified <= since)
    {
        return Ok(Some(not_modified(current)));
    }
    if date("if-unmodified-since").is_some_and(|since| current.modified > since) {
        return Err(DavError::precondition_failed(
            "An If-Unmodified-Since header was specified, but the entity has been changed since \
             the specified date.",
            "If-Unmodified-Since",
        ));
    }
    Ok(None)
}

/// Every address in the header needs one list that holds.
fn check_if(
    headers: &HeaderMap,
    tagged: impl Fn(Option<&str>) -> Option<String>,
) -> Result<(), DavError> {
    let Some(value) = header(headers, "if") else {
        return Ok(());
    };
    for (address, lists) in parse_if(value) {
        let etag = tagged(address);
        if !lists.iter().any(|list| list.holds(etag.as_deref())) {
            let address = address.unwrap_or("the request");
            return Err(DavError::precondition_failed(
                &format!("Failed to find a valid token/etag combination for {address}"),
                "If",
            ));
        }
    }
    Ok(())
}

/// One parenthesised condition: a lock token, an entity tag, or both.
#[derive(Debug, Default, PartialEq, Eq)]
struct List<'a> {
    negated: bool,
    token: Option<&'a str>,
    etag: Option<&'a str>,
}

impl List<'_> {
    fn holds(&self, current: Option<&str>) -> bool {
        // Nothing is ever locked with a token here.
        let token_valid = self.token.is_none();
        let etag_valid = self.etag.is_none_or(|wanted| current == Some(wanted));
        (token_valid && etag_valid) != self.negated
    }
}

/// Takes an `If` header apart: for each address (or none) its lists.
fn parse_if(value: &str) -> Vec<(Option<&str>, Vec<List<'_>>)> {
    let mut conditions: Vec<(Option<&str>, Vec<List<'_>>)> = Vec::new();
    let mut rest = value.trim();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '<' => rest.find('>'),
            '(' => rest.find(')'),
            _ => None,
        };
        let Some((inside, after)) =
            end.and_then(|end| Some((rest.get(1..end)?, rest.get(end + 1..)?)))
        else {
            break;
        };
        if first == '<' {
            conditions.push((Some(inside), Vec::new()));
        } else {
            if conditions.is_empty() {
                conditions.push((None, Vec::new()));
            }
            if let Some((_, lists)) = conditions.last_mut() {
                lists.push(parse_list(inside));
            }
        }
        rest = after.trim_start();
    }
    conditions
}

fn parse_list(inside: &str) -> List<'_> {
    let inside = inside.trim();
    let (negated, inside) = match inside.strip_prefix("Not ") {
        Some(rest) => (true, rest),
        None => (false, inside),
    };
    let between = |open: &str, close: &str| {
        let start = inside.find(open)? + open.len();
        let length = inside.get(start..)?.find(close)?;
        inside.get(start..start + length)
    };
    List {
        negated,
        token: between("<", ">"),
        etag: between("[\"", "\"]"),
    }
}

fn lists(header: &str, etag: &str) -> bool {
    let quoted = quoted(etag);
    header.split(',').any(|one| one.trim() == quoted)
}

/// An entity tag as headers carry it.
pub(super) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn not_modified(current: &Current) -> Response {
    let etag: HeaderValue = header_value(&quoted(&current.etag));
    (StatusCode::NOT_MODIFIED, [("etag", etag)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_if_header_is_taken_apart_by_address() {
        let parsed = parse_if(r#"<http://h/a> (["one"]) (Not <urn:x>) <http://h/b> (["two"])"#);
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0].0, Some("http://h/a"));
        assert_eq!(parsed[0].1.len(), 2);
        assert!(parsed[0].1[1].negated);
        assert_eq!(parsed[1].1[0].etag, Some("two"));
    }

    #[test]
    fn an_unquoted_entity_tag_matches_nothing() {
        assert!(lists("\"a\", \"b\"", "b"));
        assert!(!lists("b", "b"));
    }
}
