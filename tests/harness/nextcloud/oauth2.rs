//! The bundled app `oauth2` (1.20.0): a login that ends with an app password of limited life.
//!
//! As recorded: no metadata, no PKCE, no scopes; the registered redirect URI is always used; errors
//! are one bare word, and `invalid_request` means that a code or refresh token is no good. A renewal
//! replaces both tokens; the old access token lives on as long as the server's token cache does.
//!
//! The browser side is one page: the real one keeps a session between the login and the grant, which
//! the stand-in does not have.

use std::collections::{HashMap, HashSet};

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use url::Url;

use super::pages;
use super::server::{Server, Shared};
use super::text::header_value;
use crate::random::alphanumeric;

/// How long a code is good, in seconds.
const CODE_LIFE: u64 = 600;
/// How long an access token is good, in seconds.
const TOKEN_LIFE: u64 = 3600;
/// How long an access token works after it was replaced, in seconds.
const TOKEN_CACHE: u64 = 10;

/// A client, as the administrator registers it.
#[derive(Clone, Debug)]
pub struct OAuth2Client {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Where codes go, whatever a request says.
    pub redirect_uri: String,
}

/// What the app remembers.
#[derive(Default)]
struct App {
    clients: Vec<OAuth2Client>,
    codes: HashMap<String, Code>,
    /// By refresh token.
    grants: HashMap<String, Grant>,
    /// When access tokens end.
    ends: HashMap<String, u64>,
    /// Access tokens whose time was over: their grants live on.
    over: HashSet<String>,
    renewals: usize,
    issued: Vec<String>,
}

struct Code {
    client_id: String,
    uid: String,
    until: u64,
}

struct Grant {
    client_id: String,
    uid: String,
    access_token: String,
}

type Parameters = HashMap<String, String>;

pub(super) fn routes() -> Router<Shared> {
    let mut router = Router::new().route("/index.php/apps/oauth2/api/v1/token", post(token));
    for prefix in ["", "/index.php"] {
        router = router
            .route(&format!("{prefix}/apps/oauth2/authorize"), get(authorize))
            .route(&format!("{prefix}/login/flow"), get(flow).post(grant));
    }
    router
}

/// Registers a client.
pub(super) fn register(server: &Server, client: OAuth2Client) {
    server.family(|app: &mut App| app.clients.push(client));
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

/// Ends the access of all clients to an account, as its owner does under "Devices & sessions".
pub(super) fn revoke(server: &Server, uid: &str) {
    let tokens = server.family(|app: &mut App| {
        let (gone, kept) = app
            .grants
            .drain()
            .partition(|(_, grant): &(String, Grant)| grant.uid == uid);
        app.grants = kept;
        let gone: HashMap<String, Grant> = gone;
        gone.into_values()
            .map(|grant| grant.access_token)
            .collect::<Vec<_>>()
    });
    forget(server, &tokens.unwrap_or_default());
}

/// Takes back the access tokens whose time is over; the login does this before it looks at one.
pub(super) fn expire(server: &Server) {
    let now = server.clock().now();
    let tokens = server.family(|app: &mut App| {
        let over: Vec<_> = app
            .ends
            .iter()
            .filter(|(_, end)| **end <= now)
            .map(|(token, _)| token.clone())
            .collect();
        for token in &over {
            app.ends.remove(token);
            app.over.insert(token.clone());
        }
        over
    });
    forget(server, &tokens.unwrap_or_default());
}

fn forget(server: &Server, tokens: &[String]) {
    server.store(|store| {
        for token in tokens {
            store.accounts.remove_app_password(token);
        }
    });
}

async fn authorize(State(server): State<Shared>, Query(query): Query<Parameters>) -> Response {
    let client_id = query
        .get("client_id")
        .map(String::as_str)
        .unwrap_or_default();
    if client(&server, client_id).is_none() {
        let words = "<p>Your client is not authorized to connect. Please inform the administrator \
                     of your client.</p>";
        return pages::page(StatusCode::NOT_FOUND, "Access forbidden", words);
    }
    let mut next = url::form_urlencoded::Serializer::new(String::new());
    next.append_pair("providedRedirectUri", "")
        .append_pair("clientIdentifier", client_id);
    if let Some(state) = query.get("state") {
        next.append_pair("state", state);
    }
    see_other(&format!("{}/login/flow?{}", server.url(), next.finish()))
}

async fn flow(Query(query): Query<Parameters>) -> Response {
    form(&query, "")
}

/// The page where one logs in and grants access, in one step.
fn form(fields: &Parameters, complaint: &str) -> Response {
    let hidden = |name: &str| {
        let value = fields.get(name).map(String::as_str).unwrap_or_default();
        let value = value.replace('&', "&amp;").replace('"', "&quot;");
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")
    };
    let body = format!(
        "{complaint}<form method=\"post\" action=\"/login/flow\">{}{}\
         <label>Account name <input type=\"text\" name=\"user\" autocomplete=\"username\"></label>\
         <label>Password <input type=\"password\" name=\"password\"></label>\
         <button type=\"submit\">Grant access</button></form>",
        hidden("clientIdentifier"),
        hidden("state"),
    );
    pages::page(StatusCode::OK, "Connect to your account", &body)
}

async fn grant(State(server): State<Shared>, Form(fields): Form<Parameters>) -> Response {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let Some(client) = client(&server, field("clientIdentifier")) else {
        return pages::not_found();
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
    let until = server.clock().now() + CODE_LIFE;
    server.family(|app: &mut App| {
        let client_id = client.id.clone();
        app.codes.insert(
            code.clone(),
            Code {
                client_id,
                uid,
                until,
            },
        );
    });
    let Ok(mut url) = Url::parse(&client.redirect_uri) else {
        return pages::not_found();
    };
    url.query_pairs_mut()
        .append_pair("state", field("state"))
        .append_pair("code", &code);
    see_other(url.as_str())
}

async fn token(State(server): State<Shared>, Form(fields): Form<Parameters>) -> Response {
    expire(&server);
    let issued = match fields.get("grant_type").map(String::as_str) {
        Some("authorization_code") => redeem(&server, &fields),
        Some("refresh_token") => renew(&server, &fields),
        _ => Err("invalid_grant"),
    };
    match issued {
        Ok(body) => Json(body).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response(),
    }
}

fn redeem(server: &Server, fields: &Parameters) -> Result<Value, &'static str> {
    const NO_GOOD: &str = "invalid_request";
    let code = fields.get("code").ok_or(NO_GOOD)?;
    let now = server.clock().now();
    let client_id = server
        .family(|app: &mut App| {
            let known = app.codes.get(code).filter(|code| now < code.until);
            known.map(|code| code.client_id.clone())
        })
        .flatten()
        .ok_or(NO_GOOD)?;
    authenticate(server, fields, &client_id)?;
    let code = server.family(|app: &mut App| app.codes.remove(code));
    let code = code.flatten().ok_or(NO_GOOD)?;
    Ok(issue(server, code.client_id, code.uid))
}

fn renew(server: &Server, fields: &Parameters) -> Result<Value, &'static str> {
    const NO_GOOD: &str = "invalid_request";
    let refresh_token = fields.get("refresh_token").ok_or(NO_GOOD)?;
    let (client_id, access_token, is_over) = server
        .family(|app: &mut App| {
            let grant = app.grants.get(refresh_token)?;
            let token = grant.access_token.clone();
            let is_over = app.over.contains(&token);
            Some((grant.client_id.clone(), token, is_over))
        })
        .flatten()
        .ok_or(NO_GOOD)?;
    authenticate(server, fields, &client_id)?;
    // Revoked through the access token itself, or the account is gone.
    let works = server.store(|store| store.accounts.app_password_owner(&access_token).is_some());
    if !works && !is_over {
        return Err(NO_GOOD);
    }
    let soon = server.clock().now() + TOKEN_CACHE;
    let grant = server.family(|app: &mut App| {
        if let Some(end) = app.ends.get_mut(&access_token) {
            *end = soon.min(*end);
        }
        app.renewals += 1;
        app.grants.remove(refresh_token)
    });
    let grant = grant.flatten().ok_or(NO_GOOD)?;
    Ok(issue(server, grant.client_id, grant.uid))
}

fn issue(server: &Server, client_id: String, uid: String) -> Value {
    let (access_token, refresh_token) = (alphanumeric(72), alphanumeric(128));
    server.store(|store| {
        store.accounts.add_app_password(&uid, access_token.clone());
    });
    let body = json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": TOKEN_LIFE,
        "refresh_token": refresh_token, "user_id": uid,
    });
    let end = server.clock().now() + TOKEN_LIFE;
    server.family(|app: &mut App| {
        app.issued
            .extend([access_token.clone(), refresh_token.clone()]);
        app.ends.insert(access_token.clone(), end);
        let grant = Grant {
            client_id,
            uid,
            access_token,
        };
        app.grants.insert(refresh_token, grant);
    });
    body
}

/// The client must be the one that the code or refresh token belongs to.
fn authenticate(server: &Server, fields: &Parameters, client_id: &str) -> Result<(), &'static str> {
    let given = |name: &str| fields.get(name).map(String::as_str);
    client(server, client_id)
        .filter(|client| {
            given("client_id") == Some(&client.id) && given("client_secret") == Some(&client.secret)
        })
        .map(|_| ())
        .ok_or("invalid_client")
}

fn client(server: &Server, id: &str) -> Option<OAuth2Client> {
    let find = |app: &mut App| app.clients.iter().find(|client| client.id == id).cloned();
    server.family(find).flatten()
}

fn see_other(location: &str) -> Response {
    (
        StatusCode::SEE_OTHER,
        [("location", header_value(location))],
    )
        .into_response()
}
