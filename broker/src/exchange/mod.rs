//! What a caller's token may become: how a token for a downstream comes about.
//!
//! Whether the caller may have it was decided before, in `token`; a strategy only produces
//! it. Each downstream has one strategy, and there is no fallback from one to another. A new
//! strategy is a new file here and a line in [`Strategies`].

pub mod check;
mod foreign;
mod mint;
mod offline;
mod session;
mod uids;
mod upstream;

use std::time::Duration;

use async_trait::async_trait;
use broker_client::oauth::{OAuthError, Scope, token_type};
use broker_client::secret::Secret;

pub use mint::Mint;
pub use offline::BackgroundJob;
pub use session::Session;
pub use uids::Uids;
pub use upstream::UpstreamExchange;

use crate::domain::{ClientId, Downstream, GrantId, Strategy, Subject, Timestamp};
use crate::offline_tokens::OfflineTokens;

/// A decided exchange: everything that a strategy may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// The user.
    pub sub: &'a Subject,
    /// The session of the subject token.
    pub grant: &'a GrantId,
    /// The client that asks, who will act for the user.
    pub client_id: &'a ClientId,
    /// What the token is for.
    pub downstream: &'a Downstream,
    /// What it may do: a subset of the subject token's scope.
    pub scope: &'a Scope,
    /// When.
    pub now: Timestamp,
    /// When the subject token ends; no token outlives it.
    pub not_after: Timestamp,
}

/// A token to produce, for a caller's session or for a background job: what both have.
#[derive(Debug, Clone, Copy)]
struct Order<'a> {
    /// Who asks.
    asker: Asker,
    /// The user.
    sub: &'a Subject,
    /// The client that asks, who will act for the user.
    client_id: &'a ClientId,
    /// What the token is for.
    downstream: &'a Downstream,
    /// What it may do.
    scope: &'a Scope,
    /// When.
    now: Timestamp,
    /// When what it comes from ends; it does not outlive that.
    not_after: Timestamp,
}

/// Who asks for a token, and so what helps when there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// A client that is being called in a session.
    Session,
    /// A background job.
    Job,
}

impl<'a> From<&Exchange<'a>> for Order<'a> {
    fn from(exchange: &Exchange<'a>) -> Self {
        Self {
            asker: Asker::Session,
            sub: exchange.sub,
            client_id: exchange.client_id,
            downstream: exchange.downstream,
            scope: exchange.scope,
            now: exchange.now,
            not_after: exchange.not_after,
        }
    }
}

impl Order<'_> {
    /// The whole seconds from now to `end`, when there are any.
    fn lifetime(&self, end: Timestamp) -> Result<Duration, OAuthError> {
        let lifetime = Duration::from_secs(end.since(self.now).as_secs());
        if !lifetime.is_zero() {
            return Ok(lifetime);
        }
        Err(match self.asker {
            Asker::Session => {
                OAuthError::invalid_request("The subject_token is about to expire. Renew it first.")
            }
            Asker::Job => OAuthError::temporarily_unavailable(
                "The identity provider's token is about to expire, and there is no new one yet. Try \
                 again in a minute.",
            ),
        })
    }
}

/// A token for a downstream. Never stored, never logged.
#[derive(Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: Secret,
    /// How long it lives from now, in whole seconds.
    pub lifetime: Duration,
    /// What it may do.
    pub scope: Scope,
}

/// A way in which tokens for a downstream come about.
#[async_trait]
pub trait ExchangeStrategy: Send + Sync {
    /// Produces the token.
    ///
    /// # Errors
    /// `invalid_request` when this user or this subject token cannot get one; `invalid_grant` when
    /// this session never will again, and is to be ended; `server_error` and
    /// `temporarily_unavailable` when something failed.
    async fn exchange(&self, exchange: &Exchange<'_>) -> Result<IssuedToken, OAuthError>;
}

/// The strategies of this installation.
pub struct Strategies {
    /// The broker signs the token itself.
    pub mint: Mint,
    /// The IdP's token of this login.
    pub session: Session,
    /// The IdP exchanges its token of this login.
    pub upstream_exchange: UpstreamExchange,
    /// The IdP's tokens for background jobs; no strategy of a session.
    pub offline: OfflineTokens,
}

impl Strategies {
    /// The strategy of a downstream.
    #[must_use]
    pub fn of(&self, downstream: &Downstream) -> &dyn ExchangeStrategy {
        match downstream.strategy {
            Strategy::Mint => &self.mint,
            Strategy::Session => &self.session,
            Strategy::UpstreamExchange => &self.upstream_exchange,
        }
    }
}

/// The kind of token that was asked for (RFC 8693 §2.1, `requested_token_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// An access token, whatever its form; the default.
    AccessToken,
    /// A JWT, which our access tokens are.
    Jwt,
}

impl TokenForm {
    /// The identifier for `issued_token_type`.
    #[must_use]
    pub const fn token_type(self) -> &'static str {
        match self {
            Self::AccessToken => token_type::ACCESS_TOKEN,
            Self::Jwt => token_type::JWT,
        }
    }
}
