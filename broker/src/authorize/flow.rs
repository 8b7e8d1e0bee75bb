//! The one secret of a flow and what is derived from it; opening a flow by id and cookie.

use crate::crypto::{self, Handle};
use crate::domain::{Authorization, AuthorizationId, Client, Stage};

use super::{Authorize, AuthorizeError, Page, PageError};

/// The value of a flow's cookie, and all that follows from it.
///
/// Each derived value is base64url of HMAC-SHA-256 under its own purpose: knowing one says nothing
/// about the secret or another.
pub(super) struct FlowSecret<'a> {
    id: &'a AuthorizationId,
    secret: &'a str,
}

impl<'a> FlowSecret<'a> {
    pub(super) fn new(id: &'a AuthorizationId, secret: &'a str) -> Self {
        Self { id, secret }
    }

    fn derive(&self, purpose: &str) -> String {
        crypto::derive(self.secret, purpose, self.id.as_str())
    }

    /// The form token of our consent page.
    pub(super) fn csrf(&self) -> String {
        self.derive("csrf")
    }

    /// The second half of our upstream `state`.
    pub(super) fn state_tag(&self) -> String {
        self.derive("state")
    }

    /// Our upstream `state`: which flow, and proof that we made it.
    pub(super) fn state(&self) -> String {
        format!("{}.{}", self.id, self.state_tag())
    }

    /// The nonce that the `id_token` must carry.
    pub(super) fn nonce(&self) -> String {
        self.derive("nonce")
    }

    /// The PKCE verifier towards the IdP: 43 characters, as RFC 7636 §4.1 asks at least.
    pub(super) fn code_verifier(&self) -> String {
        self.derive("pkce")
    }

    /// The authorization code. Derived, so that a callback whose answer was lost on the way can be
    /// asked again; it is still redeemed only once.
    pub(super) fn code(&self) -> String {
        self.derive("code")
    }
}

/// A new flow's id and cookie secret.
pub(super) fn new_flow(authorize: &Authorize) -> Result<(AuthorizationId, Handle), PageError> {
    // A UUID without its dashes: fit for a cookie's name, and sorted by time in the database.
    let id = uuid::Builder::from_unix_timestamp_millis(
        u64::try_from(authorize.ambient.now().as_millis()).unwrap_or_default(),
        &authorize.ambient.random(),
    )
    .into_uuid()
    .simple()
    .to_string();
    let id = AuthorizationId::parse(id).map_err(|error| Page::ServerError.because(error))?;
    Ok((id, Handle::generate(&authorize.ambient)))
}

/// A flow in the hands of the browser that began it.
pub(super) struct OpenFlow {
    pub(super) authorization: Authorization,
    pub(super) client: Client,
}

impl Authorize {
    /// Opens a flow for the browser that has its cookie, whatever its stage.
    ///
    /// A flow that has ended says so without the cookie too: going back to its pages is common, and
    /// the cookie is gone by then.
    pub(super) async fn open_flow(
        &self,
        id: &str,
        cookie: Option<&str>,
    ) -> Result<OpenFlow, AuthorizeError> {
        let id = AuthorizationId::parse(id).map_err(|_| Page::UnknownFlow)?;
        let authorization = self
            .store
            .authorization(&id)
            .await?
            .ok_or(Page::UnknownFlow)?;
        let is_owner = cookie.is_some_and(|secret| {
            crypto::same(
                crypto::hash(secret).as_bytes(),
                authorization.browser.as_bytes(),
            )
        });
        if !is_owner {
            let page = match authorization.stage {
                Stage::Approved { .. } | Stage::Redeemed { .. } | Stage::Denied => Page::Finished,
                Stage::AwaitingConsent | Stage::AwaitingLogin | Stage::AwaitingKnownUser => {
                    Page::OtherBrowser
                }
            };
            return Err(of_client(page, &authorization));
        }
        // Blocked or withdrawn meanwhile: nothing goes on.
        let client = self
            .clients
            .for_running_login(&authorization.client_id)
            .await
            .map_err(|error| PageError::from(error).during(&authorization))?;
        Ok(OpenFlow {
            authorization,
            client,
        })
    }
}

/// `page` about the flow's client.
pub(super) fn of_client(page: Page, authorization: &Authorization) -> AuthorizeError {
    PageError::from(page).about(&authorization.client_id).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all(id: &str, secret: &str) -> Vec<String> {
        let id = AuthorizationId::parse(id).unwrap();
        let secret = FlowSecret::new(&id, secret);
        vec![
            secret.csrf(),
            secret.state_tag(),
            secret.nonce(),
            secret.code_verifier(),
            secret.code(),
        ]
    }

    #[test]
    fn every_purpose_flow_and_secret_has_values_of_its_own() {
        let mut values = all("one", "secret");
        values.extend(all("two", "secret"));
        values.extend(all("one", "other"));
        let distinct: BTreeSet<_> = values.iter().collect();
        assert_eq!(distinct.len(), values.len());
        assert_eq!(all("one", "secret"), all("one", "secret"));
    }

    #[test]
    fn the_verifier_is_long_enough_for_rfc_7636() {
        let id = AuthorizationId::parse("one").unwrap();
        let verifier = FlowSecret::new(&id, "secret").code_verifier();
        assert!((43..=128).contains(&verifier.len()));
    }
}
