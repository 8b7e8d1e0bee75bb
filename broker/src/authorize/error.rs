//! How the browser flow fails: on a page, or at the client (RFC 6749 §4.1.2.1).

use std::error::Error;
use std::fmt;

use broker_client::BoxError;
use broker_client::oauth::{ErrorCode, OAuthError};

use super::{ClientRedirect, Waiting};
use crate::clients::{DocumentFault, Unresolved};
use crate::domain::{Authorization, ClientId};
use crate::storage::StoreError;

/// What becomes of a request that cannot go on.
#[derive(Debug)]
pub enum AuthorizeError {
    /// The browser stays here and shows a page: nobody can be trusted with the answer, or only
    /// the person can help.
    Page(PageError),
    /// The browser goes back to the client, whose redirect URI was checked, with the error.
    Redirect {
        /// Where to, with everything the client gets.
        to: ClientRedirect,
        /// The client.
        client_id: ClientId,
        /// The error, with the cause for the log.
        error: OAuthError,
    },
}

/// A page, and what led to it.
#[derive(Debug)]
pub struct PageError {
    /// Which page.
    pub page: Page,
    /// The client, when the request named one.
    pub client_id: Option<ClientId>,
    /// For the log.
    pub source: Option<BoxError>,
}

/// The pages that a flow can end or pause on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// The request is larger than any real one, or says something twice that decides where the
    /// answer goes.
    BadRequest,
    /// There is no such client.
    UnknownClient,
    /// An administrator has blocked the client.
    BlockedClient,
    /// An administrator has to approve this client first; then the login can go on.
    PendingClient(Box<Waiting>),
    /// The client's id is a URL, and such clients, or those of its domain, are not accepted.
    UntrustedClient,
    /// The client's id is a URL, and the document there cannot be used.
    ClientDocument(DocumentFault),
    /// The redirect URI is not one of the client's.
    RedirectUri,
    /// There is no such flow: never was, or long gone.
    UnknownFlow,
    /// The login took too long.
    Expired,
    /// The flow belongs to another browser, or cookies are off.
    OtherBrowser,
    /// The flow has ended already.
    Finished,
    /// The form is not from our page.
    Forgery,
    /// The IdP's answer is not one to this flow, or not from our IdP.
    Callback,
    /// The IdP does not answer now; the flow named here can go on later.
    UpstreamUnavailable {
        /// The flow's id.
        flow: String,
    },
    /// The IdP's code is spent; the flow named here can go on with a new login.
    LoginAgain {
        /// The flow's id.
        flow: String,
    },
    /// We failed.
    ServerError,
}

impl Page {
    /// The OAuth error that fits best, for audit and log; the browser sees words.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownClient => ErrorCode::InvalidClient,
            Self::BlockedClient | Self::PendingClient(_) | Self::UntrustedClient => {
                ErrorCode::UnauthorizedClient
            }
            Self::ClientDocument(fault) => fault.code(),
            Self::RedirectUri => ErrorCode::InvalidRedirectUri,
            Self::BadRequest
            | Self::UnknownFlow
            | Self::Expired
            | Self::Finished
            | Self::LoginAgain { .. } => ErrorCode::InvalidRequest,
            Self::OtherBrowser | Self::Forgery | Self::Callback => ErrorCode::AccessDenied,
            Self::UpstreamUnavailable { .. } => ErrorCode::TemporarilyUnavailable,
            Self::ServerError => ErrorCode::ServerError,
        }
    }

    /// What the code leaves open, for the audit.
    #[must_use]
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::BlockedClient => Some("client_blocked"),
            Self::PendingClient(_) => Some("client_pending"),
            Self::UntrustedClient => Some("client_untrusted"),
            Self::ClientDocument(fault) => Some(fault.as_str()),
            Self::BadRequest
            | Self::UnknownClient
            | Self::RedirectUri
            | Self::UnknownFlow
            | Self::Expired
            | Self::OtherBrowser
            | Self::Finished
            | Self::Forgery
            | Self::Callback
            | Self::UpstreamUnavailable { .. }
            | Self::LoginAgain { .. }
            | Self::ServerError => None,
        }
    }

    /// This page with what led to it.
    #[must_use]
    pub fn because(self, source: impl Into<BoxError>) -> PageError {
        PageError {
            page: self,
            client_id: None,
            source: Some(source.into()),
        }
    }
}

impl PageError {
    /// The same, in the middle of this flow, to which a client that waits goes back.
    #[must_use]
    pub fn during(mut self, authorization: &Authorization) -> Self {
        if let Page::PendingClient(waiting) = &mut self.page {
            waiting.flow = Some(authorization.id.as_str().to_owned());
        }
        self.about(&authorization.client_id)
    }

    /// The same, about this client.
    #[must_use]
    pub fn about(self, client_id: &ClientId) -> Self {
        Self {
            client_id: Some(client_id.clone()),
            ..self
        }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a page instead of an answer: {:?}", self.page)
    }
}

impl Error for PageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<Page> for PageError {
    fn from(page: Page) -> Self {
        Self {
            page,
            client_id: None,
            source: None,
        }
    }
}

impl From<Unresolved> for PageError {
    fn from(error: Unresolved) -> Self {
        match error {
            Unresolved::Unknown => Page::UnknownClient.into(),
            Unresolved::Blocked => Page::BlockedClient.into(),
            Unresolved::Waiting(client) => {
                Page::PendingClient(Box::new(Waiting::new(&client))).into()
            }
            Unresolved::Untrusted => Page::UntrustedClient.into(),
            Unresolved::Document(error) => Page::ClientDocument(error.fault()).because(error),
            Unresolved::Store(error) => Page::ServerError.because(error),
        }
    }
}

impl From<PageError> for AuthorizeError {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<Page> for AuthorizeError {
    fn from(page: Page) -> Self {
        Self::Page(page.into())
    }
}

impl From<StoreError> for AuthorizeError {
    fn from(error: StoreError) -> Self {
        Self::Page(Page::ServerError.because(error))
    }
}
