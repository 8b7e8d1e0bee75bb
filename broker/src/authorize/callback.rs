//! `GET /oauth/callback`: the browser comes back from the IdP; if all agree, the client gets a code.
//!
//! Cookie, `state`, row and `iss` must agree before the IdP's code is even looked at. Until the
//! last step nothing is consumed, so whatever fails before can be tried again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_client::oauth::OAuthError;
use moka::future::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::consent::unavailable;
use super::flow::{FlowSecret, OpenFlow, of_client};
use super::{Arrival, Authorize, AuthorizeError, ClientRedirect, Page};
use crate::crypto;
use crate::domain::{Actor, AuditKind, Authorization, Outcome, RequestInfo, Stage};
use crate::upstream::{Advice, CallbackError, IdentifyError};

/// The IdP's authorization response (RFC 6749 §4.1.2, RFC 9207 §2).
#[derive(Default)]
pub struct Callback {
    parameters: BTreeMap<String, String>,
    is_malformed: bool,
}

impl Callback {
    /// Parses a query string.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let mut callback = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !value.is_empty()
                && callback
                    .parameters
                    .insert(name.into_owned(), value.into_owned())
                    .is_some()
            {
                callback.is_malformed = true;
            }
        }
        callback
    }

    /// The flow that the response's `state` names, to find its cookie by; not yet believed.
    #[must_use]
    pub fn flow(&self) -> Option<&str> {
        Some(self.state()?.0)
    }

    /// The proof in the response's `state` that we made it.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        Some(self.state()?.1)
    }

    /// A parameter of a response that says nothing twice.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|_| !self.is_malformed)
    }

    /// Our `state`: flow id and tag.
    fn state(&self) -> Option<(&str, &str)> {
        self.get("state")?.split_once('.')
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }
}

/// The callbacks that this process is working on, so that two of one flow come one after the other.
///
/// The IdP redeems a code once. A browser that reloads sends the same response again while the
/// first is on its way; it waits here and gets the first one's answer. Other replicas do not see
/// it; there the user is asked to log in once more.
#[derive(Clone)]
pub struct Logins(Cache<String, Arc<Mutex<()>>>);

impl Default for Logins {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(10_000)
                .time_to_idle(Duration::from_mins(1))
                .build(),
        )
    }
}

impl Logins {
    /// Waits until no other callback of `flow` is worked on. A made-up flow costs one small entry.
    async fn turn(&self, flow: &str) -> OwnedMutexGuard<()> {
        let lock = self.0.get_with_by_ref(flow, async { Arc::default() }).await;
        lock.lock_owned().await
    }
}

impl Authorize {
    /// Finishes a login: who it is, and a code for the client. The same response twice gets the
    /// same code, while it is good and not redeemed.
    ///
    /// # Errors
    /// See [`AuthorizeError`]; each refusal is in the audit.
    pub async fn finish(
        &self,
        callback: &Callback,
        cookie: Option<&str>,
        info: &RequestInfo,
    ) -> Result<Arrival, AuthorizeError> {
        match self.complete(callback, cookie, info).await {
            // A flow that ends at the client has its row already, in the change that ended it.
            Err(error @ AuthorizeError::Page(_)) => {
                self.record_refusal(AuditKind::LoginFailed, &error, info)
                    .await?;
                Err(error)
            }
            other => other,
        }
    }

    async fn complete(
        &self,
        callback: &Callback,
        cookie: Option<&str>,
        info: &RequestInfo,
    ) -> Result<Arrival, AuthorizeError> {
        let (flow, tag) = match callback.state() {
            Some(state) if !callback.is_malformed => state,
            _ => return Err(Page::Callback.into()),
        };
        let _turn = self.logins.turn(flow).await;
        let OpenFlow {
            authorization,
            client,
        } = self.open_flow(flow, cookie).await?;
        let secret = FlowSecret::new(&authorization.id, cookie.unwrap_or_default());
        if !crypto::same(secret.state_tag().as_bytes(), tag.as_bytes()) {
            return Err(of_client(Page::Callback, &authorization));
        }
        if let Some(answer) = self.answer_again(&authorization, &secret) {
            return Ok(answer.into());
        }
        self.require_undecided(&authorization)?;
        if authorization.stage == Stage::AwaitingConsent {
            return Err(of_client(Page::Callback, &authorization));
        }
        self.require_our_upstream(callback, &authorization).await?;
        if let Some(error) = callback.get("error") {
            let error = refusal_of(error);
            return Err(self
                .fail(&authorization, error, "upstream_error", info)
                .await);
        }
        let Some(code) = callback.get("code") else {
            return Err(of_client(Page::Callback, &authorization));
        };
        let identified = self
            .upstream
            .identify(code, &secret.code_verifier(), &secret.nonce())
            .await;
        match identified {
            Ok(identified) => {
                self.approve(&authorization, &client, &secret, identified, info)
                    .await
            }
            Err(error) => {
                self.not_identified(&authorization, &secret, error, info)
                    .await
            }
        }
    }

    async fn require_our_upstream(
        &self,
        callback: &Callback,
        authorization: &Authorization,
    ) -> Result<(), AuthorizeError> {
        match self.upstream.check_issuer(callback.get("iss")).await {
            Ok(()) => Ok(()),
            Err(CallbackError::Discovery(error)) => Err(unavailable(authorization, error)),
            // Mix-up: the response is somebody else's, the flow still waits for the right one.
            Err(error @ CallbackError::Issuer) => {
                let mut page = Page::Callback.because(error);
                page.client_id = Some(authorization.client_id.clone());
                Err(page.into())
            }
        }
    }

    async fn not_identified(
        &self,
        authorization: &Authorization,
        secret: &FlowSecret<'_>,
        error: IdentifyError,
        info: &RequestInfo,
    ) -> Result<Arrival, AuthorizeError> {
        let reason = error.reason();
        let flow = authorization.id.as_str().to_owned();
        let page = match error.advice() {
            Advice::TryAgain => Page::UpstreamUnavailable { flow },
            Advice::LoginAgain => {
                // The IdP redeems a code once: perhaps the same response, sent twice, has won.
                if let Ok(answer) = self.answer_of_the_faster(authorization, secret).await {
                    return Ok(answer.into());
                }
                Page::LoginAgain { flow }
            }
            Advice::GiveUp => {
                let error = OAuthError::server_error(
                    "The identity provider's answer could not be verified.",
                )
                .because(error);
                return Err(self.fail(authorization, error, reason, info).await);
            }
        };
        let mut page = page.because(error);
        page.client_id = Some(authorization.client_id.clone());
        Err(page.into())
    }

    /// Ends the flow at the client with `error`.
    async fn fail(
        &self,
        authorization: &Authorization,
        error: OAuthError,
        reason: &'static str,
        info: &RequestInfo,
    ) -> AuthorizeError {
        let mut event = self.event(
            AuditKind::LoginFailed,
            Actor::Anonymous,
            authorization,
            info,
        );
        event.outcome = Outcome::Refused(error.code());
        event.details.insert("reason".to_owned(), reason.into());
        if let Err(failure) = self.end(authorization, event).await {
            return failure;
        }
        AuthorizeError::Redirect {
            to: ClientRedirect::with_error(
                &authorization.redirect_uri,
                &error,
                authorization.state.as_deref(),
                &self.issuer,
            ),
            client_id: authorization.client_id.clone(),
            error,
        }
    }

    /// The code again, when the flow has handed it out and it can still be redeemed.
    fn answer_again(
        &self,
        authorization: &Authorization,
        secret: &FlowSecret<'_>,
    ) -> Option<ClientRedirect> {
        match authorization.stage {
            Stage::Approved {
                code_expires_at, ..
            } if self.ambient.now() < code_expires_at => Some(ClientRedirect::with_code(
                authorization,
                &secret.code(),
                &self.issuer,
            )),
            Stage::AwaitingConsent
            | Stage::AwaitingLogin
            | Stage::AwaitingKnownUser
            | Stage::Approved { .. }
            | Stage::Redeemed { .. }
            | Stage::Denied => None,
        }
    }

    /// What another request with the same response has achieved meanwhile.
    pub(super) async fn answer_of_the_faster(
        &self,
        authorization: &Authorization,
        secret: &FlowSecret<'_>,
    ) -> Result<ClientRedirect, AuthorizeError> {
        self.store
            .authorization(&authorization.id)
            .await?
            .and_then(|current| self.answer_again(&current, secret))
            .ok_or_else(|| of_client(Page::Finished, authorization))
    }
}

/// What the client is told of the IdP's error (RFC 6749 §4.1.2.1, OIDC Core §3.1.2.6).
fn refusal_of(error: &str) -> OAuthError {
    match error {
        "access_denied"
        | "login_required"
        | "consent_required"
        | "interaction_required"
        | "account_selection_required" => {
            OAuthError::access_denied("The login at the identity provider was not completed.")
        }
        "temporarily_unavailable" => OAuthError::temporarily_unavailable(
            "The identity provider is not available at the moment.",
        ),
        // Ours to mend, not the client's: what we sent was refused.
        _ => OAuthError::server_error("The identity provider refused the login request."),
    }
}

#[cfg(test)]
mod tests {
    use broker_client::oauth::ErrorCode;

    use super::*;

    #[test]
    fn the_flow_is_read_from_our_state() {
        assert_eq!(Callback::parse("state=id.tag&code=c").flow(), Some("id"));
        assert_eq!(Callback::parse("state=idtag&code=c").flow(), None);
        assert_eq!(Callback::parse("code=c").flow(), None);
    }

    #[test]
    fn a_repeated_parameter_makes_the_response_malformed() {
        assert!(Callback::parse("code=a&code=b").is_malformed);
        assert!(!Callback::parse("code=a&session_state=b").is_malformed);
    }

    #[test]
    fn the_client_hears_whether_the_user_the_provider_or_we_are_at_fault() {
        for (error, code) in [
            ("access_denied", ErrorCode::AccessDenied),
            ("login_required", ErrorCode::AccessDenied),
            ("temporarily_unavailable", ErrorCode::TemporarilyUnavailable),
            ("server_error", ErrorCode::ServerError),
            ("invalid_scope", ErrorCode::ServerError),
            ("anything", ErrorCode::ServerError),
        ] {
            assert_eq!(refusal_of(error).code(), code, "{error}");
        }
    }
}
