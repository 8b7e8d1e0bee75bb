//! [`OAuthError`]: what went wrong, said in the words of the RFCs.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;

use crate::BoxError;

/// An OAuth error code: what a client program decides upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// RFC 6749 §5.2, RFC 6750 §3.1: the request is malformed.
    InvalidRequest,
    /// RFC 6749 §5.2: client authentication failed.
    InvalidClient,
    /// RFC 6749 §5.2: the code, refresh token or assertion is not good (any more).
    InvalidGrant,
    /// RFC 6749 §5.2: this client may not use this grant.
    UnauthorizedClient,
    /// RFC 6749 §5.2: the server does not know this `grant_type`.
    UnsupportedGrantType,
    /// RFC 6749 §4.1.2.1: the server does not know this `response_type`.
    UnsupportedResponseType,
    /// RFC 7009 §2.2.1: the server does not handle this kind of token.
    UnsupportedTokenType,
    /// RFC 6749 §5.2: the scope is unknown, malformed or more than may be granted.
    InvalidScope,
    /// RFC 8707 §2, RFC 8693 §2.2.2: the resource or audience is not one to be had.
    InvalidTarget,
    /// RFC 6749 §4.1.2.1: the user or the server said no.
    AccessDenied,
    /// OpenID Connect Core §3.1.2.6.
    LoginRequired,
    /// OpenID Connect Core §3.1.2.6.
    ConsentRequired,
    /// OpenID Connect Core §3.1.2.6.
    InteractionRequired,
    /// OpenID Connect Core §3.1.2.6: the parameter `request` is not supported.
    RequestNotSupported,
    /// OpenID Connect Core §3.1.2.6: the parameter `request_uri` is not supported.
    RequestUriNotSupported,
    /// RFC 6749 §4.1.2.1: the server failed.
    ServerError,
    /// RFC 6749 §4.1.2.1: try again later.
    TemporarilyUnavailable,
    /// RFC 6750 §3.1: the access token is expired, revoked, malformed or not for us.
    InvalidToken,
    /// RFC 6750 §3.1: the access token is good but allows too little.
    InsufficientScope,
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 21] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::UnsupportedResponseType,
        Self::UnsupportedTokenType,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::AccessDenied,
        Self::LoginRequired,
        Self::ConsentRequired,
        Self::InteractionRequired,
        Self::RequestNotSupported,
        Self::RequestUriNotSupported,
        Self::ServerError,
        Self::TemporarilyUnavailable,
        Self::InvalidToken,
        Self::InsufficientScope,
        Self::InvalidRedirectUri,
        Self::InvalidClientMetadata,
    ];

    /// The code of this exact name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The code as it is spelled on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
        }
    }

    /// The HTTP status of a direct answer with this code (RFC 6749 §5.2, RFC 6750 §3.1).
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::UnsupportedResponseType
            | Self::UnsupportedTokenType
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::AccessDenied
            | Self::LoginRequired
            | Self::ConsentRequired
            | Self::InteractionRequired
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported
            | Self::InvalidRedirectUri
            | Self::InvalidClientMetadata => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A protocol error: a code for the program, a sentence for the developer, a cause for us.
///
/// Only [`OAuthError::code`] and [`OAuthError::description`] ever leave the process; the cause is
/// for the log. `Display` is the code, so that formatting an error can leak nothing.
#[derive(Debug)]
pub struct OAuthError {
    code: ErrorCode,
    description: Cow<'static, str>,
    source: Option<BoxError>,
}

/// Writes a constructor for each error code.
macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $code:ident;)*) => {
        impl OAuthError {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(description: impl Into<Cow<'static, str>>) -> Self {
                    Self::new(ErrorCode::$code, description)
                }
            )*
        }
    };
}

constructors! {
    /// `invalid_request`: the request is malformed.
    invalid_request => InvalidRequest;
    /// `invalid_client`: client authentication failed.
    invalid_client => InvalidClient;
    /// `invalid_grant`: the code, refresh token or assertion is not good.
    invalid_grant => InvalidGrant;
    /// `unauthorized_client`: this client may not use this grant.
    unauthorized_client => UnauthorizedClient;
    /// `unsupported_grant_type`: unknown `grant_type`.
    unsupported_grant_type => UnsupportedGrantType;
    /// `unsupported_response_type`: unknown `response_type`.
    unsupported_response_type => UnsupportedResponseType;
    /// `unsupported_token_type`: the kind of token is not handled.
    unsupported_token_type => UnsupportedTokenType;
    /// `invalid_scope`: unknown, malformed or too much.
    invalid_scope => InvalidScope;
    /// `invalid_target`: the resource or audience is not to be had.
    invalid_target => InvalidTarget;
    /// `access_denied`: the user or the server said no.
    access_denied => AccessDenied;
    /// `login_required`: `prompt=none`, but nobody is signed in.
    login_required => LoginRequired;
    /// `consent_required`: `prompt=none`, but consent is missing.
    consent_required => ConsentRequired;
    /// `interaction_required`: `prompt=none`, but the user is needed.
    interaction_required => InteractionRequired;
    /// `request_not_supported`: request objects are not supported.
    request_not_supported => RequestNotSupported;
    /// `request_uri_not_supported`: request URIs are not supported.
    request_uri_not_supported => RequestUriNotSupported;
    /// `server_error`: we failed.
    server_error => ServerError;
    /// `temporarily_unavailable`: try again later.
    temporarily_unavailable => TemporarilyUnavailable;
    /// `invalid_token`: the access token is no good.
    invalid_token => InvalidToken;
    /// `insufficient_scope`: the access token allows too little.
    insufficient_scope => InsufficientScope;
    /// `invalid_redirect_uri`: a redirect URI that may not be registered.
    invalid_redirect_uri => InvalidRedirectUri;
    /// `invalid_client_metadata`: client metadata that may not be registered.
    invalid_client_metadata => InvalidClientMetadata;
}

impl OAuthError {
    /// An error with a public sentence. Prefer the constructor named after the code.
    ///
    /// The sentence goes to whoever asked: keep it constant, or made of nothing but what the
    /// asker sent and configured names.
    #[must_use]
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: description.into(),
            source: None,
        }
    }

    /// Adds the private cause, which only the log shows.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The public sentence.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(formatter)
    }
}

impl std::error::Error for OAuthError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn display_is_the_code_and_the_cause_stays_inside() {
        let error = OAuthError::invalid_grant("The code has expired.").because("row 17");
        assert_eq!(error.to_string(), "invalid_grant");
        assert_eq!(error.description(), "The code has expired.");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("row 17")
        );
    }

    #[test]
    fn statuses_follow_the_rfcs() {
        assert_eq!(ErrorCode::InvalidClient.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(ErrorCode::InvalidGrant.status(), StatusCode::BAD_REQUEST);
        assert_eq!(ErrorCode::InvalidTarget.status(), StatusCode::BAD_REQUEST);
        assert_eq!(ErrorCode::InsufficientScope.status(), StatusCode::FORBIDDEN);
        assert_eq!(
            ErrorCode::TemporarilyUnavailable.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
}
