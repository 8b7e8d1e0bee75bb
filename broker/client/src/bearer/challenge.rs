//! [`Challenge`]: the `WWW-Authenticate` header of RFC 6750 §3 and RFC 9728 §5.1.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

use crate::oauth::{ErrorBody, ErrorCode, OAuthError, Scope};

/// Tells a client how to get a token that will do.
///
/// Without an error it says "authenticate", which is all that a request without a token gets to
/// know (RFC 6750 §3.1).
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Challenge {
    error: Option<(ErrorCode, Cow<'static, str>)>,
    scope: Scope,
    resource_metadata: Option<String>,
}

impl Challenge {
    /// A challenge with the URL of the resource's metadata.
    pub fn new(resource_metadata: impl Into<String>) -> Self {
        Self {
            resource_metadata: Some(resource_metadata.into()),
            ..Self::default()
        }
    }

    /// Says what was wrong with the token.
    pub fn error(mut self, code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        self.error = Some((code, description.into()));
        self
    }

    /// Says which scopes the client should ask for: *all* that it needs, because many clients ask
    /// for exactly these.
    pub fn scope(mut self, scope: &Scope) -> Self {
        self.scope = scope.clone();
        self
    }

    /// A good token that allows too little; `required` are all scopes that the request needs.
    pub fn insufficient_scope(
        self,
        required: &Scope,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.error(ErrorCode::InsufficientScope, description)
            .scope(required)
    }

    /// The value of the header `WWW-Authenticate`.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        let mut parameters = Vec::new();
        if let Some((code, description)) = &self.error {
            parameters.push(format!("error=\"{code}\""));
            parameters.push(format!("error_description=\"{}\"", quotable(description)));
        }
        if !self.scope.is_empty() {
            parameters.push(format!("scope=\"{}\"", self.scope));
        }
        if let Some(url) = &self.resource_metadata {
            parameters.push(format!("resource_metadata=\"{}\"", quotable(url)));
        }
        HeaderValue::try_from(format!("Bearer {}", parameters.join(", ")).trim_end())
            .unwrap_or(HeaderValue::from_static("Bearer"))
    }

    /// The status that goes with the error; 401 without one.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.error
            .as_ref()
            .map_or(StatusCode::UNAUTHORIZED, |(code, _)| code.status())
    }
}

impl IntoResponse for Challenge {
    fn into_response(self) -> Response {
        let mut response = match &self.error {
            None => self.status().into_response(),
            Some((code, description)) => {
                let error = OAuthError::new(*code, description.clone());
                (self.status(), Json(ErrorBody::from(&error))).into_response()
            }
        };
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, self.header_value());
        response
    }
}

/// The text without what RFC 6750 §3 forbids in these values: all but printable ASCII, and quote
/// and backslash.
fn quotable(text: &str) -> String {
    let allowed = |c: &char| (*c == ' ' || c.is_ascii_graphic()) && *c != '"' && *c != '\\';
    text.chars().filter(allowed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "https://a.example/.well-known/oauth-protected-resource/mcp";

    #[test]
    fn without_a_token_nothing_is_said_about_errors() {
        let scope = "notes.write notes.read".parse().unwrap();
        let challenge = Challenge::new(METADATA).scope(&scope);
        assert_eq!(challenge.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            challenge.header_value(),
            "Bearer scope=\"notes.read notes.write\", resource_metadata=\
             \"https://a.example/.well-known/oauth-protected-resource/mcp\""
        );
    }

    #[test]
    fn insufficient_scope_is_forbidden_and_lists_what_is_needed() {
        let challenge =
            Challenge::new(METADATA).insufficient_scope(&"b a".parse().unwrap(), "Too little.");
        assert_eq!(challenge.status(), StatusCode::FORBIDDEN);
        let header = challenge.header_value();
        let expected = "Bearer error=\"insufficient_scope\", error_description=\"Too little.\", \
                        scope=\"a b\", resource_metadata=";
        assert!(header.to_str().unwrap().starts_with(expected), "{header:?}");
    }

    #[test]
    fn a_description_cannot_break_out_of_its_quotes() {
        let challenge = Challenge::default().error(
            ErrorCode::InvalidToken,
            "a\", scope=\"x\\\r\nSet-Cookie: y\u{e9}",
        );
        assert_eq!(
            challenge.header_value(),
            "Bearer error=\"invalid_token\", error_description=\"a, scope=xSet-Cookie: y\""
        );
        assert_eq!(Challenge::default().header_value(), "Bearer");
    }
}
