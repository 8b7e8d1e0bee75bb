//! `GET /oauth/authorize`, and what the three browser endpoints share: one [`BrowserFlow`].

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use url::Url;

use super::cookies::Cookies;
use super::pages;
use crate::authorize::{AuthorizationRequest, Authorize, AuthorizeError, Page};
use crate::crypto::Handle;
use crate::domain::{AuthorizationId, RequestInfo};

/// What the browser endpoints need: the flow and its cookies.
pub struct BrowserFlow {
    authorize: Authorize,
    cookies: Cookies,
    consent_path: String,
}

impl BrowserFlow {
    /// The endpoints around `authorize`.
    #[must_use]
    pub fn new(authorize: Authorize) -> Self {
        let base_path = Url::parse(&authorize.issuer)
            .map(|url| url.path().trim_end_matches('/').to_owned())
            .unwrap_or_default();
        Self {
            cookies: Cookies::new(
                &authorize.issuer,
                authorize.login_lifetime,
                authorize.consent.remember,
            ),
            consent_path: format!("{base_path}/oauth/consent"),
            authorize,
        }
    }

    pub(super) fn authorize(&self) -> &Authorize {
        &self.authorize
    }

    /// Path of the consent page's form, below the issuer's own path.
    pub(super) fn consent_path(&self) -> &str {
        &self.consent_path
    }

    /// Sends the browser to the consent page of `flow`.
    pub(super) fn to_consent_page(&self, flow: &AuthorizationId) -> Response {
        pages::redirect(&format!("{}?flow={flow}", self.consent_path))
    }

    /// The cookie of `flow` that the browser sent.
    pub(super) fn cookie<'a>(&self, headers: &'a HeaderMap, flow: &str) -> Option<&'a str> {
        self.cookies.read(headers, flow)
    }

    /// A page or a redirect for what went wrong.
    pub(super) fn failure(&self, error: AuthorizeError, info: &RequestInfo) -> Response {
        pages::failure(error, &self.consent_path, info)
    }

    /// Adds the `Set-Cookie` by which the browser's user is known next time.
    pub(super) fn know_again(&self, mut response: Response, browser: &Handle) -> Response {
        if let Some(cookie) = self.cookies.set_browser(browser.expose()) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// Adds the `Set-Cookie` that removes the cookie of `flow`.
    pub(super) fn forget(&self, mut response: Response, flow: &str) -> Response {
        if let Some(cookie) = self.cookies.clear(flow) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// `GET /oauth/authorize`.
pub(super) async fn authorize(
    State(flow): State<Arc<BrowserFlow>>,
    info: RequestInfo,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let request = AuthorizationRequest::parse(query.as_deref().unwrap_or_default());
    let browser = flow.cookies.read_browser(&headers);
    match flow.authorize.start(&request, browser, &info).await {
        Ok(started) => {
            let id = started.flow.as_str();
            match flow.cookies.set(id, started.cookie.expose()) {
                Some(cookie) => {
                    let mut response = match &started.login {
                        Some(url) => pages::redirect(url.as_str()),
                        None => flow.to_consent_page(&started.flow),
                    };
                    response.headers_mut().append(header::SET_COOKIE, cookie);
                    response
                }
                None => flow.failure(Page::ServerError.into(), &info),
            }
        }
        Err(error) => flow.failure(error, &info),
    }
}
