//! Remembered consent: when the consent page is passed over, and what is kept for the next time
//! (docs/adr/016).
//!
//! Before the login nobody knows who the user is. A cookie of his last login here says who he
//! probably is, which is enough to send him to the IdP first. Whether he has allowed it is decided
//! afterwards, by the user that the IdP names ([`Authorize::approve`]).

use url::Url;

use super::flow::FlowSecret;
use super::{Authorize, AuthorizeError};
use crate::crypto::{self, Handle};
use crate::domain::{Authorization, Client, Consent, KnownBrowser, Subject};
use crate::storage::Transaction;

impl Authorize {
    /// Where the user logs in without being asked first; `None` when the page is to be shown.
    pub(super) async fn pass_over(
        &self,
        authorization: &Authorization,
        client: &Client,
        cookie: &Handle,
        browser: &str,
    ) -> Result<Option<Url>, AuthorizeError> {
        if !self
            .consent
            .may_pass_over(client, &authorization.redirect_uri)
        {
            return Ok(None);
        }
        let known = self.store.browser(&crypto::hash(browser)).await?;
        let now = self.ambient.now();
        let Some(known) = known.filter(|known| now < known.expires_at) else {
            return Ok(None);
        };
        let consent = self.store.consent(&known.sub, authorization).await?;
        if !self.is_allowed(consent.as_ref(), authorization, client) {
            return Ok(None);
        }
        let secret = FlowSecret::new(&authorization.id, cookie.expose());
        // An IdP that does not answer is reported from the page, where it can be tried again.
        Ok(self.login_url(authorization, &secret).await.ok())
    }

    /// Whether `consent`, of the user that the IdP named, stands for what is asked.
    pub(super) fn is_allowed(
        &self,
        consent: Option<&Consent>,
        authorization: &Authorization,
        client: &Client,
    ) -> bool {
        self.consent
            .may_pass_over(client, &authorization.redirect_uri)
            && consent.is_some_and(|consent| {
                let client = crypto::hash(&client.self_description());
                consent.covers(authorization, client, self.ambient.now())
            })
    }

    /// Keeps what the user has just allowed, where it may count again, and makes the cookie by which
    /// his browser is known then.
    pub(super) async fn remember(
        &self,
        transaction: &Transaction,
        authorization: &Authorization,
        client: &Client,
        sub: &Subject,
        earlier: Option<&Consent>,
    ) -> Result<Option<Handle>, AuthorizeError> {
        if !self.consent.remembers(client, &authorization.redirect_uri) {
            return Ok(None);
        }
        let now = self.ambient.now();
        let expires_at = now.plus(self.consent.remember);
        let consent = Consent {
            sub: sub.clone(),
            client_id: authorization.client_id.clone(),
            redirect_uri: authorization.redirect_uri.clone(),
            resource: authorization.resource.clone(),
            scope: authorization.scope.clone(),
            client: crypto::hash(&client.self_description()),
            given_at: now,
            expires_at,
        };
        transaction.record_consent(&consent.after(earlier)).await?;
        let browser = Handle::generate(&self.ambient);
        transaction
            .insert_browser(&KnownBrowser {
                cookie: browser.hash(),
                sub: sub.clone(),
                expires_at,
            })
            .await?;
        Ok(Some(browser))
    }
}
