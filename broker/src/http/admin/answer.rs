//! Headers of answers that are about one thing.

use axum::http::{HeaderName, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::admin::Versioned;

/// The `ETag` of what is answered.
pub(super) fn tagged(thing: &impl Versioned) -> (HeaderName, HeaderValue) {
    header(header::ETAG, &format!("\"{}\"", thing.tag()))
}

/// The `Location` of what was made.
pub(super) fn located(collection: &str, id: &str) -> (HeaderName, HeaderValue) {
    let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
    header(header::LOCATION, &format!("/admin/v1/{collection}/{id}"))
}

/// A header whose value is visible ASCII by construction.
fn header(name: HeaderName, value: &str) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
    (name, value)
}
