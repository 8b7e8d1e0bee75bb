//! The provider's browser side: authorization request, login form, answer to the client.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Form;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use url::Url;

use super::fault::Fault;
use super::pages;
use super::state::{IdpState, Pending};

const SESSION_COOKIE: &str = "idp_session";

/// GET `/authorize` (RFC 6749 §4.1.1).
pub(super) async fn authorize(
    State(state): State<Arc<IdpState>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let query: Vec<(String, String)> =
        serde_urlencoded::from_str(&query.unwrap_or_default()).unwrap_or_default();
    let parameters: HashMap<&str, &str> = query
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let get = |name: &str| parameters.get(name).map(|value| (*value).to_owned());

    // RFC 6749 §4.1.2.1: an unknown client or redirect URI is told to the person, never redirected.
    let asked = get("client_id");
    let client = asked.as_deref().and_then(|id| state.client(id));
    let redirect_uri =
        get("redirect_uri").filter(|candidate| state.options().redirect_uris.contains(candidate));
    let (Some((client_id, secret)), Some(redirect_uri)) = (client, redirect_uri) else {
        return (
            StatusCode::BAD_REQUEST,
            pages::problem("The client or its redirect URI is not registered here."),
        )
            .into_response();
    };
    let request = Pending {
        client_id: client_id.to_owned(),
        redirect_uri,
        state: get("state"),
        nonce: get("nonce"),
        challenge: get("code_challenge"),
        scope: get("scope").unwrap_or_default(),
    };
    if parameters.len() != query.len() {
        return refuse(&state, &request, "invalid_request");
    }
    if get("response_type").as_deref() != Some("code") {
        return refuse(&state, &request, "unsupported_response_type");
    }
    let method = get("code_challenge_method");
    if request.challenge.is_some() && method.as_deref() != Some("S256") {
        return refuse(&state, &request, "invalid_request");
    }
    if request.challenge.is_none() && secret.is_none() {
        return refuse(&state, &request, "invalid_request");
    }

    let prompt = get("prompt").unwrap_or_default();
    let user = session_id(&headers).and_then(|id| state.session_user(&id));
    match user {
        Some(user) if !prompt.contains("login") => {
            state.remember_request(query, request.clone());
            finish(&state, &user.name, &request)
        }
        _ if prompt == "none" => refuse(&state, &request, "login_required"),
        _ => {
            let hint = get("login_hint").unwrap_or_default();
            let id = state.remember_request(query, request);
            pages::login(&id, &hint, None).into_response()
        }
    }
}

/// What the login form sends.
#[derive(Deserialize)]
pub(super) struct Login {
    request: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    decision: String,
}

/// POST `/login`.
pub(super) async fn log_in(
    State(state): State<Arc<IdpState>>,
    Form(login): Form<Login>,
) -> Response {
    let Some(request) = state.pending(&login.request) else {
        return (
            StatusCode::BAD_REQUEST,
            pages::problem("This login form is no longer known."),
        )
            .into_response();
    };
    if login.decision == "cancel" {
        return refuse(&state, &request, "access_denied");
    }
    let user = state
        .user(&login.username)
        .filter(|user| user.password == login.password);
    let Some(user) = user else {
        let complaint = Some("Name or password is wrong.");
        return pages::login(&login.request, &login.username, complaint).into_response();
    };
    let session = state.start_session(&user.name);
    let cookie = format!("{SESSION_COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax");
    (
        [(header::SET_COOKIE, cookie)],
        finish(&state, &user.name, &request),
    )
        .into_response()
}

/// GET `/logout`: forgets the browser.
pub(super) async fn log_out(State(state): State<Arc<IdpState>>, headers: HeaderMap) -> Response {
    if let Some(id) = session_id(&headers) {
        state.end_session(&id);
    }
    let cookie = format!("{SESSION_COOKIE}=; Path=/; Max-Age=0");
    (
        [(header::SET_COOKIE, cookie)],
        pages::problem("You are logged out."),
    )
        .into_response()
}

/// Sends the browser back with a code, or with what a fault wants instead.
fn finish(state: &IdpState, user: &str, request: &Pending) -> Response {
    let error = state.faults().find(user, |fault| {
        if let Fault::AuthorizationError(code) = fault {
            Some(*code)
        } else {
            None
        }
    });
    if let Some(code) = error {
        return refuse(state, request, code);
    }
    let code = state.issue_code(user, request.clone());
    let iss = if state.faults().has(user, &Fault::NoIssParameter) {
        None
    } else {
        let forged = state.faults().find(user, |fault| {
            if let Fault::IssParameter(iss) = fault {
                Some(iss.clone())
            } else {
                None
            }
        });
        Some(forged.unwrap_or_else(|| state.issuer().to_owned()))
    };
    redirect(request, &[("code", Some(&code)), ("iss", iss.as_deref())])
}

fn refuse(state: &IdpState, request: &Pending, code: &str) -> Response {
    redirect(
        request,
        &[("error", Some(code)), ("iss", Some(state.issuer()))],
    )
}

fn redirect(request: &Pending, parameters: &[(&str, Option<&str>)]) -> Response {
    let Ok(mut url) = Url::parse(&request.redirect_uri) else {
        return (
            StatusCode::BAD_REQUEST,
            pages::problem("The redirect URI is no URL."),
        )
            .into_response();
    };
    {
        let mut query = url.query_pairs_mut();
        for (name, value) in parameters {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if let Some(state) = &request.state {
            query.append_pair("state", state);
        }
    }
    Redirect::to(url.as_str()).into_response()
}

fn session_id(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == SESSION_COOKIE)
        .map(|(_, value)| value.to_owned())
}
