//! Background access with a refresh token of the IdP: the user says yes here, then there, and comes
//! back to `/oauth/callback-nextcloud`.
//!
//! The way is bound to the browser by the cookie of the account session, from which our `state`, the
//! nonce and the PKCE verifier are derived; a callback link that somebody else's browser is given
//! finds another cookie or none. Whoever logged in at the IdP must be the user who is signed in here:
//! else a grant for one account would hang on another's name.

use broker_client::secret::Secret;
use url::Url;

use super::background::Asked;
use super::flow::Derived;
use super::{Notice, Provision, ProvisionError, SignedIn};
use crate::domain::{Actor, AuditEvent, AuditKind, OfflineRequest, OfflineRequestId, RequestInfo};
use crate::offline_tokens::{KeepError, Unprepared};
use crate::upstream::{CallbackError, Login, TokenSet};

/// The purpose of what is derived for one way.
const PURPOSE: &str = "background access";

/// The longest error code of an IdP that we note, in characters.
const LONGEST_ERROR: usize = 64;

/// What came back from the IdP (RFC 6749 §4.1.2 and §4.1.2.1, RFC 9207 §2).
#[derive(Debug, Default)]
pub struct ProviderAnswer {
    /// Which way our `state` names.
    pub id: Option<String>,
    /// The proof in our `state`.
    pub tag: Option<String>,
    /// The IdP's issuer.
    pub iss: Option<String>,
    /// The IdP's code.
    pub code: Option<String>,
    /// Its error instead.
    pub error: Option<String>,
}

impl From<Unprepared> for ProvisionError {
    fn from(reason: Unprepared) -> Self {
        match reason {
            Unprepared::NoKey => Notice::NoKey,
            Unprepared::NoClient => Notice::NoClient,
        }
        .because(reason)
    }
}

impl Provision {
    /// Begins the way to the IdP; returns where it leads.
    pub(super) async fn begin_at_provider(
        &self,
        user: &SignedIn,
        asked: &Asked,
    ) -> Result<Url, ProvisionError> {
        let upstream = self.offline_tokens.client()?;
        let id = OfflineRequestId::parse(self.new_id())
            .map_err(|error| Notice::ServerError.because(error))?;
        let derived = Derived::new(PURPOSE, id.as_str(), &user.cookie);
        let state = derived.state();
        let login = Login {
            state: &state,
            nonce: &derived.nonce(),
            code_verifier: &derived.code_verifier(),
            resource: None,
        };
        let url = upstream
            .login_url(&login)
            .await
            .map_err(|error| Notice::UpstreamUnavailable.because(error))?;
        let request = OfflineRequest {
            id,
            sub: user.sub().clone(),
            downstream: asked.downstream.clone(),
            scope: asked.scope.clone(),
            expires_at: self.ambient.now().plus(self.login_lifetime),
        };
        self.store.record_offline_request(&request).await?;
        Ok(url)
    }

    /// Finishes the way of `user`, who is signed in in the browser that came back.
    ///
    /// # Errors
    /// A notice; each is in the audit, and nothing is stored.
    pub async fn finish_at_provider(
        &self,
        user: Option<&SignedIn>,
        answer: &ProviderAnswer,
        info: &RequestInfo,
    ) -> Result<(), ProvisionError> {
        let kind = AuditKind::OfflineGranted;
        let mut event = match user {
            Some(user) => self.event(kind, user, info),
            None => AuditEvent::new(self.ambient.now(), kind, Actor::Anonymous).during(info),
        };
        match self.answered(user, answer, &mut event, info).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.refused(event, error).await),
        }
    }

    async fn answered(
        &self,
        user: Option<&SignedIn>,
        answer: &ProviderAnswer,
        event: &mut AuditEvent,
        info: &RequestInfo,
    ) -> Result<(), ProvisionError> {
        // Without the cookie it is another browser's: whose answer it is must not count here.
        let user = user.ok_or(Notice::WayLost)?;
        let (Some(id), Some(tag)) = (&answer.id, &answer.tag) else {
            return Err(Notice::WayLost.into());
        };
        let derived = Derived::new(PURPOSE, id, &user.cookie);
        if !derived.is_proven_by(tag) {
            return Err(Notice::WayLost.into());
        }
        let upstream = self.offline_tokens.client()?;
        upstream
            .check_issuer(answer.iss.as_deref())
            .await
            .map_err(|error| match error {
                CallbackError::Issuer => Notice::WayLost.because(error),
                CallbackError::Discovery(_) => Notice::UpstreamUnavailable.because(error),
            })?;
        let id =
            OfflineRequestId::parse(id.as_str()).map_err(|error| Notice::WayLost.because(error))?;
        let request = self
            .store
            .answer_offline_request(&id, user.sub(), event.at)
            .await?
            .ok_or(Notice::WayLost)?;
        event.downstream = Some(request.downstream.clone());
        event.scope = Some(request.scope.to_string());
        let given = self.given(user, answer, &derived, event, info).await;
        let done = match given {
            Ok(tokens) => self.store_given(user, &request, &tokens, event, info).await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            // Answered, and so good for nothing any more.
            self.store.end_offline_request(&request.id).await?;
        }
        done
    }

    /// The tokens that the IdP gave, if it was the same user who logged in there.
    async fn given(
        &self,
        user: &SignedIn,
        answer: &ProviderAnswer,
        derived: &Derived<'_>,
        event: &mut AuditEvent,
        info: &RequestInfo,
    ) -> Result<TokenSet, ProvisionError> {
        let mut note = |reason: &str| {
            event.details.insert("reason".to_owned(), reason.into());
        };
        if let Some(error) = &answer.error {
            // What a browser brings: only what RFC 6749 §4.1.2.1 lets an error code be.
            let is_code =
                error.len() <= LONGEST_ERROR && error.bytes().all(|byte| byte.is_ascii_graphic());
            note(if is_code { error } else { "unknown" });
            return Err(Notice::DeniedThere.into());
        }
        let code = answer.code.as_ref().ok_or(Notice::WayLost)?;
        let identified = self
            .offline_tokens
            .client()?
            .identify(code, &derived.code_verifier(), &derived.nonce())
            .await
            .map_err(|error| {
                note(error.reason());
                super::sign_in::notice_of(&error, Notice::WayLost, Notice::AnswerRefused)
                    .because(error)
            })?;
        let refresh_token = identified
            .tokens
            .as_ref()
            .and_then(|tokens| tokens.refresh_token.clone());
        if identified.identity.into_user(event.at).sub != *user.sub() {
            note("another_user");
            self.give_back(refresh_token, user, info);
            return Err(Notice::OtherLogin.into());
        }
        let lasting = identified.tokens.filter(|_| refresh_token.is_some());
        lasting.ok_or_else(|| {
            note("no_refresh_token");
            Notice::NoRefreshToken.into()
        })
    }

    async fn store_given(
        &self,
        user: &SignedIn,
        request: &OfflineRequest,
        tokens: &TokenSet,
        event: &mut AuditEvent,
        info: &RequestInfo,
    ) -> Result<(), ProvisionError> {
        let stored = async {
            let transaction = self.store.begin().await?;
            if !transaction.end_offline_request(&request.id).await? {
                // Withdrawn meanwhile, or begun anew.
                return Err(Notice::WayLost.into());
            }
            let grant = self
                .grant(
                    &transaction,
                    user,
                    &request.downstream,
                    &request.scope,
                    event,
                )
                .await?;
            self.offline_tokens
                .keep(&transaction, &grant, tokens)
                .await
                .map_err(|error| match error {
                    KeepError::NoRefreshToken => Notice::NoRefreshToken.because(error),
                    KeepError::Sealing(_) | KeepError::Store(_) => {
                        Notice::ServerError.because(error)
                    }
                })?;
            transaction
                .append_audit(std::slice::from_ref(event))
                .await?;
            Ok::<_, ProvisionError>(transaction.commit().await?)
        };
        let stored = stored.await;
        if stored.is_err() {
            self.give_back(tokens.refresh_token.clone(), user, info);
        }
        stored
    }

    /// A refresh token that is not kept must not live on at the IdP.
    fn give_back(&self, token: Option<Secret>, user: &SignedIn, info: &RequestInfo) {
        if let Some(token) = token {
            self.offline_tokens.revoke_unkept(token, user.sub(), info);
        }
    }
}
