//! `/oauth/consent`: what the user is asked, and what becomes of the answer.
//!
//! The page comes before the redirect to the IdP: we have one client there for all clients here,
//! so the IdP cannot ask on behalf of each (MCP security best practices, "confused deputy").

use broker_client::oauth::OAuthError;
use url::Url;

use super::flow::{FlowSecret, OpenFlow, of_client};
use super::{Authorize, AuthorizeError, ClientRedirect, Page};
use crate::crypto;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Authorization, Client, ClientKind, ClientStatus, ClientUrl,
    Outcome, RequestInfo, Stage,
};
use crate::upstream::{DiscoveryError, Login};

/// What the consent page shows.
pub struct ConsentPage {
    /// The flow's id, for the form.
    pub flow: String,
    /// The form token.
    pub csrf: String,
    /// The client's name.
    pub client_name: Option<String>,
    /// Whether the client gave itself that name.
    pub is_self_named: bool,
    /// Whether an administrator, or the configuration, has approved the client.
    pub is_approved: bool,
    /// The host whose owner vouches for the name and the redirect URIs: it publishes them over https.
    pub published_by: Option<String>,
    /// The client's id.
    pub client_id: String,
    /// Where the answer goes: a host, or the scheme of an app's private-use URI.
    pub redirect_host: String,
    /// Whether the answer goes to a program on the user's own computer.
    pub is_native: bool,
    /// The resource's name.
    pub resource_name: String,
    /// The resource's identifier.
    pub resource: String,
    /// Each scope with its meaning in plain words.
    pub scopes: Vec<(String, String)>,
    /// The IdP's host, where the user logs in next.
    pub upstream_host: String,
}

/// The consent page's form.
pub struct ConsentForm {
    /// The flow's id.
    pub flow: String,
    /// The form token.
    pub csrf: String,
    /// The button.
    pub decision: Decision,
}

/// Which button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Go on to the IdP.
    Allow,
    /// Back to the client with `access_denied`.
    Deny,
}

/// Where the browser goes after the decision.
pub enum Onward {
    /// To the IdP.
    Upstream(Url),
    /// Back to the client; the flow has ended.
    Client(ClientRedirect),
}

impl Authorize {
    /// The consent page of a flow. May be asked any number of times, also after the decision, as
    /// when the user comes back from the IdP's page to change his mind.
    ///
    /// # Errors
    /// A page: another browser, expired, finished.
    pub async fn consent_page(
        &self,
        flow: &str,
        cookie: Option<&str>,
    ) -> Result<ConsentPage, AuthorizeError> {
        let OpenFlow {
            authorization,
            client,
        } = self.open_flow(flow, cookie).await?;
        self.require_undecided(&authorization)?;
        let secret = FlowSecret::new(&authorization.id, cookie.unwrap_or_default());
        let catalog = self.catalog.current();
        let resource = catalog.resource(&authorization.resource);
        let scopes = authorization
            .scope
            .iter()
            .map(|scope| {
                let meaning = resource
                    .and_then(|resource| resource.scopes.get(scope))
                    .map_or(scope, String::as_str);
                (scope.to_owned(), meaning.to_owned())
            })
            .collect();
        let published_by = published_by(&client);
        Ok(ConsentPage {
            flow: authorization.id.as_str().to_owned(),
            csrf: secret.csrf(),
            is_self_named: is_self_named(&client),
            is_approved: client.status == ClientStatus::Approved,
            published_by,
            client_name: client.name,
            client_id: client.id.as_str().to_owned(),
            redirect_host: authorization.redirect_uri.display_host(),
            is_native: authorization.redirect_uri.is_native(),
            resource_name: resource.map_or_else(
                || authorization.resource.to_string(),
                |resource| resource.name.clone(),
            ),
            resource: authorization.resource.to_string(),
            scopes,
            upstream_host: self.upstream.display_host(),
        })
    }

    /// Takes the user's decision. The same decision twice gets the same answer.
    ///
    /// # Errors
    /// A page: another browser, a form that is not ours, expired, finished, the IdP does not answer.
    pub async fn decide(
        &self,
        form: &ConsentForm,
        cookie: Option<&str>,
        info: &RequestInfo,
    ) -> Result<Onward, AuthorizeError> {
        let OpenFlow { authorization, .. } = self.open_flow(&form.flow, cookie).await?;
        let secret = FlowSecret::new(&authorization.id, cookie.unwrap_or_default());
        if !crypto::same(secret.csrf().as_bytes(), form.csrf.as_bytes()) {
            return Err(of_client(Page::Forgery, &authorization));
        }
        match form.decision {
            Decision::Deny => self.deny(&authorization, info).await.map(Onward::Client),
            Decision::Allow => {
                self.require_undecided(&authorization)?;
                // Before anything is written: when the IdP is not there, the page can be tried again.
                let url = self.login_url(&authorization, &secret).await?;
                self.allow(&authorization, info).await?;
                Ok(Onward::Upstream(url))
            }
        }
    }

    pub(super) async fn login_url(
        &self,
        authorization: &Authorization,
        secret: &FlowSecret<'_>,
    ) -> Result<Url, AuthorizeError> {
        // Made only now, after the approval, given or remembered (MCP security best practices).
        let login = Login {
            state: &secret.state(),
            nonce: &secret.nonce(),
            code_verifier: &secret.code_verifier(),
            resource: Some(&authorization.resource),
        };
        self.upstream
            .login_url(&login)
            .await
            .map_err(|error| unavailable(authorization, error))
    }

    async fn allow(
        &self,
        authorization: &Authorization,
        info: &RequestInfo,
    ) -> Result<(), AuthorizeError> {
        // Already allowed: the second click of a double submit.
        let Ok(next) = authorization.clone().consented() else {
            return Ok(());
        };
        let event = self.event(
            AuditKind::AuthorizationConsented,
            Actor::Anonymous,
            &next,
            info,
        );
        let transaction = self.store.begin().await?;
        if transaction
            .advance_authorization(&next, authorization.stage.kind())
            .await?
        {
            transaction.append_audit(&[event]).await?;
            transaction.commit().await?;
            return Ok(());
        }
        drop(transaction);
        // Another request was faster; if it allowed as well, this one goes the same way.
        match self.store.authorization(&authorization.id).await? {
            Some(current) if current.stage == Stage::AwaitingLogin => Ok(()),
            _ => Err(of_client(Page::Finished, authorization)),
        }
    }

    async fn deny(
        &self,
        authorization: &Authorization,
        info: &RequestInfo,
    ) -> Result<ClientRedirect, AuthorizeError> {
        let error = OAuthError::access_denied("The user did not allow it.");
        let to = ClientRedirect::with_error(
            &authorization.redirect_uri,
            &error,
            authorization.state.as_deref(),
            &self.issuer,
        );
        if authorization.stage == Stage::Denied {
            return Ok(to);
        }
        self.require_undecided(authorization)?;
        let mut event = self.event(
            AuditKind::AuthorizationDenied,
            Actor::Anonymous,
            authorization,
            info,
        );
        event.outcome = Outcome::Refused(error.code());
        self.end(authorization, event).await?;
        Ok(to)
    }

    /// Moves a flow to `Denied`, together with `event`. Ended by another request meanwhile is as
    /// good when that was a denial too.
    pub(super) async fn end(
        &self,
        authorization: &Authorization,
        event: AuditEvent,
    ) -> Result<(), AuthorizeError> {
        let from = authorization.stage.kind();
        let Ok(next) = authorization.clone().denied() else {
            return Err(of_client(Page::Finished, authorization));
        };
        let transaction = self.store.begin().await?;
        if transaction.advance_authorization(&next, from).await? {
            transaction.append_audit(&[event]).await?;
            transaction.commit().await?;
            return Ok(());
        }
        drop(transaction);
        match self.store.authorization(&authorization.id).await? {
            Some(current) if current.stage == Stage::Denied => Ok(()),
            _ => Err(of_client(Page::Finished, authorization)),
        }
    }

    /// Refuses a flow that has ended or taken too long.
    pub(super) fn require_undecided(
        &self,
        authorization: &Authorization,
    ) -> Result<(), AuthorizeError> {
        match authorization.stage {
            Stage::Approved { .. } | Stage::Redeemed { .. } | Stage::Denied => {
                Err(of_client(Page::Finished, authorization))
            }
            Stage::AwaitingConsent | Stage::AwaitingLogin | Stage::AwaitingKnownUser
                if authorization.is_expired(self.ambient.now()) =>
            {
                Err(of_client(Page::Expired, authorization))
            }
            Stage::AwaitingConsent | Stage::AwaitingLogin | Stage::AwaitingKnownUser => Ok(()),
        }
    }
}

/// Whether the client gave itself its name, and nobody vouches for it.
pub(super) fn is_self_named(client: &Client) -> bool {
    client.kind != ClientKind::Preregistered && published_by(client).is_none()
}

/// The host that publishes the client's document, if it was fetched over https.
pub(super) fn published_by(client: &Client) -> Option<String> {
    if client.kind != ClientKind::Url {
        return None;
    }
    ClientUrl::parse(&client.id)
        .filter(ClientUrl::is_verifiable)
        .map(|url| url.origin())
}

/// The page for an IdP that cannot be asked now. A fault of configuration looks the same to the
/// user, who can do nothing else about it either; the log tells them apart.
pub(super) fn unavailable(authorization: &Authorization, error: DiscoveryError) -> AuthorizeError {
    let mut page = Page::UpstreamUnavailable {
        flow: authorization.id.as_str().to_owned(),
    }
    .because(error);
    page.client_id = Some(authorization.client_id.clone());
    page.into()
}
