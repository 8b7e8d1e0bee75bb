//! The last step of a login: the IdP said who it is, so the client gets a code, if that user has
//! allowed it.

use super::flow::{FlowSecret, of_client};
use super::{Authorize, AuthorizeError, ClientRedirect, Page};
use crate::crypto::{self, Handle};
use crate::domain::{
    Actor, AuditKind, Authorization, AuthorizationId, Client, RequestInfo, Stage, Subject,
    Timestamp,
};
use crate::storage::Transaction;
use crate::upstream::{Identified, SESSION_MEMORY, TokenSet};

/// Where a browser that comes back from the IdP goes.
pub enum Arrival {
    /// To the client; the flow has ended.
    Client {
        /// Where to, with everything the client gets.
        to: ClientRedirect,
        /// A new cookie by which this browser's user is known next time.
        browser: Option<Handle>,
    },
    /// To the consent page of this flow: the user is not the one who has allowed it before.
    Consent(AuthorizationId),
}

impl From<ClientRedirect> for Arrival {
    fn from(to: ClientRedirect) -> Self {
        Self::Client { to, browser: None }
    }
}

impl Authorize {
    /// Writes user, code, the IdP's tokens and audit in one transaction.
    pub(super) async fn approve(
        &self,
        authorization: &Authorization,
        client: &Client,
        secret: &FlowSecret<'_>,
        Identified { identity, tokens }: Identified,
        info: &RequestInfo,
    ) -> Result<Arrival, AuthorizeError> {
        let now = self.ambient.now();
        let session = identity.session.clone();
        let user = identity.into_user(now);
        let sub = user.sub.clone();
        let from = authorization.stage.kind();
        let transaction = self.store.begin().await?;
        let remembered = transaction.consent(&sub, authorization).await?;
        let is_remembered = authorization.stage == Stage::AwaitingKnownUser;
        if is_remembered && !self.is_allowed(remembered.as_ref(), authorization, client) {
            return self.ask_after_all(transaction, authorization).await;
        }
        let code = secret.code();
        let code_expires_at = now.plus(self.code_lifetime);
        let next = authorization
            .clone()
            .approved(sub.clone(), crypto::hash(&code), code_expires_at)
            .map_err(|unchanged| of_client(Page::Finished, &unchanged))?;
        if !transaction.advance_authorization(&next, from).await? {
            drop(transaction);
            let faster = self.answer_of_the_faster(&next, secret).await;
            return faster.map(Arrival::from);
        }
        transaction.record_login(&user).await?;
        if let Some(sid) = &session {
            let until = now.plus(SESSION_MEMORY);
            transaction.note_upstream_session(sid, &sub, until).await?;
        }
        if let Some(tokens) = &tokens {
            self.keep(&transaction, &next, &sub, tokens, code_expires_at)
                .await?;
        }
        let browser = if is_remembered {
            None
        } else {
            self.remember(&transaction, &next, client, &sub, remembered.as_ref())
                .await?
        };

        let actor = Actor::User(sub.as_str().to_owned());
        let event = |kind| {
            let mut event = self.event(kind, actor.clone(), &next, info);
            event.sub = Some(sub.clone());
            event
        };
        let mut login = event(AuditKind::LoginSucceeded);
        // So that an operator can tell whose `sub` it is, and why a mint fails later.
        login.details.insert(
            "nextcloud_uid".to_owned(),
            user.nextcloud_uid.clone().into(),
        );
        let mut events = vec![login];
        if is_remembered {
            let mut consented = event(AuditKind::AuthorizationConsented);
            consented
                .details
                .insert("remembered".to_owned(), true.into());
            events.push(consented);
        }
        events.push(event(AuditKind::CodeIssued));
        transaction.append_audit(&events).await?;
        transaction.commit().await?;
        Ok(Arrival::Client {
            to: ClientRedirect::with_code(&next, &code, &self.issuer),
            browser,
        })
    }

    /// Keeps what the IdP gave for the session that the code becomes, where a downstream needs it.
    async fn keep(
        &self,
        transaction: &Transaction,
        authorization: &Authorization,
        sub: &Subject,
        tokens: &TokenSet,
        code_expires_at: Timestamp,
    ) -> Result<(), AuthorizeError> {
        let sealed = self
            .upstream_tokens
            .seal(&authorization.id, sub, tokens, code_expires_at)
            .map_err(|error| Page::ServerError.because(error))?;
        if let Some(sealed) = &sealed {
            transaction.insert_upstream_tokens(sealed).await?;
        }
        Ok(())
    }

    /// Puts the flow back to its consent page. The login counts for nothing: whoever allows it there
    /// logs in again.
    async fn ask_after_all(
        &self,
        transaction: Transaction,
        authorization: &Authorization,
    ) -> Result<Arrival, AuthorizeError> {
        let from = authorization.stage.kind();
        if let Ok(next) = authorization.clone().asked_after_all() {
            // Decided on the page meanwhile: the page says what became of it.
            transaction.advance_authorization(&next, from).await?;
            transaction.commit().await?;
        }
        Ok(Arrival::Consent(authorization.id.clone()))
    }
}
