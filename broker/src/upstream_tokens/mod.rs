//! The tokens that the IdP gave at a login: kept sealed while the session lives, renewed in time.
//!
//! They come with the callback (`authorize`), belong to the grant once the code is redeemed
//! (`token`), and are destroyed with it. What they are used for is [`crate::exchange`]'s matter; no
//! MCP client and no MCP server's own token ever carries them.
//!
//! They are kept only when a downstream needs them and an encryption key is configured. Each value
//! opens in its own row, column and for its own user only.

mod renew;
mod renewal;

use std::sync::Arc;
use std::time::Duration;

use broker_client::oauth::OAuthError;
use broker_client::secret::Secret;
use tracing::Instrument as _;

pub(crate) use renewal::{Life, Renewable, Turns, open, renew};

use renew::OfSession;

use crate::ambient::Ambient;
use crate::crypto::{Cipher, CipherError, SealingContext};
use crate::domain::{AuthorizationId, GrantId, Subject, Timestamp};
use crate::storage::{SealedTokens, Store, StoreError};
use crate::upstream::{TokenError, TokenSet, Upstream};

/// An access token of the IdP, in clear, for the one who asked.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// When it ends, if the IdP said so.
    pub expires_at: Option<Timestamp>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Without an encryption key none are kept.
    #[error("no encryption key is configured, so no tokens of the identity provider are kept")]
    NoKey,
    /// This session has none: the IdP gave none, or they were not kept when it began.
    #[error("no tokens of the identity provider are kept for this session")]
    Missing,
    /// The access token is over and there is no refresh token.
    #[error("the identity provider's access token has ended and cannot be renewed")]
    Expired,
    /// The IdP does not stand behind this login any more.
    #[error("the identity provider ended this login")]
    Ended(#[source] TokenError),
    /// The IdP could not be asked, or did not know; later may be better.
    #[error("the identity provider gave no new tokens")]
    Unavailable(#[source] Option<TokenError>),
    /// The IdP refuses us, whoever the user is.
    #[error("the identity provider refuses to renew tokens for this broker")]
    Misconfigured(#[source] TokenError),
    /// A stored token does not open.
    #[error("a stored token does not open")]
    Sealed(#[source] CipherError),
    /// The database failed.
    #[error("the tokens could not be read or written")]
    Store(#[from] StoreError),
}

impl From<Failure> for OAuthError {
    /// `invalid_grant` says that the session is over for good: whoever answers it ends the grant.
    fn from(failure: Failure) -> Self {
        let error = match &failure {
            Failure::NoKey => Self::server_error(
                "The broker has no encryption key, so it cannot keep the identity provider's \
                 tokens. The administrator has to configure keys.encryption.",
            ),
            Failure::Missing | Failure::Expired | Failure::Ended(_) => Self::invalid_grant(
                "The identity provider's part of this session is over. The user has to log in \
                 again.",
            ),
            Failure::Unavailable(_) => Self::temporarily_unavailable(
                "The identity provider does not renew tokens at the moment. Try again in a minute.",
            ),
            Failure::Misconfigured(_) => Self::server_error(
                "The identity provider refuses to renew tokens for the broker. The administrator \
                 has to check the [upstream] section.",
            ),
            Failure::Sealed(_) => Self::server_error(
                "The broker's encryption keys do not open a stored token. The administrator has \
                 to check keys.encryption.",
            ),
            Failure::Store(_) => Self::server_error(
                "The broker could not reach its database. Try again in a moment.",
            ),
        };
        error.because(failure)
    }
}

/// Keeps and renews the IdP's tokens. Cheap to clone.
#[derive(Clone)]
pub struct UpstreamTokens {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    cipher: Cipher,
    upstream: Arc<Upstream>,
    ambient: Ambient,
    keeping: Keeping,
    /// The sessions whose tokens this process renews.
    turns: Turns<GrantId>,
}

/// Whether tokens are kept, and how long a renewal may take.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// Whether any downstream needs them; else none are stored.
    pub needed: bool,
    /// How long an IdP that is not well is asked again, before the caller is told.
    pub patience: Duration,
}

impl Keeping {
    /// Shorter than callers wait for an exchange.
    pub const PATIENCE: Duration = Duration::from_secs(5);
}

impl UpstreamTokens {
    /// Keeps tokens of `upstream` in `store`, sealed with `cipher`.
    #[must_use]
    pub fn new(
        store: Store,
        cipher: Cipher,
        upstream: Arc<Upstream>,
        ambient: Ambient,
        keeping: Keeping,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                cipher,
                upstream,
                ambient,
                keeping,
                turns: Turns::new(),
            }),
        }
    }

    /// The tokens of a login as they are stored, until `keep_until`; `None` when nobody needs them
    /// or there is no key to seal them with.
    ///
    /// # Errors
    /// [`CipherError`] when sealing fails.
    pub fn seal(
        &self,
        flow: &AuthorizationId,
        sub: &Subject,
        tokens: &TokenSet,
        keep_until: Timestamp,
    ) -> Result<Option<SealedTokens>, CipherError> {
        if !self.inner.keeping.needed || !self.inner.cipher.is_configured() {
            return Ok(None);
        }
        self.inner
            .sealed(flow, sub, tokens)
            .map(|sealed| SealedTokens {
                keep_until,
                ..sealed
            })
            .map(Some)
    }

    /// The access token of a session, renewed if its end is near. Many callers at once, on however
    /// many replicas, cause one request to the IdP.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn access_token(
        &self,
        grant: &GrantId,
        sub: &Subject,
    ) -> Result<AccessToken, Failure> {
        if !self.inner.cipher.is_configured() {
            return Err(Failure::NoKey);
        }
        let session = OfSession {
            tokens: self.clone(),
            grant: grant.clone(),
            sub: sub.clone(),
        };
        let row = session.row().await?;
        if !session.life(&row).is_due(self.inner.ambient.now()) {
            return session.open(&row);
        }
        // A task of its own: the IdP spends the old refresh token, so the new one must be stored
        // even when the caller has hung up meanwhile.
        let renewal = async move {
            let inner = &session.tokens.inner;
            let _turn = inner.turns.turn(&session.grant).await;
            renew(&session, inner.keeping.patience).await
        };
        tokio::spawn(renewal.in_current_span())
            .await
            .unwrap_or(Err(Failure::Unavailable(None)))
    }
}

impl Inner {
    /// A row with these tokens, as of now. The caller says until when it is kept.
    fn sealed(
        &self,
        flow: &AuthorizationId,
        sub: &Subject,
        tokens: &TokenSet,
    ) -> Result<SealedTokens, CipherError> {
        let now = self.ambient.now();
        let life = Life::of(tokens, now);
        let seal = |column, token: &Secret| {
            let context = context(flow, sub, column);
            self.cipher
                .seal(&self.ambient, context, token.expose().as_bytes())
        };
        let refresh_token = tokens.refresh_token.as_ref();
        Ok(SealedTokens {
            flow: flow.clone(),
            sub: sub.clone(),
            grant: None,
            access_token: seal(ACCESS_TOKEN, &tokens.access_token)?,
            refresh_token: refresh_token
                .map(|token| seal(REFRESH_TOKEN, token))
                .transpose()?,
            expires_at: life.expires_at,
            renew_at: life.renew_at,
            keep_until: now,
            version: 0,
        })
    }

    fn secret(
        &self,
        row: &SealedTokens,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<Secret, Failure> {
        let context = context(&row.flow, &row.sub, column);
        open(&self.cipher, context, sealed)
    }
}

const TABLE: &str = "upstream_tokens";
const ACCESS_TOKEN: &str = "access_token";
const REFRESH_TOKEN: &str = "refresh_token";

/// Where a sealed token stands.
fn context<'a>(
    flow: &'a AuthorizationId,
    sub: &'a Subject,
    column: &'static str,
) -> SealingContext<'a> {
    SealingContext {
        table: TABLE,
        column,
        row: flow.as_str(),
        user: sub.as_str(),
    }
}
