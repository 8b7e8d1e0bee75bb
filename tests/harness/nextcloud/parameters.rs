//! The parameters of a controller call, as PHP sees them in the body of a request.

use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::{Map, Value};

use super::text::header;

/// The members of a JSON object or of a form; what cannot be read is absent.
pub(super) struct Parameters(Map<String, Value>);

impl Parameters {
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Self {
        let json = header(headers, "content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        Self(if json {
            serde_json::from_slice(body).unwrap_or_default()
        } else {
            serde_urlencoded::from_bytes(body).unwrap_or_default()
        })
    }

    /// Whether the parameter was sent, be it `null`.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A number, also one that is written as text.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        let value = self.0.get(name)?;
        value
            .as_i64()
            .or_else(|| value.as_str()?.trim().parse().ok())
    }

    /// A truth value; in a form `0`, `false` and nothing are false.
    pub(super) fn truth(&self, name: &str) -> Option<bool> {
        let value = self.0.get(name)?;
        value
            .as_bool()
            .or_else(|| Some(!matches!(value.as_str()?, "" | "0" | "false")))
    }
}
