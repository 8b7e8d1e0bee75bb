//! `/oauth/consent`: the page and its form.
//!
//! The form is ours when it carries the flow's cookie and the token derived from it. `Origin` is not
//! asked for: with `Referrer-Policy: no-referrer` real browsers send `Origin: null` from our own
//! page. A request that the browser itself calls cross-site is refused.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;

use super::authorize::BrowserFlow;
use super::pages;
use crate::authorize::{AuthorizeError, ConsentForm, Decision, Onward, Page};
use crate::domain::RequestInfo;

/// Which flow's page.
#[derive(Deserialize)]
pub(super) struct Which {
    flow: String,
}

/// The form's fields.
#[derive(Deserialize)]
pub(super) struct Fields {
    flow: String,
    csrf: String,
    decision: Button,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Button {
    Allow,
    Deny,
}

/// `GET /oauth/consent`.
pub(super) async fn show(
    State(flow): State<Arc<BrowserFlow>>,
    info: RequestInfo,
    headers: HeaderMap,
    which: Result<Query<Which>, QueryRejection>,
) -> Response {
    let Ok(Query(Which { flow: id })) = which else {
        return flow.failure(Page::UnknownFlow.into(), &info);
    };
    let cookie = flow.cookie(&headers, &id);
    match flow.authorize().consent_page(&id, cookie).await {
        Ok(page) => pages::consent(&page, flow.consent_path(), &info),
        Err(error) => flow.failure(error, &info),
    }
}

/// `POST /oauth/consent`.
pub(super) async fn decide(
    State(flow): State<Arc<BrowserFlow>>,
    info: RequestInfo,
    headers: HeaderMap,
    fields: Result<Form<Fields>, FormRejection>,
) -> Response {
    if headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site")
    {
        return flow.failure(Page::Forgery.into(), &info);
    }
    let Ok(Form(fields)) = fields else {
        return flow.failure(Page::Forgery.into(), &info);
    };
    let form = ConsentForm {
        flow: fields.flow,
        csrf: fields.csrf,
        decision: match fields.decision {
            Button::Allow => Decision::Allow,
            Button::Deny => Decision::Deny,
        },
    };
    let cookie = flow.cookie(&headers, &form.flow);
    match flow.authorize().decide(&form, cookie, &info).await {
        Ok(Onward::Upstream(url)) => pages::redirect(url.as_str()),
        Ok(Onward::Client(to)) => flow.forget(pages::redirect(to.as_str()), &form.flow),
        Err(error @ AuthorizeError::Redirect { .. }) => {
            flow.forget(flow.failure(error, &info), &form.flow)
        }
        Err(error) => flow.failure(error, &info),
    }
}
