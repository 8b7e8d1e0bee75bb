//! `/oauth/authorize-nextcloud` and `/oauth/callback-nextcloud`: background access, asked for and
//! answered; `/oauth/offline-grants`, by which background clients learn of it; and
//! `/oauth/background-access`, by which a user's MCP server does.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use broker_client::oauth::{self, OAuthError};
use serde::Deserialize;
use tracing::Instrument as _;

use super::account::AccountPages;
use super::error::Failure;
use super::pages;
use super::request::FormBody;
use super::token::authorization;
use crate::authorize::Callback;
use crate::domain::RequestInfo;
use crate::provision::{Allowed, BackgroundAccess, Link, Notice, ProviderAnswer, ProvisionError};
use crate::token::{OfflineGrantList, TokenEndpoint};

/// Where it ends well.
const DONE: &str = "/oauth/callback-nextcloud";

/// The form's fields.
#[derive(Deserialize)]
pub(super) struct Fields {
    csrf: String,
    downstream: String,
    scope: String,
    decision: Button,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Button {
    Allow,
    Deny,
}

/// The parameters of a link; the last one counts where one is repeated, since nothing is stored
/// before the user has seen what it comes to.
fn link(query: &str) -> Link {
    let mut link = Link::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = Some(value.into_owned()).filter(|value| !value.is_empty());
        match name.as_ref() {
            "downstream" => link.downstream = value,
            "scope" => link.scope = value,
            "user" => link.user = value,
            _ => {}
        }
    }
    link
}

/// `GET /oauth/authorize-nextcloud`.
pub(super) async fn ask(
    State(account): State<Arc<AccountPages>>,
    info: RequestInfo,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let link = link(&query);
    let page = async {
        let asked = account.provision().asked(&link)?;
        let Some(user) = account.signed_in(&headers).await? else {
            return Ok(None);
        };
        let page = account.provision().ask(&user, &link, &asked, &info).await?;
        Ok::<_, ProvisionError>(Some(page))
    };
    match page.await {
        Ok(Some(page)) => {
            pages::background(&page, &account.path("/oauth/authorize-nextcloud"), &info)
        }
        Ok(None) => account.to_sign_in(Some(&query)),
        Err(error) => account.failure(&error, &info),
    }
}

/// `POST /oauth/authorize-nextcloud`.
pub(super) async fn decide(
    State(account): State<Arc<AccountPages>>,
    info: RequestInfo,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Response {
    let done = async {
        let user = account.form_owner(&headers).await?;
        let Form(fields) = fields.map_err(|error| Notice::Forgery.because(error))?;
        let link = Link {
            downstream: Some(fields.downstream),
            scope: Some(fields.scope),
            user: None,
        };
        let asked = account.provision().asked(&link)?;
        let (provision, csrf) = (account.provision(), &fields.csrf);
        let location = match fields.decision {
            Button::Allow => match provision.allow(&user, &asked, csrf, &info).await? {
                Allowed::Now => account.path(DONE),
                Allowed::AtProvider(url) => url.into(),
            },
            Button::Deny => {
                provision.deny(&user, &asked, csrf, &info).await?;
                account.path("/account")
            }
        };
        Ok::<_, ProvisionError>(location)
    };
    match done.await {
        Ok(location) => pages::redirect(&location),
        Err(error) => account.failure(&error, &info),
    }
}

/// `GET /oauth/callback-nextcloud`: the IdP's answer, and without one what is allowed now.
pub(super) async fn returned(
    State(account): State<Arc<AccountPages>>,
    info: RequestInfo,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(answer) = answer(query.as_deref().unwrap_or_default()) else {
        return done(&account, &info, &headers).await;
    };
    // A task of its own: a browser that goes away drops this request, but the IdP's code is spent by
    // then, and its refresh token must be kept or given back.
    let finished = tokio::spawn({
        let (account, info) = (Arc::clone(&account), info.clone());
        let finish = async move {
            let user = account.signed_in(&headers).await?;
            let provision = account.provision();
            provision
                .finish_at_provider(user.as_ref(), &answer, &info)
                .await
        };
        finish.in_current_span()
    })
    .await;
    match finished {
        Ok(Ok(())) => pages::redirect(&account.path(DONE)),
        Ok(Err(error)) => account.failure(&error, &info),
        Err(stopped) => account.failure(&Notice::ServerError.because(stopped), &info),
    }
}

/// The IdP's answer in a query, if it is one.
fn answer(query: &str) -> Option<ProviderAnswer> {
    let callback = Callback::parse(query);
    let parameter = |name| callback.parameter(name).map(str::to_owned);
    let answer = ProviderAnswer {
        id: callback.flow().map(str::to_owned),
        tag: callback.tag().map(str::to_owned),
        iss: parameter("iss"),
        code: parameter("code"),
        error: parameter("error"),
    };
    let is_answer = answer.id.is_some() || answer.code.is_some() || answer.error.is_some();
    is_answer.then_some(answer)
}

/// What is allowed now.
async fn done(account: &AccountPages, info: &RequestInfo, headers: &HeaderMap) -> Response {
    let page = async {
        let Some(user) = account.signed_in(headers).await? else {
            return Ok(None);
        };
        let access = account.provision().background_access(&user).await?;
        Ok::<_, ProvisionError>(Some(access))
    };
    match page.await {
        Ok(Some(access)) if access.iter().any(BackgroundAccess::is_active) => {
            pages::background_done(&access, &account.path("/account"), info)
        }
        Ok(Some(_)) => pages::redirect(&account.path("/account")),
        Ok(None) => account.to_sign_in(None),
        Err(error) => account.failure(&error, info),
    }
}

/// `POST /oauth/offline-grants`.
pub(super) async fn list(
    State(endpoint): State<Arc<TokenEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    FormBody(form): FormBody,
) -> Result<Json<OfflineGrantList>, Failure> {
    let authorization = authorization(&headers);
    let answer = endpoint.offline_grants(form, authorization.as_deref(), &info);
    answered(answer.await, authorization.as_deref())
}

/// `POST /oauth/background-access`.
pub(super) async fn access(
    State(endpoint): State<Arc<TokenEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    FormBody(form): FormBody,
) -> Result<Json<oauth::BackgroundAccess>, Failure> {
    let authorization = authorization(&headers);
    let answer = endpoint.background_access(form, authorization.as_deref(), &info);
    answered(answer.await, authorization.as_deref())
}

/// `POST /oauth/background-access/withdraw`.
pub(super) async fn withdraw(
    State(endpoint): State<Arc<TokenEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    FormBody(form): FormBody,
) -> Result<Json<oauth::BackgroundAccess>, Failure> {
    let authorization = authorization(&headers);
    let answer = endpoint.withdraw_background_access(form, authorization.as_deref(), &info);
    answered(answer.await, authorization.as_deref())
}

fn answered<T>(
    answer: Result<T, OAuthError>,
    authorization: Option<&str>,
) -> Result<Json<T>, Failure> {
    answer.map(Json).map_err(|error| match authorization {
        Some(_) => Failure::of_authorization_header(error),
        None => Failure::from(error),
    })
}
