//! The tokens that the IdP gave at a login: kept sealed while the session lives, renewed in time.
//!
//! They come with the callback (`authorize`), belong to the grant once the code is redeemed
//! (`token`), and are destroyed with it. What they are used for is [`crate::exchange`]'s matter; no
//! MCP client and no MCP server's own token ever carries them.
//!
//! They are kept only when a downstream needs them and an encryption key is configured. Each value
//! opens in its own row, column and for its own user only.

mod renew;

use std::sync::Arc;
use std::time::Duration;

use broker_client::oauth::OAuthError;
use broker_client::secret::Secret;
use moka::future::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::Instrument as _;

use crate::ambient::Ambient;
use crate::crypto::{Cipher, CipherError, SealingContext};
use crate::domain::{AuthorizationId, GrantId, Subject, Timestamp};
use crate::storage::{SealedTokens, Store, StoreError};
use crate::upstream::{TokenError, TokenSet, Upstream};

/// New tokens are asked for this long before the old ones end, so that what is handed out lasts for
/// a call; at most half of a life, where lives are shorter.
const AHEAD: Duration = Duration::from_secs(30);

/// What is believed when the IdP does not say how long its access token lives.
const UNSAID: Duration = Duration::from_mins(5);

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
    /// The sessions whose tokens this process renews: the others wait here and not at the database.
    turns: Cache<GrantId, Arc<Mutex<()>>>,
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
        let turns = Cache::builder()
            .max_capacity(10_000)
            .time_to_idle(Duration::from_mins(1))
            .build();
        Self {
            inner: Arc::new(Inner {
                store,
                cipher,
                upstream,
                ambient,
                keeping,
                turns,
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
        let row = self.inner.row(grant, sub).await?;
        if !row.is_due(self.inner.ambient.now()) {
            return self.inner.open(&row);
        }
        // A task of its own: the IdP spends the old refresh token, so the new one must be stored
        // even when the caller has hung up meanwhile.
        let renewal = renew::renew(self.clone(), grant.clone(), sub.clone());
        tokio::spawn(renewal.in_current_span())
            .await
            .unwrap_or(Err(Failure::Unavailable(None)))
    }

    /// Waits until no other caller in this process renews the tokens of `grant`.
    async fn turn(&self, grant: &GrantId) -> OwnedMutexGuard<()> {
        let lock = self
            .inner
            .turns
            .get_with_by_ref(grant, async { Arc::default() });
        lock.await.lock_owned().await
    }
}

impl Inner {
    async fn row(&self, grant: &GrantId, sub: &Subject) -> Result<SealedTokens, Failure> {
        let row = self.store.upstream_tokens(grant).await?;
        // Another user's row would not open either; this says it before it is tried.
        row.filter(|row| row.sub == *sub).ok_or(Failure::Missing)
    }

    /// A row with these tokens, as of now. The caller says until when it is kept.
    fn sealed(
        &self,
        flow: &AuthorizationId,
        sub: &Subject,
        tokens: &TokenSet,
    ) -> Result<SealedTokens, CipherError> {
        let now = self.ambient.now();
        let unsaid = tokens.refresh_token.is_some().then_some(UNSAID);
        let lifetime = tokens.lifetime.or(unsaid);
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
            expires_at: lifetime.map(|life| now.plus(life)),
            renew_at: lifetime.map(|life| now.plus(life.saturating_sub(AHEAD.min(life / 2)))),
            keep_until: now,
            version: 0,
        })
    }

    fn open(&self, row: &SealedTokens) -> Result<AccessToken, Failure> {
        Ok(AccessToken {
            token: self.secret(row, ACCESS_TOKEN, &row.access_token)?,
            expires_at: row.expires_at,
        })
    }

    fn secret(
        &self,
        row: &SealedTokens,
        column: &'static str,
        sealed: &[u8],
    ) -> Result<Secret, Failure> {
        let opened = self
            .cipher
            .open(context(&row.flow, &row.sub, column), sealed)
            .map_err(Failure::Sealed)?;
        let text = std::str::from_utf8(&opened).map_err(|_| Failure::Sealed(CipherError::Damaged));
        Ok(Secret::from(text?))
    }
}

impl SealedTokens {
    /// Whether it is time for new ones.
    fn is_due(&self, now: Timestamp) -> bool {
        self.renew_at.is_some_and(|at| now >= at)
    }

    /// Whether the access token is of no use any more.
    fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
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
