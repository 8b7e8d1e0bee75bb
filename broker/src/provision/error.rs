//! How the account pages fail: on a page that says what to do.

use std::error::Error;
use std::fmt;

use broker_client::BoxError;
use broker_client::oauth::ErrorCode;

use crate::storage::StoreError;

/// What a page tells instead of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// The answer of the IdP belongs to no sign-in of this browser, or to one too old.
    SignInLost,
    /// The user did not complete the login at the IdP, or its answer is not believed.
    SignInFailed,
    /// The IdP does not answer now.
    UpstreamUnavailable,
    /// The form is not from our page.
    Forgery,
    /// The link was made for another user than the one who is signed in.
    OtherUser,
    /// There is no such downstream, or none with background access.
    NotOffered,
    /// The scopes asked are not ones that mean something there.
    Scope,
    /// The user has no account name at the downstream.
    NoAccount,
    /// The IdP's answer belongs to nothing that this browser has begun, or came too late or twice.
    WayLost,
    /// The user, or the IdP, said no there.
    DeniedThere,
    /// The IdP's answer is not believed.
    AnswerRefused,
    /// Another user logged in at the IdP than the one who is signed in here.
    OtherLogin,
    /// The IdP gave nothing that lasts while the user is away.
    NoRefreshToken,
    /// Without an encryption key nothing is kept.
    NoKey,
    /// No client for background access is configured.
    NoClient,
    /// We failed.
    ServerError,
}

impl Notice {
    /// The OAuth error that fits best, for audit and log; the browser sees words.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::SignInLost | Self::WayLost => ErrorCode::InvalidRequest,
            Self::SignInFailed
            | Self::Forgery
            | Self::OtherUser
            | Self::NoAccount
            | Self::DeniedThere
            | Self::AnswerRefused
            | Self::OtherLogin
            | Self::NoRefreshToken => ErrorCode::AccessDenied,
            Self::UpstreamUnavailable => ErrorCode::TemporarilyUnavailable,
            Self::NotOffered => ErrorCode::InvalidTarget,
            Self::Scope => ErrorCode::InvalidScope,
            Self::NoKey | Self::NoClient | Self::ServerError => ErrorCode::ServerError,
        }
    }

    /// This notice with what led to it.
    #[must_use]
    pub fn because(self, source: impl Into<BoxError>) -> ProvisionError {
        ProvisionError {
            notice: self,
            source: Some(source.into()),
        }
    }
}

/// A notice, and what led to it.
#[derive(Debug)]
pub struct ProvisionError {
    /// What the page tells.
    pub notice: Notice,
    /// For the log.
    source: Option<BoxError>,
}

impl fmt::Display for ProvisionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a notice instead of a page: {:?}", self.notice)
    }
}

impl Error for ProvisionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Notice> for ProvisionError {
    fn from(notice: Notice) -> Self {
        Self {
            notice,
            source: None,
        }
    }
}

impl From<StoreError> for ProvisionError {
    fn from(error: StoreError) -> Self {
        Notice::ServerError.because(error)
    }
}
