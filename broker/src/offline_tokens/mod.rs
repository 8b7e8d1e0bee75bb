//! The refresh tokens that the IdP gave for the time a user is away: kept sealed while his offline
//! grant stands, renewed in time, revoked and deleted with it.
//!
//! They come with `/oauth/callback-nextcloud` ([`crate::provision`]), from a client at the IdP that
//! is used for nothing else, and are used for background jobs only ([`crate::exchange`]). Nothing of
//! a session names a row of theirs: every door here takes an [`OfflineGrant`].

mod renewal;
mod withdrawal;

use std::sync::Arc;
use std::time::Duration;

use broker_client::oauth::OAuthError;
use broker_client::secret::Secret;
use tracing::Instrument as _;

use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::crypto::{Cipher, CipherError, SealingContext};
use crate::domain::{DownstreamName, OfflineGrant, OfflineGrantId, Subject};
use crate::storage::{SealedOfflineTokens, Store, StoreError, Transaction};
use crate::upstream::{TokenSet, Upstream};
use crate::upstream_tokens::{AccessToken, Failure, Life, Renewable, Turns, renew};

use renewal::OfOfflineGrant;

/// Interrupted refreshes that are looked after in one go.
const BATCH: u64 = 100;

/// Why this broker keeps no tokens for background jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unprepared {
    /// Without an encryption key none are kept.
    #[error("no encryption key is configured")]
    NoKey,
    /// There is no client at the IdP to ask for them with.
    #[error("no client for background access is configured")]
    NoClient,
}

/// The tokens of a login at the IdP cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// There is nothing that would last.
    #[error("the identity provider gave no refresh token")]
    NoRefreshToken,
    /// Sealing failed.
    #[error(transparent)]
    Sealing(#[from] CipherError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps, renews and revokes the tokens of offline grants. Cheap to clone.
#[derive(Clone)]
pub struct OfflineTokens {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Dependencies,
    turns: Turns<OfflineGrantId>,
}

/// What it takes.
pub struct Dependencies {
    /// The database.
    pub store: Store,
    /// The audit trail, for what stands for itself.
    pub audit: AuditLog,
    /// Seals and opens.
    pub cipher: Cipher,
    /// The IdP, as seen by the client for background access; `None` where there is none.
    pub upstream: Option<Arc<Upstream>>,
    /// Time and randomness.
    pub ambient: Ambient,
    /// Where users allow it, for those who have to do so again.
    pub allowed_at: String,
    /// How long an IdP that is not well is asked again, before the caller is told.
    pub patience: Duration,
}

impl OfflineTokens {
    /// Keeps tokens with these.
    #[must_use]
    pub fn new(parts: Dependencies) -> Self {
        Self {
            inner: Arc::new(Inner {
                parts,
                turns: Turns::new(),
            }),
        }
    }

    /// The IdP, as seen by the client for background access.
    ///
    /// # Errors
    /// See [`Unprepared`].
    pub fn client(&self) -> Result<&Arc<Upstream>, Unprepared> {
        let parts = &self.inner.parts;
        if !parts.cipher.is_configured() {
            return Err(Unprepared::NoKey);
        }
        parts.upstream.as_ref().ok_or(Unprepared::NoClient)
    }

    /// The same for whoever has to tell a background job.
    ///
    /// # Errors
    /// `server_error`, which says what the administrator has to configure.
    pub fn provider(&self) -> Result<&Upstream, OAuthError> {
        self.client().map(Arc::as_ref).map_err(unprepared)
    }

    /// Records what the IdP gave for `grant`, in place of earlier tokens. Those are left to the IdP:
    /// revoking them would end the new ones too, where both belong to one session there.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub async fn keep(
        &self,
        transaction: &Transaction,
        grant: &OfflineGrant,
        tokens: &TokenSet,
    ) -> Result<(), KeepError> {
        let sealed = self.sealed(grant, tokens, 0)?;
        Ok(transaction.record_offline_tokens(&sealed).await?)
    }

    /// The IdP's access token for `grant`, renewed if its end is near. Many callers at once, on
    /// however many replicas, cause one request to the IdP.
    ///
    /// # Errors
    /// What the background job is to be told. The grant may be failing then, which is recorded.
    pub async fn access_token(&self, grant: &OfflineGrant) -> Result<AccessToken, OAuthError> {
        let upstream = self.client().map_err(unprepared)?;
        self.fresh(grant, upstream)
            .await
            .map_err(|failure| self.told(failure, &grant.downstream))
    }

    /// Looks after refreshes whose process died before it stored the answer: asks again, and marks
    /// the grant as failing if the IdP has spent its token. Returns how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle_interrupted(&self) -> Result<usize, StoreError> {
        let parts = &self.inner.parts;
        let Ok(upstream) = self.client() else {
            return Ok(0);
        };
        let now = parts.ambient.now();
        let interrupted = parts.store.interrupted_offline_grants(now, BATCH).await?;
        for id in &interrupted {
            if let Some(grant) = parts.store.offline_grant(id).await? {
                // Whatever comes of it is recorded with the grant, and told to the next caller.
                drop(self.fresh(&grant, upstream).await);
            }
        }
        Ok(interrupted.len())
    }

    /// What a background job is told whose grant the IdP has ended.
    #[must_use]
    pub fn ended(&self, downstream: &DownstreamName) -> OAuthError {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("downstream", downstream.as_str())
            .finish();
        OAuthError::invalid_request(format!(
            "The identity provider has ended this background access. The user has to allow it again: \
             {}?{query}",
            self.inner.parts.allowed_at
        ))
    }

    async fn fresh(
        &self,
        grant: &OfflineGrant,
        upstream: &Arc<Upstream>,
    ) -> Result<AccessToken, Failure> {
        let tokens = OfOfflineGrant {
            tokens: self.clone(),
            upstream: Arc::clone(upstream),
            grant: grant.clone(),
        };
        let row = tokens.row().await?;
        if !tokens.life(&row).is_due(self.inner.parts.ambient.now()) {
            return tokens.open(&row);
        }
        // A task of its own: the IdP spends the old refresh token, so the new one must be stored
        // even when the caller has hung up meanwhile.
        let renewal = async move {
            let inner = &tokens.tokens.inner;
            let _turn = inner.turns.turn(&tokens.grant.id).await;
            renew(&tokens, inner.parts.patience).await
        };
        tokio::spawn(renewal.in_current_span())
            .await
            .unwrap_or(Err(Failure::Unavailable(None)))
    }

    fn sealed(
        &self,
        grant: &OfflineGrant,
        tokens: &TokenSet,
        version: i64,
    ) -> Result<SealedOfflineTokens, KeepError> {
        let parts = &self.inner.parts;
        let refresh_token = tokens.refresh_token.as_ref();
        let refresh_token = refresh_token.ok_or(KeepError::NoRefreshToken)?;
        let life = Life::of(tokens, parts.ambient.now());
        let seal = |column, token: &Secret| {
            let context = context(&grant.id, &grant.sub, column);
            let token = token.expose().as_bytes();
            parts.cipher.seal(&parts.ambient, context, token)
        };
        Ok(SealedOfflineTokens {
            grant: grant.id.clone(),
            sub: grant.sub.clone(),
            access_token: seal(ACCESS_TOKEN, &tokens.access_token)?,
            refresh_token: seal(REFRESH_TOKEN, refresh_token)?,
            expires_at: life.expires_at,
            renew_at: life.renew_at,
            version,
            leased_until: None,
        })
    }

    /// What a background job is told.
    fn told(&self, failure: Failure, downstream: &DownstreamName) -> OAuthError {
        let error = match &failure {
            Failure::Missing | Failure::Expired | Failure::Ended(_) => self.ended(downstream),
            Failure::Misconfigured(_) => OAuthError::server_error(
                "The identity provider refuses to renew tokens for the broker's background client. \
                 The administrator has to check the [upstream.offline] section.",
            ),
            Failure::NoKey | Failure::Unavailable(_) | Failure::Sealed(_) | Failure::Store(_) => {
                return failure.into();
            }
        };
        error.because(failure)
    }
}

fn unprepared(reason: Unprepared) -> OAuthError {
    match reason {
        Unprepared::NoKey => Failure::NoKey.into(),
        Unprepared::NoClient => OAuthError::server_error(
            "The broker has no client for background access at the identity provider. The \
             administrator has to configure [upstream.offline].",
        ),
    }
}

const TABLE: &str = "offline_tokens";
const ACCESS_TOKEN: &str = "access_token";
const REFRESH_TOKEN: &str = "refresh_token";

/// Where a sealed token stands.
fn context<'a>(
    grant: &'a OfflineGrantId,
    sub: &'a Subject,
    column: &'static str,
) -> SealingContext<'a> {
    SealingContext {
        table: TABLE,
        column,
        row: grant.as_str(),
        user: sub.as_str(),
    }
}
