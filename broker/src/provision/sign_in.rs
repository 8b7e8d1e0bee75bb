//! Signing in to the account pages: the same login at the IdP, without a client.
//!
//! As in the browser flow, one secret in a cookie carries it, and our `state`, the nonce and the PKCE
//! verifier are derived from it; nothing is stored before the user is known.

use url::Url;

use super::{Notice, Provision, ProvisionError, SIGNED_IN, SignedIn};
use crate::crypto::{self, Handle};
use crate::domain::{AccountSession, Actor, AuditEvent, AuditKind, RequestInfo};
use crate::upstream::{Advice, CallbackError, IdentifyError, Login};

/// A sign-in that has begun.
pub struct SignIn {
    /// Its id, in our `state`; public.
    pub id: String,
    /// The secret for its cookie.
    pub cookie: Handle,
    /// Where the user logs in.
    pub login: Url,
}

/// What came back from the IdP (RFC 6749 §4.1.2, RFC 9207 §2).
pub struct SignInAnswer<'a> {
    /// Which sign-in our `state` names.
    pub id: &'a str,
    /// The proof in our `state`.
    pub tag: &'a str,
    /// The cookie of that sign-in.
    pub cookie: Option<&'a str>,
    /// The IdP's issuer.
    pub iss: Option<&'a str>,
    /// The IdP's code.
    pub code: Option<&'a str>,
}

/// What follows from the secret of one sign-in.
struct Derived<'a> {
    id: &'a str,
    secret: &'a str,
}

impl Derived<'_> {
    fn derive(&self, purpose: &str) -> String {
        crypto::derive(self.secret, purpose, self.id)
    }

    fn tag(&self) -> String {
        self.derive("sign-in state")
    }

    fn nonce(&self) -> String {
        self.derive("sign-in nonce")
    }

    /// 43 characters, as RFC 7636 §4.1 asks at least.
    fn code_verifier(&self) -> String {
        self.derive("sign-in pkce")
    }
}

impl Provision {
    /// Begins a sign-in. `prefix` marks its `state`, so that the callback knows whose it is.
    ///
    /// # Errors
    /// [`Notice::UpstreamUnavailable`].
    pub async fn begin_sign_in(&self, prefix: &str) -> Result<SignIn, ProvisionError> {
        let id = uuid::Builder::from_random_bytes(self.ambient.random())
            .into_uuid()
            .simple()
            .to_string();
        let cookie = Handle::generate(&self.ambient);
        let derived = Derived {
            id: &id,
            secret: cookie.expose(),
        };
        let state = format!("{prefix}{id}.{}", derived.tag());
        let login = Login {
            state: &state,
            nonce: &derived.nonce(),
            code_verifier: &derived.code_verifier(),
            resource: None,
        };
        let login = self
            .upstream
            .login_url(&login)
            .await
            .map_err(|error| Notice::UpstreamUnavailable.because(error))?;
        Ok(SignIn { id, cookie, login })
    }

    /// Finishes a sign-in; returns the cookie of the account session. The IdP's tokens of this login
    /// are dropped: nothing here acts with them.
    ///
    /// # Errors
    /// A notice; each is in the audit.
    pub async fn finish_sign_in(
        &self,
        answer: &SignInAnswer<'_>,
        info: &RequestInfo,
    ) -> Result<Handle, ProvisionError> {
        match self.identify(answer, info).await {
            Ok(cookie) => Ok(cookie),
            Err(error) => {
                let kind = AuditKind::AccountSignedIn;
                let event = AuditEvent::new(self.ambient.now(), kind, Actor::Anonymous);
                Err(self.refused(event.during(info), error).await)
            }
        }
    }

    async fn identify(
        &self,
        answer: &SignInAnswer<'_>,
        info: &RequestInfo,
    ) -> Result<Handle, ProvisionError> {
        // Without the cookie it is another browser's: whose login it was must not count here.
        let secret = answer.cookie.ok_or(Notice::SignInLost)?;
        let derived = Derived {
            id: answer.id,
            secret,
        };
        if !crypto::same(derived.tag().as_bytes(), answer.tag.as_bytes()) {
            return Err(Notice::SignInLost.into());
        }
        self.upstream
            .check_issuer(answer.iss)
            .await
            .map_err(|error| match error {
                CallbackError::Issuer => Notice::SignInLost.because(error),
                CallbackError::Discovery(_) => Notice::UpstreamUnavailable.because(error),
            })?;
        let code = answer.code.ok_or(Notice::SignInFailed)?;
        let identified = self
            .upstream
            .identify(code, &derived.code_verifier(), &derived.nonce())
            .await
            .map_err(|error| notice_of(&error).because(error))?;

        let now = self.ambient.now();
        let user = identified.identity.into_user(now);
        let cookie = Handle::generate(&self.ambient);
        let actor = Actor::User(user.sub.to_string());
        let mut event = AuditEvent::new(now, AuditKind::AccountSignedIn, actor).during(info);
        event.sub = Some(user.sub.clone());
        let transaction = self.store.begin().await?;
        transaction.record_login(&user).await?;
        transaction
            .insert_account_session(&AccountSession {
                cookie: cookie.hash(),
                sub: user.sub,
                expires_at: now.plus(SIGNED_IN),
            })
            .await?;
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        Ok(cookie)
    }

    /// Signs the user out in this browser.
    ///
    /// # Errors
    /// [`Notice::Forgery`], [`Notice::ServerError`].
    pub async fn sign_out(
        &self,
        user: &SignedIn,
        csrf: &str,
        info: &RequestInfo,
    ) -> Result<(), ProvisionError> {
        user.require_our_form("sign-out", csrf)?;
        let event = self.event(AuditKind::AccountSignedOut, user, info);
        let transaction = self.store.begin().await?;
        transaction
            .delete_account_session(&crypto::hash(&user.cookie))
            .await?;
        transaction.append_audit(&[event]).await?;
        Ok(transaction.commit().await?)
    }
}

fn notice_of(error: &IdentifyError) -> Notice {
    match error.advice() {
        Advice::TryAgain => Notice::UpstreamUnavailable,
        Advice::LoginAgain => Notice::SignInLost,
        Advice::GiveUp => Notice::SignInFailed,
    }
}
