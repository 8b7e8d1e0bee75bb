//! Signing in to the account pages: the same login at the IdP, without a client.
//!
//! As in the browser flow, one secret in a cookie carries it, and our `state`, the nonce and the PKCE
//! verifier are derived from it; nothing is stored before the user is known.

use url::Url;

use super::flow::Derived;
use super::{Notice, Provision, ProvisionError, SIGNED_IN, SignedIn};
use crate::crypto::{self, Handle};
use crate::domain::{AccountSession, Actor, AuditEvent, AuditKind, RequestInfo};
use crate::upstream::{Advice, CallbackError, IdentifyError, Login, SESSION_MEMORY};

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

/// The purpose of what is derived for one sign-in.
const PURPOSE: &str = "sign-in";

impl Provision {
    /// Begins a sign-in. `prefix` marks its `state`, so that the callback knows whose it is.
    ///
    /// # Errors
    /// [`Notice::UpstreamUnavailable`].
    pub async fn begin_sign_in(&self, prefix: &str) -> Result<SignIn, ProvisionError> {
        let id = self.new_id();
        let cookie = Handle::generate(&self.ambient);
        let derived = Derived::new(PURPOSE, &id, cookie.expose());
        let state = format!("{prefix}{}", derived.state());
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
        let derived = Derived::new(PURPOSE, answer.id, secret);
        if !derived.is_proven_by(answer.tag) {
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
            .map_err(|error| {
                notice_of(&error, Notice::SignInLost, Notice::SignInFailed).because(error)
            })?;

        let now = self.ambient.now();
        let session = identified.identity.session.clone();
        let user = identified.identity.into_user(now);
        let cookie = Handle::generate(&self.ambient);
        let actor = Actor::User(user.sub.to_string());
        let mut event = AuditEvent::new(now, AuditKind::AccountSignedIn, actor).during(info);
        event.sub = Some(user.sub.clone());
        let transaction = self.store.begin().await?;
        transaction.record_login(&user).await?;
        if let Some(sid) = &session {
            let until = now.plus(SESSION_MEMORY);
            transaction
                .note_upstream_session(sid, &user.sub, until)
                .await?;
        }
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

/// What a page tells when the IdP's code leads to no user: that a new try helps (`lost`), or that it
/// does not (`failed`).
pub(super) fn notice_of(error: &IdentifyError, lost: Notice, failed: Notice) -> Notice {
    match error.advice() {
        Advice::TryAgain => Notice::UpstreamUnavailable,
        Advice::LoginAgain => lost,
        Advice::GiveUp => failed,
    }
}
