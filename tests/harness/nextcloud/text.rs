//! Small texts that HTTP and PHP write in their own way: dates, hashes, encoded paths, headers.

use axum::http::{HeaderMap, HeaderValue};
use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode,
};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// What Nextcloud escapes in one segment of a `d:href`: everything but the unreserved characters
/// and those that PHP's `rawurlencode` keeps or Sabre restores.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'(')
    .remove(b')')
    .remove(b'@')
    .remove(b'!')
    .remove(b'\'')
    .remove(b'*')
    .remove(b',')
    .remove(b'+');

/// What the second-factor redirect escapes: `?` and `/` stay, `=` and `&` do not.
const REDIRECT_URL: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'<')
    .add(b'=')
    .add(b'>');

/// The date form of RFC 9110 §5.6.7.
const HTTP_DATE: &[BorrowedFormatItem<'static>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// Writes a time (Unix seconds) as an HTTP date.
pub(super) fn http_date(unix: u64) -> String {
    i64::try_from(unix)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|date| date.format(HTTP_DATE).ok())
        .unwrap_or_default()
}

/// Reads an HTTP date as Unix seconds.
pub(super) fn parse_http_date(text: &str) -> Option<u64> {
    time::PrimitiveDateTime::parse(text.trim(), HTTP_DATE)
        .ok()
        .and_then(|date| u64::try_from(date.assume_utc().unix_timestamp()).ok())
}

/// Reads an RFC 3339 date, or plain Unix seconds, as `SEARCH` takes them.
pub(super) fn parse_search_date(text: &str) -> u64 {
    let text = text.trim();
    text.parse::<u64>().unwrap_or_else(|_| {
        OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
            .ok()
            .and_then(|date| u64::try_from(date.unix_timestamp()).ok())
            .unwrap_or_default()
    })
}

/// 32 hexadecimal digits that stand for `bytes`; Nextcloud uses MD5, any digest serves.
pub(super) fn digest(bytes: &[u8]) -> String {
    let mut hex = sha256_hex(bytes);
    hex.truncate(32);
    hex
}

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    hash.as_ref().iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Escapes one path segment for a `d:href`.
pub(super) fn encode_segment(segment: &str) -> String {
    utf8_percent_encode(segment, SEGMENT).to_string()
}

/// Escapes the request target for the second-factor redirect.
pub(super) fn encode_redirect(target: &str) -> String {
    utf8_percent_encode(target, REDIRECT_URL).to_string()
}

/// Splits a raw request path into decoded segments; empty ones (doubled slashes) vanish.
///
/// Decodes before it splits, as Sabre does: an escaped slash separates like a plain one. `None`
/// when the path is not UTF-8.
pub(super) fn segments(raw: &str) -> Option<Vec<String>> {
    let decoded = percent_decode_str(raw).decode_utf8().ok()?;
    Some(
        decoded
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

/// A header's value as text, when it is there and is text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Makes a header value; bytes that HTTP does not allow are dropped.
pub(super) fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| {
        let plain: String = text
            .chars()
            .filter(|c| c.is_ascii_graphic() || *c == ' ')
            .collect();
        HeaderValue::from_str(&plain).unwrap_or_else(|_| HeaderValue::from_static(""))
    })
}

/// Finds a parameter of a query string.
pub(super) fn query_parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query?).ok()?;
    pairs
        .into_iter()
        .find_map(|(key, value)| (key == name).then_some(value))
}
