//! How a registration request fails, in the words of RFC 7591 §3.2.2 and RFC 6750 §3.

use std::time::Duration;

use broker_client::oauth::OAuthError;

use crate::storage::StoreError;

/// Why a registration request fails. What the client reads is the [`OAuthError`] in each.
#[derive(Debug)]
pub enum Refused {
    /// The request, or we ourselves, by the error's own status.
    Request(OAuthError),
    /// There was no token, or it is not good here.
    Token {
        /// What is wrong.
        error: OAuthError,
        /// Whether one was sent: RFC 6750 §3.1 says more about it only then.
        was_sent: bool,
    },
    /// Nobody may do this, whatever the request says.
    Forbidden(OAuthError),
    /// It was done too often.
    TooMany {
        /// What was too much.
        error: OAuthError,
        /// When it is worth trying again.
        retry_after: Duration,
        /// Whether this is the first refusal of its kind for now. A flood must not fill the audit
        /// trail, so only the first has a row there.
        is_first: bool,
    },
}

impl Refused {
    /// What the client reads.
    #[must_use]
    pub const fn error(&self) -> &OAuthError {
        match self {
            Self::Request(error)
            | Self::Forbidden(error)
            | Self::Token { error, .. }
            | Self::TooMany { error, .. } => error,
        }
    }

    pub(super) const fn is_worth_a_row(&self) -> bool {
        match self {
            Self::Request(_) | Self::Forbidden(_) | Self::Token { .. } => true,
            Self::TooMany { is_first, .. } => *is_first,
        }
    }
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self::Request(error)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Request(error.into())
    }
}
