//! Users in their own browser: signed in to their account pages, they see and end what acts for
//! them, and let background jobs act while they are away (Flow 2).
//!
//! ```text
//! browser                          broker                                  IdP
//!   │ GET /oauth/authorize-nextcloud  │                                      │
//!   ├────────────────────────────────▶│ who is it? nobody yet                │
//!   │ POST /account/sign-in           │                                      │
//!   ├────────────────────────────────▶│ our state, nonce, PKCE               │
//!   │ log in ───────────────────────────────────────────────────────────────▶│
//!   │ GET /oauth/callback             │ code → id_token                      │
//!   ├────────────────────────────────▶│ account session, cookie              │
//!   │ the page, then POST: allow      │                                      │
//!   ├────────────────────────────────▶│ offline grant of whoever is signed in│
//!   │ confirm it ───────────────────────────────────────────────────────────▶│ not with `mint`
//!   │ GET /oauth/callback-nextcloud   │ code → the same user, refresh token  │
//!   ├────────────────────────────────▶│ sealed, kept; what is allowed now    │
//! ```
//!
//! A grant belongs to the user who signed in in that browser, never to a name in a link. Where the
//! downstream's strategy is `mint` the grant is the recorded consent and nothing else is kept;
//! elsewhere the IdP is asked for a refresh token, by a client of its own. What a job gets for it is
//! [`crate::exchange`]'s.

mod account;
mod at_provider;
mod background;
mod error;
mod flow;
mod sign_in;

use std::sync::Arc;
use std::time::Duration;

pub use account::{Account, ConnectedClient};
pub use at_provider::ProviderAnswer;
pub use background::{Allowed, Asked, AskedPage, BackgroundAccess, Link};
pub use error::{Notice, ProvisionError};
pub use sign_in::{SignIn, SignInAnswer};

use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::crypto;
use crate::domain::{Actor, AuditEvent, AuditKind, Outcome, RequestInfo, Subject, User};
use crate::live::{CatalogHandle, Live};
use crate::offline_tokens::OfflineTokens;
use crate::storage::Store;
use crate::upstream::Upstream;

/// How long a browser stays signed in to the account pages.
pub const SIGNED_IN: Duration = Duration::from_hours(1);

/// The account pages' dependencies.
pub struct Provision {
    /// Users, sessions, offline grants.
    pub store: Store,
    /// Ended grants, in memory.
    pub live: Live,
    /// The audit trail, for rows that stand for themselves.
    pub audit: AuditLog,
    /// Time and randomness.
    pub ambient: Ambient,
    /// The downstreams, and the scopes that mean something there.
    pub catalog: CatalogHandle,
    /// The IdP.
    pub upstream: Arc<Upstream>,
    /// What the IdP gives for background jobs.
    pub offline_tokens: OfflineTokens,
    /// How long a user may take at the IdP.
    pub login_lifetime: Duration,
}

/// A user who is signed in in the browser that asks.
pub struct SignedIn {
    /// Who.
    pub user: User,
    /// The cookie, from which his form tokens are made.
    cookie: String,
}

impl SignedIn {
    /// The token of his forms for one `purpose`.
    #[must_use]
    pub fn csrf(&self, purpose: &str) -> String {
        crypto::derive(&self.cookie, "account form", purpose)
    }

    /// Refuses a form that does not come from his pages.
    fn require_our_form(&self, purpose: &str, csrf: &str) -> Result<(), ProvisionError> {
        if crypto::same(self.csrf(purpose).as_bytes(), csrf.as_bytes()) {
            Ok(())
        } else {
            Err(Notice::Forgery.into())
        }
    }

    fn sub(&self) -> &Subject {
        &self.user.sub
    }
}

impl Provision {
    /// Who is signed in in the browser with this cookie; nobody, when there is none.
    ///
    /// # Errors
    /// [`Notice::ServerError`].
    pub async fn signed_in(
        &self,
        cookie: Option<&str>,
    ) -> Result<Option<SignedIn>, ProvisionError> {
        let Some(cookie) = cookie else {
            return Ok(None);
        };
        let now = self.ambient.now();
        let session = self
            .store
            .account_session(&crypto::hash(cookie), now)
            .await?;
        let user = match session {
            Some(session) => self.store.user(&session.sub).await?,
            None => None,
        };
        Ok(user.map(|user| SignedIn {
            user,
            cookie: cookie.to_owned(),
        }))
    }

    /// An id that nobody guesses.
    fn new_id(&self) -> String {
        uuid::Builder::from_random_bytes(self.ambient.random())
            .into_uuid()
            .simple()
            .to_string()
    }

    /// An audit row of something that `user` does.
    fn event(&self, kind: AuditKind, user: &SignedIn, info: &RequestInfo) -> AuditEvent {
        let actor = Actor::User(user.sub().to_string());
        let mut event = AuditEvent::new(self.ambient.now(), kind, actor).during(info);
        event.sub = Some(user.sub().clone());
        event
    }

    /// Records that `event` did not come about, because of `error`, which it returns.
    async fn refused(&self, mut event: AuditEvent, error: ProvisionError) -> ProvisionError {
        event.outcome = Outcome::Refused(error.notice.code());
        match self.audit.record(event).await {
            Ok(()) => error,
            Err(failure) => Notice::ServerError.because(failure),
        }
    }
}
