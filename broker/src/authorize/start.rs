//! `GET /oauth/authorize`: a request that passes its checks becomes a flow of this browser.

use url::Url;

use super::{AuthorizationRequest, Authorize, AuthorizeError, Page, PageError, flow};
use crate::crypto::Handle;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Authorization, AuthorizationId, Outcome, RequestInfo, Stage,
};

/// A flow that has begun.
pub struct Started {
    /// Its id, for the consent page's URL.
    pub flow: AuthorizationId,
    /// The value of its cookie. Only its hash is stored.
    pub cookie: Handle,
    /// Where the user logs in, when the consent page is passed over.
    pub login: Option<Url>,
}

impl Authorize {
    /// Begins a flow. Nothing of an earlier one is touched: a client may fetch its authorization
    /// URL before the browser does. `browser` is the cookie of an earlier login, if there is one.
    ///
    /// # Errors
    /// See [`AuthorizeError`]; each refusal is in the audit.
    pub async fn start(
        &self,
        request: &AuthorizationRequest,
        browser: Option<&str>,
        info: &RequestInfo,
    ) -> Result<Started, AuthorizeError> {
        match self.begin(request, browser, info).await {
            Ok(started) => Ok(started),
            Err(error) => {
                self.record_refusal(AuditKind::AuthorizationStarted, &error, info)
                    .await?;
                Err(error)
            }
        }
    }

    async fn begin(
        &self,
        request: &AuthorizationRequest,
        browser: Option<&str>,
        info: &RequestInfo,
    ) -> Result<Started, AuthorizeError> {
        let accepted = self.judge(request, info).await?;
        let (id, cookie) = flow::new_flow(self)?;
        let now = self.ambient.now();
        let mut authorization = Authorization {
            id,
            client_id: accepted.client.id.clone(),
            redirect_uri: accepted.redirect_uri,
            state: accepted.state,
            scope: accepted.scope,
            resource: accepted.resource,
            code_challenge: accepted.code_challenge,
            browser: cookie.hash(),
            created_at: now,
            expires_at: now.plus(self.login_lifetime),
            stage: Stage::AwaitingConsent,
        };
        let login = match browser {
            Some(browser) if !request.wants_interaction() => {
                self.pass_over(&authorization, &accepted.client, &cookie, browser)
                    .await?
            }
            _ => None,
        };
        if login.is_some() {
            authorization.stage = Stage::AwaitingKnownUser;
        }
        let actor = Actor::Client(authorization.client_id.as_str().to_owned());
        let event = self.event(AuditKind::AuthorizationStarted, actor, &authorization, info);
        let transaction = self.store.begin().await?;
        transaction.insert_authorization(&authorization).await?;
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        Ok(Started {
            flow: authorization.id,
            cookie,
            login,
        })
    }

    /// An audit row about a flow.
    pub(super) fn event(
        &self,
        kind: AuditKind,
        actor: Actor,
        authorization: &Authorization,
        info: &RequestInfo,
    ) -> AuditEvent {
        let mut event = AuditEvent::new(self.ambient.now(), kind, actor).during(info);
        event.client_id = Some(authorization.client_id.clone());
        event.resource = Some(authorization.resource.clone());
        event.scope = Some(authorization.scope.to_string());
        event.details.insert(
            "redirect_uri".to_owned(),
            authorization.redirect_uri.as_str().into(),
        );
        event
            .details
            .insert("flow".to_owned(), authorization.id.as_str().into());
        event
    }

    /// Writes the row of a refusal that changed nothing else.
    pub(super) async fn record_refusal(
        &self,
        kind: AuditKind,
        error: &AuthorizeError,
        info: &RequestInfo,
    ) -> Result<(), AuthorizeError> {
        let (client_id, code) = match error {
            AuthorizeError::Page(PageError {
                page, client_id, ..
            }) => (client_id.clone(), page.code()),
            AuthorizeError::Redirect {
                client_id, error, ..
            } => (Some(client_id.clone()), error.code()),
        };
        let actor = client_id.as_ref().map_or(Actor::Anonymous, |client_id| {
            Actor::Client(client_id.as_str().to_owned())
        });
        let mut event = AuditEvent::new(self.ambient.now(), kind, actor).during(info);
        event.outcome = Outcome::Refused(code);
        event.client_id = client_id;
        if let AuthorizeError::Page(PageError { page, .. }) = error
            && let Some(reason) = page.reason()
        {
            event.details.insert("reason".to_owned(), reason.into());
        }
        self.audit
            .record(event)
            .await
            .map_err(|error| Page::ServerError.because(error).into())
    }
}
