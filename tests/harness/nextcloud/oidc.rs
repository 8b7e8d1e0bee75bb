//! The app `oidc` (2.0.9): Nextcloud as an OpenID provider, whose tokens its own APIs take when
//! `user_oidc` has `oidc_provider_bearer_validation`.
//!
//! As recorded: the issuer is whatever host a request came to; clients are entered by the
//! administrator and prove themselves in the form; there is a refresh token only with
//! `offline_access`; a renewal replaces both tokens in their row, so that the old pair is dead at once;
//! a stored token is taken for twice its announced life, and one that is presented later takes its row
//! with it. No revocation endpoint, no `iss` in the authorization response.
//!
//! Not here: the consent page (off by default), dynamic registration, introspection, Basic at the
//! token endpoint. The browser side is one page, as in [`super::oauth2`].

use std::collections::HashMap;

use anyhow::Context as _;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use url::Url;

use super::issuer::{Key, KeyKind};
use super::pages;
use super::server::{Server, Shared};
use super::text::{header, header_value};
use crate::random::alphanumeric;

/// How long a code is good, in seconds.
const CODE_LIFE: u64 = 600;
/// `expire_time` and `refresh_expire_time` unless they are set, in seconds.
const USUAL_LIFE: u64 = 900;
/// The name of the signing key.
const KEY_ID: &str = "oidc-app";

/// A client, as the administrator enters it.
#[derive(Clone, Debug)]
pub struct OidcClient {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Where codes go, to the letter.
    pub redirect_uri: String,
    /// The form of its access tokens.
    pub access_tokens: AccessTokens,
}

/// The form of a client's access tokens (`token_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessTokens {
    /// A random text, the default.
    Opaque,
    /// A JWT for the resource of the login, or else for the client.
    Jwt,
}

/// What the app remembers.
#[derive(Default)]
struct App {
    key: Option<Key>,
    clients: Vec<OidcClient>,
    codes: HashMap<String, Code>,
    rows: Vec<Row>,
    life: Option<u64>,
    opens_nextcloud: bool,
    renewals: usize,
    issued: Vec<String>,
}

type Parameters = HashMap<String, String>;

/// A code, with what was asked for.
struct Code {
    asked: Parameters,
    uid: String,
    until: u64,
}

/// The tokens of a login; a renewal puts new ones into the same row.
struct Row {
    client: OidcClient,
    asked: Parameters,
    uid: String,
    access_token: String,
    refresh_token: Option<String>,
    until: u64,
    refresh_until: u64,
}

/// Why the token endpoint refuses: code and description.
type Refusal = (&'static str, &'static str);

pub(super) fn routes() -> Router<Shared> {
    let mut router = Router::new();
    for prefix in ["", "/index.php"] {
        for path in [
            "/.well-known/openid-configuration",
            "/apps/oidc/openid-configuration",
        ] {
            router = router.route(&format!("{prefix}{path}"), get(discovery));
        }
        let app = format!("{prefix}/apps/oidc");
        router = router
            .route(&format!("{app}/jwks"), get(jwks))
            .route(&format!("{app}/authorize"), get(ask).post(log_in))
            .route(&format!("{app}/token"), post(token));
    }
    router
}

/// Enters a client, and makes the app's key if it has none.
pub(super) fn register(server: &Server, client: OidcClient) -> anyhow::Result<()> {
    let key = Key::generate(KeyKind::Rsa)?;
    server.family(|app: &mut App| {
        app.key.get_or_insert(key);
        app.clients.push(client);
    });
    Ok(())
}

/// Switches `oidc_provider_bearer_validation` of `user_oidc`: without it the tokens open nothing.
pub(super) fn set_bearer_validation(server: &Server, is_on: bool) {
    server.family(|app: &mut App| app.opens_nextcloud = is_on);
}

/// Sets `expire_time`, in seconds, for tokens from now on.
pub(super) fn set_life(server: &Server, seconds: u64) {
    server.family(|app: &mut App| app.life = Some(seconds));
}

/// How often tokens were renewed.
pub(super) fn renewals(server: &Server) -> usize {
    server
        .family(|app: &mut App| app.renewals)
        .unwrap_or_default()
}

/// Every access and refresh token that was ever issued.
pub(super) fn issued(server: &Server) -> Vec<String> {
    server
        .family(|app: &mut App| app.issued.clone())
        .unwrap_or_default()
}

/// Forgets all tokens of an account.
pub(super) fn forget(server: &Server, uid: &str) {
    server.family(|app: &mut App| app.rows.retain(|row| row.uid != uid));
}

/// Whose stored access token this is.
pub(super) fn owner(server: &Server, token: &str) -> Option<String> {
    let now = server.clock().now();
    server
        .family(|app: &mut App| {
            if !app.opens_nextcloud {
                return None;
            }
            // Looking at one that is over deletes its row, and the refresh token with it.
            app.rows
                .retain(|row| row.access_token != token || now < row.until);
            let row = app.rows.iter().find(|row| row.access_token == token)?;
            Some(row.uid.clone())
        })
        .flatten()
}

/// The issuer, as the host of the request makes it.
fn issuer(headers: &HeaderMap) -> String {
    format!("http://{}", header(headers, "host").unwrap_or_default())
}

async fn discovery(headers: HeaderMap) -> Json<Value> {
    let issuer = issuer(&headers);
    let app = |path: &str| format!("{issuer}/apps/oidc/{path}");
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": app("authorize"),
        "token_endpoint": app("token"),
        "jwks_uri": app("jwks"),
        "scopes_supported": ["openid", "profile", "email", "roles", "groups", "offline_access"],
        "response_types_supported": ["code", "code id_token", "id_token"],
        "grant_types_supported": ["authorization_code", "implicit", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "HS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "code_challenge_methods_supported": ["S256", "plain"],
    }))
}

async fn jwks(State(server): State<Shared>) -> Json<Value> {
    let key = server.family(|app: &mut App| app.key.as_ref().map(|key| key.jwk(KEY_ID)));
    Json(json!({ "keys": Vec::from_iter(key.flatten()) }))
}

async fn ask(State(server): State<Shared>, Query(query): Query<Parameters>) -> Response {
    match client_of(&server, &query) {
        Some(_) => form(&query, ""),
        None => forbidden(),
    }
}

/// As recorded, with 200.
fn forbidden() -> Response {
    pages::page(
        StatusCode::OK,
        "Access forbidden",
        "<p>Your client is not authorized to connect. Please inform the administrator of your \
         client.</p>",
    )
}

/// The client of an authorization request, if the redirect URI is its own.
fn client_of(server: &Server, query: &Parameters) -> Option<OidcClient> {
    let client = client(server, query.get("client_id")?)?;
    (*query.get("redirect_uri")? == client.redirect_uri).then_some(client)
}

/// The page where one logs in, in one step.
fn form(fields: &Parameters, complaint: &str) -> Response {
    let hidden: Vec<String> = fields
        .iter()
        .filter(|(name, _)| !["user", "password"].contains(&name.as_str()))
        .map(|(name, value)| {
            let value = value.replace('&', "&amp;").replace('"', "&quot;");
            format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
        })
        .collect();
    let hidden = hidden.concat();
    let body = format!(
        "{complaint}<form method=\"post\" action=\"/apps/oidc/authorize\">{hidden}\
         <label>Account name <input type=\"text\" name=\"user\" autocomplete=\"username\"></label>\
         <label>Password <input type=\"password\" name=\"password\"></label>\
         <button type=\"submit\">Log in</button></form>"
    );
    pages::page(StatusCode::OK, "Log in to Nextcloud", &body)
}

async fn log_in(State(server): State<Shared>, Form(fields): Form<Parameters>) -> Response {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let Some(client) = client_of(&server, &fields) else {
        return forbidden();
    };
    let uid = server.store(|store| {
        let account = store
            .accounts
            .check_password(field("user"), field("password"))?;
        account.enabled.then(|| account.uid.clone())
    });
    let Some(uid) = uid else {
        return form(&fields, "<p>Wrong login or password.</p>");
    };
    let code = alphanumeric(128);
    let Ok(mut url) = Url::parse(&client.redirect_uri) else {
        return forbidden();
    };
    url.query_pairs_mut()
        .append_pair("state", field("state"))
        .append_pair("code", &code);
    let until = server.clock().now() + CODE_LIFE;
    server.family(|app: &mut App| {
        let asked = fields;
        app.codes.insert(code, Code { asked, uid, until });
    });
    (
        StatusCode::SEE_OTHER,
        [("location", header_value(url.as_str()))],
    )
        .into_response()
}

async fn token(
    State(server): State<Shared>,
    headers: HeaderMap,
    Form(fields): Form<Parameters>,
) -> Response {
    let issued = match fields.get("grant_type").map(String::as_str) {
        Some("authorization_code") => redeem(&server, &fields),
        Some("refresh_token") => renew(&server, &fields),
        _ => Err((
            "invalid_grant",
            "Invalid grant_type provided. Must be authorization_code or refresh_token.",
        )),
    };
    let answer = issued.map(|row| store(&server, row, &issuer(&headers)));
    match answer {
        Ok(Ok(body)) => Json(body).into_response(),
        Ok(Err(_)) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Err((error, description)) => (
            StatusCode::BAD_REQUEST,
            Json(json!({ "error": error, "error_description": description })),
        )
            .into_response(),
    }
}

/// The row of a login, its tokens still to come.
fn redeem(server: &Server, fields: &Parameters) -> Result<Row, Refusal> {
    let client = authenticate(server, fields)?;
    let now = server.clock().now();
    let code = fields
        .get("code")
        .and_then(|code| server.family(|app: &mut App| app.codes.remove(code)))
        .flatten()
        .filter(|code| now < code.until && code.asked.get("client_id") == Some(&client.id))
        .ok_or(("invalid_grant", "Could not find authorization code."))?;
    if let Some(challenge) = code.asked.get("code_challenge") {
        let verifier = fields
            .get("code_verifier")
            .ok_or(("invalid_grant", "code_verifier required for PKCE flow."))?;
        if URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) != *challenge {
            return Err(("invalid_grant", "Invalid code_verifier."));
        }
    }
    Ok(Row {
        client,
        uid: code.uid,
        asked: code.asked,
        access_token: String::new(),
        refresh_token: None,
        until: 0,
        refresh_until: 0,
    })
}

/// The row of a refresh token, taken out.
fn renew(server: &Server, fields: &Parameters) -> Result<Row, Refusal> {
    let client = authenticate(server, fields)?;
    let now = server.clock().now();
    let refresh_token = fields.get("refresh_token");
    let row = server.family(|app: &mut App| {
        let found = app.rows.iter().position(|row| {
            row.client.id == client.id && row.refresh_token.as_ref() == refresh_token
        })?;
        app.renewals += 1;
        Some(app.rows.swap_remove(found))
    });
    let row = row
        .flatten()
        .filter(|_| refresh_token.is_some())
        .ok_or(("invalid_grant", "Could not find access token."))?;
    if now < row.refresh_until {
        Ok(row)
    } else {
        Err(("invalid_grant", "Refresh token is expired."))
    }
}

/// Puts new tokens into a row and keeps it; the answer that carries them.
fn store(server: &Server, row: Row, issuer: &str) -> anyhow::Result<Value> {
    let now = server.clock().now();
    let life = server.family(|app: &mut App| app.life).flatten();
    let life = life.unwrap_or(USUAL_LIFE);
    let (client, uid) = (&row.client, &row.uid);
    let claims = |audience: &str| {
        json!({
            "iss": issuer, "sub": uid, "aud": audience, "exp": now + life, "auth_time": now,
            "iat": now, "acr": "0", "azp": client.id, "jti": alphanumeric(12),
        })
    };
    let sign = |typ: &str, claims: &Value| {
        let signed = server.family(|app: &mut App| {
            let header = json!({ "typ": typ, "alg": "RS256", "kid": KEY_ID });
            app.key.as_ref().map(|key| key.sign(&header, claims))
        });
        signed.flatten().context("no key")?
    };
    let access_token = match client.access_tokens {
        AccessTokens::Opaque => alphanumeric(72),
        AccessTokens::Jwt => {
            let audience = row.asked.get("resource").unwrap_or(&client.id);
            let mut claims = claims(audience);
            claims["client_id"] = json!(client.id);
            claims["preferred_username"] = json!(uid);
            sign("at+JWT", &claims)?
        }
    };
    let mut claims = claims(&client.id);
    claims["nonce"] = json!(row.asked.get("nonce"));
    let is_offline = row
        .asked
        .get("scope")
        .is_some_and(|scope| scope.split(' ').any(|scope| scope == "offline_access"));
    let refresh_token = is_offline.then(|| alphanumeric(128));
    let mut body = json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": life,
        "id_token": sign("JWT", &claims)?,
    });
    if let Some(refresh_token) = &refresh_token {
        body["refresh_token"] = json!(refresh_token);
        body["refresh_expires_in"] = json!(USUAL_LIFE);
    }
    let row = Row {
        access_token,
        refresh_token,
        until: now + 2 * life,
        refresh_until: now + USUAL_LIFE + life,
        ..row
    };
    server.family(|app: &mut App| {
        app.issued.push(row.access_token.clone());
        app.issued.extend(row.refresh_token.clone());
        app.rows.push(row);
    });
    Ok(body)
}

fn authenticate(server: &Server, fields: &Parameters) -> Result<OidcClient, Refusal> {
    fields
        .get("client_id")
        .and_then(|id| client(server, id))
        .filter(|client| fields.get("client_secret") == Some(&client.secret))
        .ok_or(("invalid_client", "Client authentication failed."))
}

fn client(server: &Server, id: &str) -> Option<OidcClient> {
    let find = |app: &mut App| app.clients.iter().find(|client| client.id == id).cloned();
    server.family(find).flatten()
}
