//! The Open Collaboration Services envelope, in both versions and both formats.
//!
//! Version 1 answers HTTP 200 to almost everything and puts the outcome into `statuscode`;
//! version 2 maps it to HTTP. The format is `?format=`, else the `Accept` header, else XML. The
//! calls themselves are in the sub-modules and in the family files that use [`OcsRequest`].

mod app_password;
mod capabilities;
mod users;
mod xml;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::server::Shared;
use super::text::{header, query_parameter};

pub(super) use app_password::fresh as fresh_app_password;

/// The code for "not logged in".
const UNAUTHORISED: u16 = 997;
/// The code for "no such call" and for things a user may not know about.
pub(super) const NOT_FOUND: u16 = 998;

/// The OCS routes that belong to the server itself.
pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .merge(users::routes())
        .merge(capabilities::routes())
        .merge(app_password::routes())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
}

/// How the caller of an OCS route wants to be answered.
#[derive(Clone, Copy)]
pub(super) struct OcsRequest {
    version: Version,
    format: Format,
}

impl OcsRequest {
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let version = if uri.path().starts_with("/ocs/v1.php") {
            Version::One
        } else {
            Version::Two
        };
        let wants_json = match query_parameter(uri.query(), "format") {
            Some(format) => format == "json",
            None => header(headers, "accept")
                .is_some_and(|accept| accept.trim_start().starts_with("application/json")),
        };
        let format = if wants_json {
            Format::Json
        } else {
            Format::Xml
        };
        Self { version, format }
    }

    /// Success with `data`; PHP writes nothing as an empty list.
    pub(super) fn ok(self, data: &Value) -> Response {
        self.envelope(200, "OK", data)
    }

    /// Failure with a code; from 200 to 600 it is an HTTP status.
    pub(super) fn failure(self, code: u16, message: &str) -> Response {
        self.envelope(code, message, &json!([]))
    }

    pub(super) fn unauthorised(self, message: &str) -> Response {
        self.failure(UNAUTHORISED, message)
    }

    pub(super) fn unknown_route(self) -> Response {
        self.failure(
            NOT_FOUND,
            "Invalid query, please check the syntax. API specifications are here: \
             http://www.freedesktop.org/wiki/Specifications/open-collaboration-services.\n",
        )
    }

    pub(super) fn content_type(self) -> &'static str {
        match self.format {
            Format::Json => "application/json; charset=utf-8",
            Format::Xml => "application/xml; charset=utf-8",
        }
    }

    fn envelope(self, code: u16, message: &str, data: &Value) -> Response {
        let ok = code == 200;
        let mut meta = json!({
            "status": if ok { "ok" } else { "failure" },
            "statuscode": self.shown_code(code),
            "message": message,
        });
        if self.version == Version::One
            && let Some(meta) = meta.as_object_mut()
        {
            meta.insert("totalitems".to_owned(), json!(""));
            meta.insert("itemsperpage".to_owned(), json!(""));
        }
        let body = match self.format {
            Format::Json => json!({"ocs": {"meta": meta, "data": data}}).to_string(),
            Format::Xml => xml::document(&meta, data),
        };
        (
            self.status(code),
            [("content-type", self.content_type())],
            body,
        )
            .into_response()
    }

    fn shown_code(self, code: u16) -> u16 {
        match (self.version, code) {
            (Version::One, 200) => 100,
            (_, other) => other,
        }
    }

    fn status(self, code: u16) -> StatusCode {
        match (self.version, code) {
            // Version 1 says 401 for both "who are you" and "you may not".
            (_, UNAUTHORISED) | (Version::One, 403) => StatusCode::UNAUTHORIZED,
            (Version::One, _) => StatusCode::OK,
            (Version::Two, NOT_FOUND) => StatusCode::NOT_FOUND,
            (Version::Two, 996 | 999) => StatusCode::INTERNAL_SERVER_ERROR,
            (Version::Two, other) => match StatusCode::from_u16(other) {
                Ok(status) if (200..=600).contains(&other) => status,
                Ok(_) | Err(_) => StatusCode::BAD_REQUEST,
            },
        }
    }
}
