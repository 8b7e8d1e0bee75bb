//! The provider's token endpoint and what belongs to it: userinfo and revocation.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::{Json, http};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::fault::Fault;
use super::state::{Grant, IdpState, TOKEN_LIFETIME, user_claims};
use super::{User, oauth_error};
use crate::random;

pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Seconds in an hour: how long ago a faulty ID token expired.
const HOUR: u64 = 3600;

type Parameters = HashMap<String, String>;
/// A refusal is boxed: it is seldom, and large.
type Answer<T = Response> = Result<T, Box<Response>>;

/// POST `/token` (RFC 6749 §4.1.3 and §6, RFC 8693).
pub(super) async fn token(
    State(state): State<Arc<IdpState>>,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Response {
    let client_id = match authenticate(&state, &headers, &form) {
        Ok(client_id) => client_id,
        Err(refusal) => return *refusal,
    };
    let answer = match form.get("grant_type").map(String::as_str) {
        Some("authorization_code") => redeem(&state, client_id, &form).await,
        Some("refresh_token") => refresh(&state, client_id, &form).await,
        Some(TOKEN_EXCHANGE) => exchange(&state, client_id, &form).await,
        _ => Err(bad_request("unsupported_grant_type", "No such grant here.")),
    };
    answer.unwrap_or_else(|refusal| *refusal)
}

/// The client's id; Basic, post or, for a public client, nothing (RFC 6749 §2.3.1).
fn authenticate<'a>(
    state: &'a IdpState,
    headers: &HeaderMap,
    form: &Parameters,
) -> Answer<&'a str> {
    let given = basic_credentials(headers).or_else(|| {
        Some((
            form.get("client_id")?.clone(),
            form.get("client_secret").cloned(),
        ))
    });
    if let Some((id, secret)) = given
        && let Some((known, expected)) = state.client(&id)
        && secret.as_deref() == expected
    {
        return Ok(known);
    }
    let mut refusal = oauth_error(
        StatusCode::UNAUTHORIZED,
        "invalid_client",
        "The client is not known.",
    );
    refusal.headers_mut().insert(
        header::WWW_AUTHENTICATE,
        http::HeaderValue::from_static("Basic realm=\"idp\""),
    );
    Err(Box::new(refusal))
}

fn basic_credentials(headers: &HeaderMap) -> Option<(String, Option<String>)> {
    let value = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(value).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id)?, Some(form_decode(secret)?)))
}

/// RFC 6749 §2.3.1: both halves are form-encoded before Basic.
fn form_decode(text: &str) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&format!("v={text}")).ok()?;
    pairs.into_iter().next().map(|(_, value)| value)
}

async fn redeem(state: &IdpState, client_id: &str, form: &Parameters) -> Answer {
    let refusal = || {
        bad_request(
            "invalid_grant",
            "The code is not known, was used or is too old.",
        )
    };
    let code = form.get("code").ok_or_else(refusal)?;
    let grant = state.take_code(code).ok_or_else(refusal)?;
    if grant.request.client_id != client_id {
        return Err(refusal());
    }
    if form.get("redirect_uri") != Some(&grant.request.redirect_uri) {
        return Err(bad_request(
            "invalid_grant",
            "The redirect URI is another one.",
        ));
    }
    let verified = match (&grant.request.challenge, form.get("code_verifier")) {
        (Some(challenge), Some(verifier)) => *challenge == s256(verifier),
        (None, None) => true,
        _ => false,
    };
    if !verified {
        return Err(bad_request(
            "invalid_grant",
            "The code verifier does not fit.",
        ));
    }
    misbehave(state, &grant.user).await?;
    respond(state, &grant, FirstTokens::Yes)
}

async fn refresh(state: &IdpState, client_id: &str, form: &Parameters) -> Answer {
    let refusal = || bad_request("invalid_grant", "The refresh token is not known.");
    let token = form.get("refresh_token").ok_or_else(refusal)?;
    let grant = state
        .take_refresh_token(token, client_id)
        .ok_or_else(refusal)?;
    misbehave(state, &grant.user).await?;
    respond(state, &grant, FirstTokens::No)
}

async fn exchange(state: &IdpState, client_id: &str, form: &Parameters) -> Answer {
    let token = form.get("subject_token").filter(|_| {
        form.get("subject_token_type")
            .is_some_and(|kind| kind == ACCESS_TOKEN_TYPE)
    });
    let user = token
        .and_then(|token| state.access_token_user(token))
        .ok_or_else(|| bad_request("invalid_request", "The subject token is not valid."))?;
    let audience = form
        .get("audience")
        .filter(|audience| state.options().exchange_audiences.contains(audience))
        .ok_or_else(|| bad_request("invalid_target", "No tokens for that audience."))?;
    misbehave(state, &user.name).await?;
    let scope = form.get("scope").map_or("openid", String::as_str);
    Ok(Json(json!({
        "access_token": state.issue_access_token(&user, client_id, audience, scope),
        "issued_token_type": ACCESS_TOKEN_TYPE,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME,
        "scope": scope,
    }))
    .into_response())
}

#[derive(Clone, Copy, PartialEq)]
enum FirstTokens {
    Yes,
    No,
}

fn respond(state: &IdpState, grant: &Grant, first: FirstTokens) -> Answer {
    let user = state
        .user(&grant.user)
        .ok_or_else(|| bad_request("invalid_grant", "The user is gone."))?;
    let scope = &grant.request.scope;
    let asked = |name: &str| scope.split(' ').any(|scope| scope == name);
    let client_id = &grant.request.client_id;
    let is_short =
        first == FirstTokens::Yes && state.faults().has(&grant.user, &Fault::ShortFirstTokens);
    let mut body = json!({
        "access_token": state.issue_access_token(user, client_id, client_id, scope),
        "token_type": "Bearer",
        "expires_in": if is_short { 0 } else { TOKEN_LIFETIME },
        "scope": scope,
    });
    if asked("openid") && first == FirstTokens::Yes {
        body["id_token"] = json!(id_token(state, user, grant));
    }
    if asked("offline_access") {
        body["refresh_token"] = json!(state.issue_refresh_token(grant.clone()));
    }
    Ok(Json(body).into_response())
}

/// An ID token (`OpenID` Connect Core §2), with whatever the user's faults spoil in it.
fn id_token(state: &IdpState, user: &User, grant: &Grant) -> String {
    let spoilt = |fault: &Fault| state.faults().has(&user.name, fault);
    let now = random::unix_now();
    let mut claims = user_claims(user, &grant.request.scope);
    let set = |claims: &mut Value, name: &str, value: Value| claims[name] = value;
    set(&mut claims, "iss", json!(state.issuer()));
    set(&mut claims, "aud", json!(grant.request.client_id));
    set(&mut claims, "iat", json!(now));
    set(&mut claims, "auth_time", json!(now));
    set(&mut claims, "exp", json!(now + TOKEN_LIFETIME));
    if let Some(nonce) = &grant.request.nonce {
        set(&mut claims, "nonce", json!(nonce));
    }
    if spoilt(&Fault::WrongNonce) {
        set(&mut claims, "nonce", json!("another-nonce"));
    }
    if spoilt(&Fault::WrongIssuer) {
        set(&mut claims, "iss", json!("https://another-issuer.example"));
    }
    if spoilt(&Fault::WrongAudience) {
        set(&mut claims, "aud", json!("another-client"));
    }
    if spoilt(&Fault::ExpiredIdToken) {
        set(&mut claims, "iat", json!(now - 2 * HOUR));
        set(&mut claims, "exp", json!(now - HOUR));
    }
    if spoilt(&Fault::NoUsername)
        && let Some(members) = claims.as_object_mut()
    {
        members.remove("preferred_username");
    }
    let key = if spoilt(&Fault::BadSignature) {
        state.foreign_key()
    } else {
        state.key()
    };
    key.sign("JWT", &claims)
}

/// The faults of the token endpoint itself.
async fn misbehave(state: &IdpState, user: &str) -> Answer<()> {
    let delay = state.faults().find(user, |fault| {
        if let Fault::SlowTokenEndpoint(delay) = fault {
            Some(*delay)
        } else {
            None
        }
    });
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    if state.faults().has(user, &Fault::BrokenTokenEndpoint) {
        let page = Html("<h1>Internal Server Error</h1>");
        return Err(Box::new(
            (StatusCode::INTERNAL_SERVER_ERROR, page).into_response(),
        ));
    }
    Ok(())
}

/// GET and POST `/userinfo` (`OpenID` Connect Core §5.3).
pub(super) async fn userinfo(State(state): State<Arc<IdpState>>, headers: HeaderMap) -> Response {
    let user = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
        .and_then(|token| state.access_token_user(token));
    match user {
        Some(user) => Json(user_claims(&user, "profile email")).into_response(),
        None => oauth_error(
            StatusCode::UNAUTHORIZED,
            "invalid_token",
            "The token is not valid.",
        ),
    }
}

/// POST `/revoke` (RFC 7009).
pub(super) async fn revoke(
    State(state): State<Arc<IdpState>>,
    headers: HeaderMap,
    Form(form): Form<Parameters>,
) -> Response {
    if let Err(refusal) = authenticate(&state, &headers, &form) {
        return *refusal;
    }
    if let Some(token) = form.get("token") {
        state.revoke(token);
    }
    StatusCode::OK.into_response()
}

/// RFC 7636 §4.2.
fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

#[expect(
    clippy::unnecessary_box_returns,
    reason = "only ever the error of an `Answer`"
)]
fn bad_request(code: &str, description: &str) -> Box<Response> {
    oauth_error(StatusCode::BAD_REQUEST, code, description).into()
}
