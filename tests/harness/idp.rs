//! The development identity provider: small, honest, in memory.
//!
//! It does what a real `OpenID` provider does (`OpenID` Connect Core and Discovery, RFC 6749, 7636,
//! 7009, 8693, 9207): a login form with passwords, a session cookie, codes that work once, ID
//! tokens, rotating refresh tokens, token exchange. Faults can be ordered per user, so that tests
//! that share one provider do not disturb each other.
//!
//! It leaves consent to the broker, which is its only client (or two: one more for background access),
//! and forgets everything when it stops.

mod authorize;
mod fault;
mod pages;
mod state;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, response::Html};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::fault::Fault;
use self::state::IdpState;
use crate::ports;
use crate::random;

/// A person who can log in.
#[derive(Clone, Debug)]
pub struct User {
    /// What the person types, and the `preferred_username` claim.
    pub name: String,
    /// The password.
    pub password: String,
    /// The `sub` claim: stable, and not the name, as at most providers.
    pub subject: String,
    /// The `name` claim.
    pub full_name: String,
}

impl User {
    /// A user whose other attributes follow from the name.
    #[must_use]
    pub fn new(name: &str, password: &str) -> Self {
        let (first, rest) = name.split_at(name.len().min(1));
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
            subject: format!("idp-{name}-7f3c"),
            full_name: format!("{}{rest} Example", first.to_uppercase()),
        }
    }

    /// alice and bob, whom the demo and the tests know.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        vec![
            Self::new("alice", "alice-in-wonderland"),
            Self::new("bob", "bob-the-builder"),
        ]
    }
}

/// How a development provider is set up.
#[derive(Clone, Debug)]
pub struct IdpOptions {
    /// The loopback port.
    pub port: u16,
    /// Who can log in.
    pub users: Vec<User>,
    /// The broker's client.
    pub client_id: String,
    /// Its secret; `None` makes it a public client.
    pub client_secret: Option<String>,
    /// Id and secret of the broker's second client, for background access, if it has one.
    pub offline_client: Option<(String, String)>,
    /// Where codes may be sent, compared as strings.
    pub redirect_uris: Vec<String>,
    /// Audiences that a token may be exchanged for (RFC 8693).
    pub exchange_audiences: Vec<String>,
}

/// A running development provider. Dropping it stops it.
#[derive(Debug)]
pub struct IdpHandle {
    state: Arc<IdpState>,
    server: JoinHandle<()>,
}

impl IdpHandle {
    /// Starts a provider on the current runtime.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(options: IdpOptions) -> Result<Self> {
        let listener = TcpListener::bind(ports::loopback(options.port)).await?;
        let state = Arc::new(IdpState::new(options));
        let app = router(Arc::clone(&state));
        let server = tokio::spawn(async move {
            // Ends only when the task is aborted.
            axum::serve(listener, app).await.ok();
        });
        Ok(Self { state, server })
    }

    /// The issuer identifier, without a trailing slash.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.state.issuer()
    }

    /// Orders a fault for everything that concerns this user, until [`IdpHandle::heal`].
    pub fn inject(&self, user: &str, fault: Fault) {
        self.state.faults().inject(user, fault);
    }

    /// Ends all faults of this user.
    pub fn heal(&self, user: &str) {
        self.state.faults().heal(user);
    }

    /// A logout token for this user (`OpenID` Connect Back-Channel Logout 1.0 §2.4), to be posted to the
    /// broker. `None` when there is no such user.
    #[must_use]
    pub fn logout_token(&self, user: &str) -> Option<String> {
        let user = self.state.user(user)?;
        let now = random::unix_now();
        let claims = json!({
            "iss": self.issuer(),
            "aud": self.state.options().client_id,
            "iat": now,
            "exp": now + 120,
            "jti": random::token(),
            "sub": state::user_claims(user, "")["sub"],
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        Some(self.state.key().sign("logout+jwt", &claims))
    }

    /// How often this user was sent back with an authorization code.
    #[must_use]
    pub fn codes_issued(&self, user: &str) -> usize {
        self.state.codes_issued(user)
    }

    /// Every code, access token and refresh token that it ever issued.
    #[must_use]
    pub fn issued(&self) -> Vec<String> {
        self.state.issued()
    }

    /// How often new tokens were asked for with a refresh token of this user.
    #[must_use]
    pub fn refreshes(&self, user: &str) -> usize {
        self.state.refreshes(user)
    }

    /// How many refresh tokens of this user are good.
    #[must_use]
    pub fn refresh_tokens(&self, user: &str) -> usize {
        self.state.refresh_tokens(user)
    }

    /// The query of every authorization request that was accepted, oldest first.
    #[must_use]
    pub fn authorization_requests(&self) -> Vec<Vec<(String, String)>> {
        self.state.authorization_requests()
    }
}

impl Drop for IdpHandle {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn router(state: Arc<IdpState>) -> Router {
    Router::new()
        .route("/", get(welcome))
        .route("/.well-known/openid-configuration", get(configuration))
        .route("/jwks", get(jwks))
        .route("/authorize", get(authorize::authorize))
        .route("/login", post(authorize::log_in))
        .route("/logout", get(authorize::log_out))
        .route("/token", post(token::token))
        .route("/revoke", post(token::revoke))
        .route("/userinfo", get(token::userinfo).post(token::userinfo))
        .layer(middleware::from_fn(no_store))
        .with_state(state)
}

/// No page or token of a provider belongs into a cache.
async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn welcome(State(state): State<Arc<IdpState>>) -> Html<String> {
    pages::welcome(state.users())
}

/// `OpenID` Connect Discovery 1.0 §3.
async fn configuration(State(state): State<Arc<IdpState>>) -> Json<Value> {
    let issuer = state.issuer();
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/jwks"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "end_session_endpoint": format!("{issuer}/logout"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", token::TOKEN_EXCHANGE],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["sub", "preferred_username", "name", "email", "email_verified"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn jwks(State(state): State<Arc<IdpState>>) -> Json<Value> {
    Json(json!({ "keys": [state.key().jwk()] }))
}

/// An OAuth error body (RFC 6749 §5.2).
fn oauth_error(status: StatusCode, code: &str, description: &str) -> Response {
    (
        status,
        Json(json!({ "error": code, "error_description": description })),
    )
        .into_response()
}
