//! `/account` and below: the signed-in user's pages, and what they share with `provision`: one
//! [`AccountPages`].
//!
//! Forms carry a token made from the account session's cookie. A request that the browser itself
//! calls cross-site is refused (as in `consent`).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use url::Url;

use super::cookies::Cookies;
use super::pages;
use crate::authorize::Callback;
use crate::domain::RequestInfo;
use crate::provision::{Notice, Provision, ProvisionError, SIGNED_IN, SignInAnswer, SignedIn};

/// What our `state` begins with when it belongs to a sign-in. Ids of other flows have no dash.
const SIGN_IN: &str = "signin-";

/// The longest query of a link that is followed after signing in, in bytes.
const LONGEST_LINK: usize = 1024;

/// What the account endpoints need: the flows and their cookies.
pub struct AccountPages {
    provision: Provision,
    cookies: Cookies,
    base_path: String,
}

/// What a post to an account page may carry.
#[derive(Deserialize)]
pub(super) struct Fields {
    #[serde(default)]
    csrf: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    downstream: String,
    #[serde(default)]
    to: String,
}

/// Where a sign-in leads: the query of a link, encoded; the account page without one.
#[derive(Deserialize)]
pub(super) struct Onward {
    #[serde(default)]
    to: String,
}

impl AccountPages {
    /// The endpoints around `provision`, for a broker reached by `issuer`.
    #[must_use]
    pub fn new(provision: Provision, issuer: &str, login_lifetime: Duration) -> Self {
        Self {
            provision,
            cookies: Cookies::new(issuer, login_lifetime, SIGNED_IN),
            base_path: Url::parse(issuer)
                .map(|url| url.path().trim_end_matches('/').to_owned())
                .unwrap_or_default(),
        }
    }

    pub(super) fn provision(&self) -> &Provision {
        &self.provision
    }

    /// An address of ours, below the issuer's own path.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// Who is signed in in the browser that sent these headers.
    pub(super) async fn signed_in(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<SignedIn>, ProvisionError> {
        self.provision
            .signed_in(self.cookies.read_account(headers))
            .await
    }

    /// The user, who must have a page of ours open.
    pub(super) async fn form_owner(&self, headers: &HeaderMap) -> Result<SignedIn, ProvisionError> {
        if headers
            .get("sec-fetch-site")
            .is_some_and(|site| site == "cross-site")
        {
            return Err(Notice::Forgery.into());
        }
        self.signed_in(headers)
            .await?
            .ok_or_else(|| Notice::Forgery.into())
    }

    /// Who sent a form of the account page, and what is in it.
    async fn sent(
        &self,
        headers: &HeaderMap,
        fields: Result<Form<Fields>, FormRejection>,
    ) -> Result<(SignedIn, Fields), ProvisionError> {
        let user = self.form_owner(headers).await?;
        let Form(fields) = fields.map_err(|error| Notice::Forgery.because(error))?;
        Ok((user, fields))
    }

    /// Shows the account page again, or why not.
    fn back_to_account(&self, done: Result<(), ProvisionError>, info: &RequestInfo) -> Response {
        match done {
            Ok(()) => self.to_account(),
            Err(error) => self.failure(&error, info),
        }
    }

    /// Sends the browser to the sign-in page, and from there to the link with this query.
    pub(super) fn to_sign_in(&self, query: Option<&str>) -> Response {
        let to = match query {
            Some(query) => format!("?to={}", URL_SAFE_NO_PAD.encode(format!("?{query}"))),
            None => String::new(),
        };
        pages::redirect(&self.path(&format!("/account/sign-in{to}")))
    }

    /// Where to go when signed in. Whatever is encoded, it stays with us: only a query, with its `?`,
    /// is taken, never a path.
    fn onward(&self, to: &str) -> String {
        let query = URL_SAFE_NO_PAD
            .decode(to)
            .ok()
            .filter(|bytes| bytes.len() <= LONGEST_LINK && bytes.iter().all(u8::is_ascii_graphic))
            .and_then(|bytes| String::from_utf8(bytes).ok());
        match query {
            Some(query) if query.starts_with('?') => {
                self.path(&format!("/oauth/authorize-nextcloud{query}"))
            }
            Some(_) | None => self.path("/account"),
        }
    }

    pub(super) fn failure(&self, error: &ProvisionError, info: &RequestInfo) -> Response {
        pages::notice(error, &self.path("/account"), info)
    }

    fn to_account(&self) -> Response {
        pages::redirect(&self.path("/account"))
    }

    /// The sign-in that an answer of the IdP belongs to, if it is one's.
    pub(super) fn sign_in_of(callback: &Callback) -> Option<&str> {
        callback.flow()?.strip_prefix(SIGN_IN)
    }

    /// Finishes a sign-in.
    pub(super) async fn finish_sign_in(
        &self,
        callback: &Callback,
        headers: &HeaderMap,
        info: &RequestInfo,
    ) -> Response {
        let id = Self::sign_in_of(callback).unwrap_or_default();
        // The secret, and where to go on.
        let cookie = self.cookies.read_sign_in(headers, id);
        let (secret, to) = match cookie.and_then(|value| value.split_once('.')) {
            Some((secret, to)) => (Some(secret), to),
            None => (None, ""),
        };
        let answer = SignInAnswer {
            id,
            tag: callback.tag().unwrap_or_default(),
            cookie: secret,
            iss: callback.parameter("iss"),
            code: callback.parameter("code"),
        };
        let mut response = match self.provision.finish_sign_in(&answer, info).await {
            Ok(session) => {
                let mut response = pages::redirect(&self.onward(to));
                if let Some(cookie) = self.cookies.set_account(session.expose()) {
                    response.headers_mut().append(header::SET_COOKIE, cookie);
                }
                response
            }
            Err(error) => return self.failure(&error, info),
        };
        if let Some(cookie) = self.cookies.clear_sign_in(id) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

type Pages = State<Arc<AccountPages>>;

/// `GET /account`.
pub(super) async fn account(
    State(pages): Pages,
    info: RequestInfo,
    headers: HeaderMap,
) -> Response {
    let user = match pages.signed_in(&headers).await {
        Ok(Some(user)) => user,
        Ok(None) => return pages.to_sign_in(None),
        Err(error) => return pages.failure(&error, &info),
    };
    match pages.provision.account(&user).await {
        Ok(account) => pages::account(&account, &user, &pages.base_path, &info),
        Err(error) => pages.failure(&error, &info),
    }
}

/// `GET /account/sign-in`.
pub(super) async fn sign_in_page(
    State(pages): Pages,
    info: RequestInfo,
    query: Result<Query<Onward>, QueryRejection>,
) -> Response {
    let to = query.map(|Query(onward)| onward.to).unwrap_or_default();
    pages::sign_in(&pages.path("/account/sign-in"), &to, &info)
}

/// `POST /account/sign-in`.
pub(super) async fn sign_in(
    State(pages): Pages,
    info: RequestInfo,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Response {
    let is_foreign = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site");
    let Ok(Form(fields)) = fields else {
        return pages.failure(&Notice::Forgery.into(), &info);
    };
    if is_foreign {
        return pages.failure(&Notice::Forgery.into(), &info);
    }
    match pages.provision.begin_sign_in(SIGN_IN).await {
        Ok(begun) => {
            // Only what decodes is kept; anything else leads to the account page.
            let to: String = fields
                .to
                .chars()
                .filter(|letter| letter.is_ascii_alphanumeric() || "-_".contains(*letter))
                .collect();
            let value = format!("{}.{to}", begun.cookie.expose());
            let mut response = pages::redirect(begun.login.as_str());
            if let Some(cookie) = pages.cookies.set_sign_in(&begun.id, &value) {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(error) => pages.failure(&error, &info),
    }
}

/// `POST /account/sign-out`.
pub(super) async fn sign_out(
    State(pages): Pages,
    info: RequestInfo,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Response {
    let done = async {
        let user = pages.form_owner(&headers).await?;
        let csrf = fields.map(|Form(fields)| fields.csrf).unwrap_or_default();
        pages.provision.sign_out(&user, &csrf, &info).await
    };
    match done.await {
        Ok(()) => {
            let mut response = pages.to_sign_in(None);
            if let Some(cookie) = pages.cookies.clear_account() {
                response.headers_mut().append(header::SET_COOKIE, cookie);
            }
            response
        }
        Err(error) => pages.failure(&error, &info),
    }
}

/// `POST /account/disconnect`.
pub(super) async fn disconnect(
    State(pages): Pages,
    info: RequestInfo,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Response {
    let done = async {
        let (user, fields) = pages.sent(&headers, fields).await?;
        let provision = &pages.provision;
        provision
            .disconnect(&user, &fields.csrf, &fields.client_id, &info)
            .await
    };
    pages.back_to_account(done.await, &info)
}

/// `POST /account/withdraw`.
pub(super) async fn withdraw(
    State(pages): Pages,
    info: RequestInfo,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Response {
    let done = async {
        let (user, fields) = pages.sent(&headers, fields).await?;
        let provision = &pages.provision;
        provision
            .withdraw(&user, &fields.downstream, &fields.csrf, &info)
            .await
    };
    pages.back_to_account(done.await, &info)
}
