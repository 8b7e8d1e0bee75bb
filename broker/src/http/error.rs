//! Errors as answers, and the one place where they are logged.
//!
//! [`Failure`] is what OAuth clients get (RFC 6749 §5.2), [`Problem`] what administrators and
//! people with the wrong address get (RFC 9457). Pages for people in the middle of a login are
//! `pages`' matter.

use std::borrow::Cow;
use std::error::Error;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use broker_client::oauth::{ErrorBody, ErrorCode, OAuthError};
use serde::Serialize;

use crate::admin::AdminError;
use crate::domain::TooOften;

/// A refused OAuth request.
#[derive(Debug)]
pub struct Failure {
    error: OAuthError,
    status: StatusCode,
    challenge: bool,
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        let status = match too_often(&error) {
            Some(_) => StatusCode::TOO_MANY_REQUESTS,
            None => error.code().status(),
        };
        Self::with_status(error, status)
    }
}

impl Failure {
    /// The failure of a request that had an `Authorization` header: RFC 6749 §5.2 wants a
    /// `WWW-Authenticate` of that scheme then, and only then.
    #[must_use]
    pub fn of_authorization_header(error: OAuthError) -> Self {
        let challenge = error.code() == ErrorCode::InvalidClient;
        Self {
            challenge,
            ..Self::from(error)
        }
    }

    /// The failure with another status than its code has.
    #[must_use]
    pub fn with_status(error: OAuthError, status: StatusCode) -> Self {
        Self {
            error,
            status,
            challenge: false,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        log(&self.error, self.status, self.error.description());
        let body = ErrorBody::from(&self.error);
        let mut response = (self.status, Json(body)).into_response();
        if let Some(too_often) = too_often(&self.error) {
            let wait = super::limits::retry_after(too_often.retry_after);
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        if self.challenge {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"broker\", charset=\"UTF-8\""),
            );
        }
        response
    }
}

/// Why the caller was not heard, if it was for having been refused too often.
fn too_often(error: &OAuthError) -> Option<&TooOften> {
    error.source()?.downcast_ref()
}

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// What kind of problem: `about:blank` where the status says it all, else a name that stays the
    /// same (RFC 9457 §3.1.1).
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What happened and what to do.
    detail: String,
}

impl Problem {
    /// A problem of this status; `detail` says what to do.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: Cow::Borrowed("about:blank"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    /// The same problem, of a type of ours.
    fn of_type(self, name: &str) -> Self {
        Self {
            kind: Cow::Owned(format!("urn:mcp-token-broker:problem:{name}")),
            ..self
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::NoGroup => StatusCode::FORBIDDEN,
            Self::Invalid { .. } | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Changed => StatusCode::PRECONDITION_FAILED,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::Store(_) | Self::Keys(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        log(&self, status, "");
        let problem = Problem::new(status, self.to_string()).of_type(self.problem_type());
        let mut response = problem.into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"admin\""),
            );
        }
        response
    }
}

/// Logs a refusal with everything that led to it; the request's span adds its id. `about` is a code
/// or a sentence that the error itself does not say.
pub(super) fn log(error: &dyn Error, status: StatusCode, about: &str) {
    let mut cause = String::new();
    let mut source = error.source();
    while let Some(error) = source {
        if !cause.is_empty() {
            cause.push_str(": ");
        }
        cause.push_str(&error.to_string());
        source = error.source();
    }
    let cause = Some(cause).filter(|cause| !cause.is_empty());
    let cause = cause.as_deref();
    if status.is_server_error() {
        tracing::error!(%error, about, cause, "failed");
    } else {
        tracing::info!(%error, about, cause, "refused");
    }
}
