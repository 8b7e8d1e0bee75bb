//! The one error shape of WebDAV: Sabre's exception as XML.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use quick_xml::escape::escape;

use super::super::text::header_value;

/// A refusal with the exception class that clients see.
#[derive(Debug)]
pub(super) struct DavError {
    status: StatusCode,
    exception: &'static str,
    message: String,
    /// Further elements, ready as XML.
    details: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl DavError {
    pub(super) fn new(status: StatusCode, exception: &'static str, message: &str) -> Self {
        Self {
            status,
            exception,
            message: message.to_owned(),
            details: String::new(),
            headers: Vec::new(),
        }
    }

    pub(super) fn not_authenticated(message: &str) -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "Sabre\\DAV\\Exception\\NotAuthenticated",
            message,
        )
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "Sabre\\DAV\\Exception\\NotFound",
            message,
        )
    }

    pub(super) fn forbidden(message: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "Sabre\\DAV\\Exception\\Forbidden",
            message,
        )
    }

    pub(super) fn conflict(message: &str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "Sabre\\DAV\\Exception\\Conflict",
            message,
        )
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "Sabre\\DAV\\Exception\\BadRequest",
            message,
        )
    }

    /// No plug-in handles the method here.
    pub(super) fn not_implemented(method: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "Sabre\\DAV\\Exception\\NotImplemented",
            &format!(
                "There was no plugin in the system that was willing to handle this {method} method."
            ),
        )
    }

    pub(super) fn method_not_allowed(message: &str, allow: &str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Sabre\\DAV\\Exception\\MethodNotAllowed",
            message,
        )
        .header("allow", allow)
    }

    pub(super) fn unsupported_media_type(message: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Sabre\\DAV\\Exception\\UnsupportedMediaType",
            message,
        )
    }

    /// `header` names the condition that failed.
    pub(super) fn precondition_failed(message: &str, header: &str) -> Self {
        let mut error = Self::new(
            StatusCode::PRECONDITION_FAILED,
            "Sabre\\DAV\\Exception\\PreconditionFailed",
            message,
        );
        error.details = format!("  <s:header>{header}</s:header>\n");
        error
    }

    /// A name that no file may have.
    pub(super) fn invalid_path(reason: &str) -> Self {
        let mut error = Self::new(
            StatusCode::BAD_REQUEST,
            "OCA\\DAV\\Connector\\Sabre\\Exception\\InvalidPath",
            reason,
        );
        error.details = format!(
            "  <o:retry xmlns:o=\"o:\">false</o:retry>\n  <o:reason xmlns:o=\"o:\">{}</o:reason>\n",
            escape(reason)
        );
        error
    }

    pub(super) fn locked(path: &[String]) -> Self {
        Self::new(
            StatusCode::LOCKED,
            "OCA\\DAV\\Connector\\Sabre\\Exception\\FileLocked",
            &locked_message(path),
        )
    }

    /// What moving a locked file answers, which is not 423.
    pub(super) fn locked_in_transfer(path: &[String]) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "OCP\\Lock\\LockedException",
            &locked_message(path),
        )
    }

    pub(super) fn insufficient_storage(path: &[String], required: u64, available: u64) -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "Sabre\\DAV\\Exception\\InsufficientStorage",
            &format!(
                "Insufficient space in /{}, {required} required, {available} available",
                path.join("/")
            ),
        )
    }

    /// Adds an element, ready as XML.
    pub(super) fn detail(mut self, element: &str) -> Self {
        self.details.push_str(element);
        self
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .push((HeaderName::from_static(name), header_value(value)));
        self
    }
}

fn locked_message(path: &[String]) -> String {
    format!("\"/{}\" is locked", path.join("/"))
}

impl IntoResponse for DavError {
    fn into_response(self) -> Response {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<d:error xmlns:d=\"DAV:\" \
             xmlns:s=\"http://sabredav.org/ns\">\n  <s:exception>{}</s:exception>\n  \
             <s:message>{}</s:message>\n{}</d:error>\n",
            escape(self.exception),
            escape(self.message.as_str()),
            self.details,
        );
        let mut response = (
            self.status,
            [("content-type", "application/xml; charset=utf-8")],
            body,
        )
            .into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}
