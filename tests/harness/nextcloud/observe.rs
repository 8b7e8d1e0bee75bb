//! What the stand-in saw: every request, its bearer token's claims, and the rules it broke.
//!
//! Tests read it through the handle, never over HTTP. It records also what was refused.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, Method, Uri};
use serde_json::{Map, Value};

use super::provider::unverified_claims;
use super::text::{header, segments};

/// How a request tried to say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// No `Authorization` header.
    None,
    /// `Basic`.
    Basic,
    /// `Bearer` with something that reads as a JWT.
    Jwt,
    /// `Bearer` with an opaque value, such as an app password.
    OpaqueBearer,
    /// A scheme that Nextcloud does not know.
    Other,
}

/// A rule for clients that a request broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It carried a cookie; the names are given.
    Cookie(Vec<String>),
    /// It asked for a route that can take an account over, or turn a short token into a lasting
    /// one.
    AccountTaking,
    /// It carried credentials but no `OCS-APIRequest`.
    NoOcsHeader,
    /// Its path held `.` or `..`, plain or encoded.
    DotSegment,
    /// It followed the redirect to the second-factor page.
    FollowedChallenge,
}

/// The claims of a bearer token, read without being believed.
#[derive(Clone, Debug)]
pub struct BearerClaims(Map<String, Value>);

impl BearerClaims {
    /// The audiences, whether the claim was a text or a list.
    #[must_use]
    pub fn aud(&self) -> Vec<String> {
        match self.0.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) => many
                .iter()
                .filter_map(|one| one.as_str().map(str::to_owned))
                .collect(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                Vec::new()
            }
        }
    }

    /// The issuer.
    #[must_use]
    pub fn iss(&self) -> Option<&str> {
        self.text("iss")
    }

    /// The subject.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        self.text("sub")
    }

    /// The `sub` of the actor (RFC 8693 §4.1).
    #[must_use]
    pub fn act_sub(&self) -> Option<&str> {
        self.0.get("act")?.get("sub")?.as_str()
    }

    /// The client the token was issued to.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text("client_id")
    }

    /// The scope, space separated.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.text("scope")
    }

    /// The token's id.
    #[must_use]
    pub fn jti(&self) -> Option<&str> {
        self.text("jti")
    }

    /// `exp` minus `iat`, in seconds, when both are there.
    #[must_use]
    pub fn lifetime(&self) -> Option<u64> {
        let seconds = |name: &str| self.0.get(name).and_then(Value::as_u64);
        seconds("exp")?.checked_sub(seconds("iat")?)
    }

    /// All claims.
    #[must_use]
    pub fn all(&self) -> &Map<String, Value> {
        &self.0
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }
}

/// One request as it was seen.
#[derive(Clone)]
pub struct SeenRequest {
    /// When, in Unix seconds of the stand-in's clock.
    pub at: u64,
    /// The HTTP method.
    pub method: Method,
    /// The path, as sent.
    pub path: String,
    /// The query, as sent.
    pub query: Option<String>,
    /// The status of the answer; `None` while it is being made.
    pub status: Option<u16>,
    /// The account it ran as, when it ran as one.
    pub user: Option<String>,
    /// How it tried to say who it is.
    pub credential: Credential,
    /// The claims of its bearer token, when that was a JWT.
    pub claims: Option<BearerClaims>,
    /// The names of the cookies it sent.
    pub cookies: Vec<String>,
    /// The trace it belongs to, as the W3C header says.
    pub traceparent: Option<String>,
    /// The rules it broke.
    pub violations: Vec<Violation>,
    token: Option<String>,
}

impl SeenRequest {
    /// The raw value after `Bearer`, for tests that look for it where it must not be.
    #[must_use]
    pub fn bearer_token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

impl fmt::Debug for SeenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token stays out: a failed assertion prints this.
        f.debug_struct("SeenRequest")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &self.query)
            .field("status", &self.status)
            .field("user", &self.user)
            .field("credential", &self.credential)
            .field("violations", &self.violations)
            .finish_non_exhaustive()
    }
}

/// The log of everything seen; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    seen: Arc<Mutex<Vec<SeenRequest>>>,
}

impl Observations {
    /// Every request so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.lock().clone()
    }

    /// The requests that ran as `uid`.
    #[must_use]
    pub fn requests_of(&self, uid: &str) -> Vec<SeenRequest> {
        self.lock()
            .iter()
            .filter(|request| request.user.as_deref() == Some(uid))
            .cloned()
            .collect()
    }

    /// The requests that broke a rule.
    #[must_use]
    pub fn violations(&self) -> Vec<SeenRequest> {
        self.lock()
            .iter()
            .filter(|request| !request.violations.is_empty())
            .cloned()
            .collect()
    }

    /// Every distinct raw bearer token seen, accepted or not.
    #[must_use]
    pub fn bearer_tokens(&self) -> Vec<String> {
        let mut tokens: Vec<String> = self
            .lock()
            .iter()
            .filter_map(|request| request.token.clone())
            .collect();
        tokens.sort();
        tokens.dedup();
        tokens
    }

    /// Forgets what was seen so far.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Writes a request down before it is answered; the number is for [`Self::finish`].
    pub(super) fn begin(&self, at: u64, method: &Method, uri: &Uri, headers: &HeaderMap) -> usize {
        let (credential, token) = credential(headers);
        let request = SeenRequest {
            at,
            method: method.clone(),
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
            status: None,
            user: None,
            credential,
            claims: token
                .as_deref()
                .and_then(unverified_claims)
                .map(BearerClaims),
            cookies: cookie_names(headers),
            traceparent: header(headers, "traceparent").map(str::to_owned),
            violations: violations(method, uri, headers, credential),
            token,
        };
        let mut seen = self.lock();
        seen.push(request);
        seen.len() - 1
    }

    /// Adds how a request ended.
    pub(super) fn finish(&self, number: usize, user: Option<String>, status: u16) {
        if let Some(request) = self.lock().get_mut(number) {
            request.user = user;
            request.status = Some(status);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<SeenRequest>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn credential(headers: &HeaderMap) -> (Credential, Option<String>) {
    let Some(authorization) = header(headers, "authorization") else {
        return (Credential::None, None);
    };
    let (scheme, value) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        let token = value.trim().to_owned();
        let kind = if unverified_claims(&token).is_some() {
            Credential::Jwt
        } else {
            Credential::OpaqueBearer
        };
        (kind, Some(token))
    } else if scheme.eq_ignore_ascii_case("basic") {
        (Credential::Basic, None)
    } else {
        (Credential::Other, None)
    }
}

fn cookie_names(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all("cookie")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.split('=').next())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

fn violations(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    credential: Credential,
) -> Vec<Violation> {
    let mut found = Vec::new();
    if credential == Credential::None && belongs_to_login(uri) {
        return found;
    }
    let cookies = cookie_names(headers);
    if !cookies.is_empty() {
        found.push(Violation::Cookie(cookies));
    }
    let path = segments(uri.path()).unwrap_or_default();
    if path.iter().any(|segment| segment == "." || segment == "..") {
        found.push(Violation::DotSegment);
    }
    let path: Vec<&str> = resolved(&path);
    if path.starts_with(&["login", "selectchallenge"]) {
        found.push(Violation::FollowedChallenge);
    }
    if takes_account(method, &path) {
        found.push(Violation::AccountTaking);
    }
    let has_ocs_header = header(headers, "ocs-apirequest").is_some_and(|value| !value.is_empty());
    if credential != Credential::None && !has_ocs_header {
        found.push(Violation::NoOcsHeader);
    }
    found
}

/// Whether it is a step of a login with the apps `oauth2` and `oidc`: pages for a browser, which has
/// cookies, and what a client asks for as itself.
fn belongs_to_login(uri: &Uri) -> bool {
    let path = segments(uri.path()).unwrap_or_default();
    matches!(
        resolved(&path).as_slice(),
        ["login", "flow"]
            | ["apps", "oauth2", "authorize" | "api", ..]
            | ["apps", "oidc", "authorize" | "token" | "jwks"]
            | [".well-known", "openid-configuration"]
    )
}

/// The path after dot segments are gone and without the front controller.
fn resolved(path: &[String]) -> Vec<&str> {
    let mut resolved: Vec<&str> = Vec::new();
    for segment in path {
        match segment.as_str() {
            "." => {}
            ".." => {
                resolved.pop();
            }
            other => resolved.push(other),
        }
    }
    if resolved.first() == Some(&"index.php") {
        resolved.remove(0);
    }
    resolved
}

/// Whether a route can take an account over; the list a gateway has to deny.
fn takes_account(method: &Method, path: &[&str]) -> bool {
    match path {
        ["ocs", _, "core", route, ..] => {
            route.starts_with("getapppassword") || route.starts_with("apppassword")
        }
        ["ocs", _, "cloud", ..] => *method != Method::GET && *method != Method::HEAD,
        ["ocs", _, "apps", "user_oidc" | "provisioning_api", ..]
        | ["settings" | "login", ..]
        | ["apps", "oauth2", ..]
        | ["apps", "oidc", "authorize", ..]
        | ["core", "wipe", ..] => true,
        _ => false,
    }
}
