//! `GET /oauth/callback`: where the IdP sends the browser back to.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tracing::Instrument as _;

use super::account::AccountPages;
use super::authorize::BrowserFlow;
use super::pages;
use crate::authorize::{Arrival, AuthorizeError, Callback, Page};
use crate::domain::RequestInfo;

/// `GET /oauth/callback`.
pub(super) async fn callback(
    State((flow, account)): State<(Arc<BrowserFlow>, Arc<AccountPages>)>,
    info: RequestInfo,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let callback = Callback::parse(query.as_deref().unwrap_or_default());
    if AccountPages::sign_in_of(&callback).is_some() {
        return account.finish_sign_in(&callback, &headers, &info).await;
    }
    let id = callback.flow().unwrap_or_default().to_owned();
    let cookie = flow.cookie(&headers, &id).map(str::to_owned);
    // A task of its own: a browser that reloads drops this request, but the IdP's code is spent by
    // then. The login is finished all the same, and the reloaded request gets its answer.
    let finished = tokio::spawn({
        let (flow, info) = (Arc::clone(&flow), info.clone());
        let finish = async move {
            flow.authorize()
                .finish(&callback, cookie.as_deref(), &info)
                .await
        };
        finish.in_current_span()
    })
    .await;
    match finished {
        // Either way the flow has ended at the client, and so has the need for its cookie.
        Ok(Ok(Arrival::Client { to, browser })) => {
            let response = flow.forget(pages::redirect(to.as_str()), &id);
            match browser {
                Some(browser) => flow.know_again(response, &browser),
                None => response,
            }
        }
        Ok(Ok(Arrival::Consent(id))) => flow.to_consent_page(&id),
        Ok(Err(error @ AuthorizeError::Redirect { .. })) => {
            flow.forget(flow.failure(error, &info), &id)
        }
        Ok(Err(error)) => flow.failure(error, &info),
        Err(stopped) => flow.failure(Page::ServerError.because(stopped).into(), &info),
    }
}
