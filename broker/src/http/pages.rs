//! The pages that people see, and the headers that protect them.
//!
//! No script, nothing from elsewhere, everything escaped by the template engine. The words of each
//! error page are in `words.rs`.

use std::sync::LazyLock;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::log;
use super::notices;
use super::words::{Words, words};
use crate::authorize::{AuthorizeError, ConsentPage, Page, PageError, Waiting};
use crate::crypto;
use crate::domain::RequestInfo;
use crate::provision::{Account, AskedPage, BackgroundAccess, ProvisionError, SignedIn};

/// The style sheet, inside each page.
const STYLE: &str = include_str!("../../templates/style.css");

/// The policy of all pages: nothing but our own style sheet.
///
/// `form-action` is left out on purpose: browsers apply it to every redirect that follows a form's
/// submission, and ours leads to the IdP, wherever that sends people on to, and back to the client.
/// No list of hosts is complete. What it would prevent, a form of somebody else inside our page,
/// needs markup that escaping does not let in.
static CONTENT_SECURITY_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(crypto::hash(STYLE).as_bytes());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentTemplate<'a> {
    page: &'a ConsentPage,
    client: &'a str,
    action: &'a str,
    request_id: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessageTemplate<'a> {
    words: &'a Words,
    link: Option<&'a str>,
    request_id: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "waiting.html")]
struct WaitingTemplate<'a> {
    words: &'a Words,
    client: &'a Waiting,
    link: &'a str,
    request_id: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInTemplate<'a> {
    action: &'a str,
    to: &'a str,
    request_id: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountTemplate<'a> {
    account: &'a Account,
    base: &'a str,
    disconnect: &'a str,
    withdraw: &'a str,
    sign_out: &'a str,
    request_id: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "background.html")]
struct BackgroundTemplate<'a> {
    page: &'a AskedPage,
    action: &'a str,
    request_id: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "background_done.html")]
struct BackgroundDoneTemplate<'a> {
    access: &'a [BackgroundAccess],
    account: &'a str,
    request_id: Option<&'a str>,
}

/// The sign-in page; its form posts to `action`, and leads to `to` afterwards.
pub(super) fn sign_in(action: &str, to: &str, info: &RequestInfo) -> Response {
    let template = SignInTemplate {
        action,
        to,
        request_id: info.request_id.as_deref(),
    };
    render(&template, StatusCode::OK)
}

/// The account page of `user`, of a broker below `base`.
pub(super) fn account(
    account: &Account,
    user: &SignedIn,
    base: &str,
    info: &RequestInfo,
) -> Response {
    let template = AccountTemplate {
        account,
        base,
        disconnect: &user.csrf("disconnect"),
        withdraw: &user.csrf("withdraw"),
        sign_out: &user.csrf("sign-out"),
        request_id: info.request_id.as_deref(),
    };
    render(&template, StatusCode::OK)
}

/// The page that asks for background access; its form posts to `action`.
pub(super) fn background(page: &AskedPage, action: &str, info: &RequestInfo) -> Response {
    let template = BackgroundTemplate {
        page,
        action,
        request_id: info.request_id.as_deref(),
    };
    render(&template, StatusCode::OK)
}

/// What background jobs may do now; `account` is where it is withdrawn.
pub(super) fn background_done(
    access: &[BackgroundAccess],
    account: &str,
    info: &RequestInfo,
) -> Response {
    let template = BackgroundDoneTemplate {
        access,
        account,
        request_id: info.request_id.as_deref(),
    };
    render(&template, StatusCode::OK)
}

/// The page of a notice, and its one log line; trying again begins at `account`.
pub(super) fn notice(error: &ProvisionError, account: &str, info: &RequestInfo) -> Response {
    let words = notices::words(error.notice);
    log(error, words.status, error.notice.code().as_str());
    let template = MessageTemplate {
        words: &words,
        link: Some(account),
        request_id: info.request_id.as_deref(),
    };
    render(&template, words.status)
}

/// The consent page; its form posts to `action`.
pub(super) fn consent(page: &ConsentPage, action: &str, info: &RequestInfo) -> Response {
    let template = ConsentTemplate {
        client: page.client_name.as_deref().unwrap_or(&page.client_id),
        page,
        action,
        request_id: info.request_id.as_deref(),
    };
    render(&template, StatusCode::OK)
}

/// A page or a redirect for what went wrong, and its one log line.
pub(super) fn failure(error: AuthorizeError, consent_path: &str, info: &RequestInfo) -> Response {
    match error {
        AuthorizeError::Redirect { to, error, .. } => {
            log(&error, StatusCode::SEE_OTHER, error.description());
            redirect(to.as_str())
        }
        AuthorizeError::Page(error) => {
            let words = words(&error.page);
            log(&error, words.status, error.page.code().as_str());
            let link = retry_link(&error, consent_path);
            let request_id = info.request_id.as_deref();
            if let Page::PendingClient(client) = &error.page {
                let template = WaitingTemplate {
                    words: &words,
                    client,
                    // Empty: the address of the page itself, which is the client's whole request.
                    link: link.as_deref().unwrap_or_default(),
                    request_id,
                };
                return render(&template, words.status);
            }
            let template = MessageTemplate {
                words: &words,
                link: link.as_deref(),
                request_id,
            };
            render(&template, words.status)
        }
    }
}

/// The page for somebody who asks for too many.
pub(super) fn too_many(info: &RequestInfo) -> Response {
    let words = Words {
        status: StatusCode::TOO_MANY_REQUESTS,
        title: "Too many requests",
        happened: "More pages were asked for from your network than this server gives in a minute.",
        advice: "Wait a minute, then load this page again.",
    };
    let template = MessageTemplate {
        words: &words,
        link: None,
        request_id: info.request_id.as_deref(),
    };
    render(&template, words.status)
}

/// Sends the browser on with a GET, whatever it came with (RFC 9700 §4.12).
pub(super) fn redirect(location: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(location) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    protected((StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response())
}

/// Where "try again" leads. Asking again for the consent page begins nothing new: the flow goes on
/// from where it stood.
fn retry_link(error: &PageError, consent_path: &str) -> Option<String> {
    let flow = match &error.page {
        Page::UpstreamUnavailable { flow } | Page::LoginAgain { flow } => Some(flow),
        Page::PendingClient(client) => client.flow.as_ref(),
        Page::BadRequest
        | Page::UnknownClient
        | Page::BlockedClient
        | Page::UntrustedClient
        | Page::ClientDocument(_)
        | Page::RedirectUri
        | Page::UnknownFlow
        | Page::Expired
        | Page::OtherBrowser
        | Page::Finished
        | Page::Forgery
        | Page::Callback
        | Page::ServerError => None,
    };
    flow.map(|flow| format!("{consent_path}?flow={flow}"))
}

fn render(template: &impl Template, status: StatusCode) -> Response {
    match template.render() {
        Ok(html) => protected((status, Html(html)).into_response()),
        Err(error) => {
            log(&error, StatusCode::INTERNAL_SERVER_ERROR, "");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The headers that the router's defaults do not give.
///
/// No `Cross-Origin-Opener-Policy`: clients in browsers open the login in a window of their own and
/// wait for a message from it, which that header would cut off.
fn protected(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        CONTENT_SECURITY_POLICY.clone(),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
