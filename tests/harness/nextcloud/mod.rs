//! A stand-in Nextcloud 32 with user_oidc 8.10.1, in memory, for tests and the demo.
//!
//! It answers as the real server was seen to answer: header rules, error shapes, cookies on every
//! response, token checks with their quirks. A client that would fail there fails here. It keeps
//! no file and no database, and stops when its handle is dropped.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use harness::nextcloud::{NextcloudStandIn, ProviderEntry, StandInConfig};
//!
//! let nextcloud = NextcloudStandIn::start(StandInConfig {
//!     providers: vec![ProviderEntry::for_issuer("broker", "nextcloud", "http://127.0.0.1:4280")],
//!     ..StandInConfig::default()
//! })
//! .await?;
//! nextcloud.add_note("alice", "Shopping", "", "milk")?;
//! // … let a client work against `nextcloud.url()` …
//! assert!(nextcloud.observations().violations().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! What is in which file: `front` is the middleware around everything, `gate` the rules for
//! controller routes, `auth` the login, `provider`, `jwks` and `user_oidc` the app of that name; the families are listed in
//! `families`; `observe` is what tests read, [`replay`] compares answers with fixtures, and
//! [`issuer`] mints tokens to test the stand-in itself.

mod account;
mod auth;
mod clock;
mod cookbook;
mod dav;
mod deck;
mod families;
mod front;
mod gate;
pub mod issuer;
mod jwks;
mod login;
mod mime;
mod notes;
mod oauth2;
mod observe;
mod ocs;
mod oidc;
mod pages;
mod parameters;
mod provider;
pub mod replay;
mod server;
mod sharing;
mod stand_in;
mod system;
mod tables;
mod text;
mod tree;
mod user_oidc;
mod webhooks;
mod xml;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

pub use self::account::{Account, Backend};
pub use self::clock::Clock;
pub use self::oauth2::OAuth2Client;
pub use self::observe::{BearerClaims, Credential, Observations, SeenRequest, Violation};
pub use self::oidc::{AccessTokens, OidcClient};
pub use self::provider::ProviderEntry;
pub use self::stand_in::{NextcloudStandIn, StandInConfig};
pub use self::user_oidc::UserOidc;

/// An answer of the application framework with a JSON body.
fn json_answer(status: StatusCode, body: &Value) -> Response {
    (
        status,
        [("content-type", "application/json; charset=utf-8")],
        body.to_string(),
    )
        .into_response()
}

/// Puts the entity tag on an answer, or makes it a 304 when the caller has that version.
fn with_etag(mut response: Response, etag: &str, headers: &HeaderMap) -> Response {
    let quoted = format!("\"{etag}\"");
    if text::header(headers, "if-none-match").is_some_and(|given| given.trim() == quoted) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = axum::body::Body::empty();
        response.headers_mut().remove("content-type");
    }
    response.headers_mut().insert(
        "etag",
        HeaderValue::from_str(&quoted).unwrap_or(HeaderValue::from_static("\"\"")),
    );
    response
}
