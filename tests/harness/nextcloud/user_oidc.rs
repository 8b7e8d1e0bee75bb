//! The app `user_oidc` as an app: whether it is there, in which version, and the two addresses by
//! which one can tell what is wrong with it without an account.
//!
//! Its check of bearer tokens is in [`super::provider`] and [`super::auth`]. What is recorded: the
//! refusals of the logout endpoint, in their order. Read in the source and not recorded: that a
//! signature that does not verify ends in the server's error page, and the picture's 404.

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::provider::{ProviderEntry, verified_claims};
use super::server::Shared;
use super::{json_answer, pages};

/// Which `user_oidc` is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UserOidc {
    /// None, or it is disabled.
    Missing,
    /// Up to 8.6, and after 8.10: every bearer request opens a session.
    Sessions,
    /// 8.7 to 8.10, which open none, and send users with a second factor to its page.
    #[default]
    Stateless,
}

pub(super) fn routes() -> Router<Shared> {
    let mut router = Router::new().route("/index.php/avatar/{uid}/{size}", get(avatar));
    for prefix in ["", "/index.php"] {
        let path = format!("{prefix}/apps/user_oidc/backchannel-logout/{{provider}}");
        router = router.route(&path, post(backchannel_logout));
    }
    router
}

#[derive(Deserialize)]
struct Logout {
    #[serde(default)]
    logout_token: String,
}

/// OpenID Connect Back-Channel Logout, for sessions that the stand-in never has.
async fn backchannel_logout(
    State(server): State<Shared>,
    Path(identifier): Path<String>,
    Form(form): Form<Logout>,
) -> Response {
    if server.user_oidc() == UserOidc::Missing {
        return pages::not_found();
    }
    let mut providers = server.providers().into_iter();
    let Some(provider) = providers.find(|provider| provider.identifier == identifier) else {
        return refusal(
            "provider not found",
            "The provider was not found in Nextcloud",
        );
    };
    let issuer = server.issuers().issuer(&provider).await;
    match issuer.and_then(|issuer| verified_claims(&issuer, &form.logout_token)) {
        Some(claims) => judge(&provider, &claims),
        None => pages::page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Internal Server Error",
            "The server was unable to complete your request.",
        ),
    }
}

fn judge(provider: &ProviderEntry, claims: &Map<String, Value>) -> Response {
    let is_ours = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(|one| *one == provider.client_id),
        Some(one) => *one == provider.client_id,
        None => false,
    };
    let event = claims
        .get("events")
        .and_then(|events| events.get("http://schemas.openid.net/event/backchannel-logout"));
    if !is_ours {
        refusal(
            "invalid audience",
            "The audience of the logout token does not match the provider",
        )
    } else if event.is_none() {
        refusal(
            "invalid event",
            "The backchannel-logout event was not found in the logout token",
        )
    } else {
        refusal(
            "invalid SID or ISS",
            "No session was found for this (sid,iss)",
        )
    }
}

fn refusal(error: &str, description: &str) -> Response {
    json_answer(
        StatusCode::BAD_REQUEST,
        &json!({"error": error, "error_description": description}),
    )
}

/// The picture of an account, for everybody; a drawn one where the user gave none.
async fn avatar(
    State(server): State<Shared>,
    Path((uid, _size)): Path<(String, String)>,
) -> Response {
    if server.store(|store| store.accounts.find(&uid).is_some()) {
        ([("content-type", "image/png")], &b"\x89PNG\r\n\x1a\n"[..]).into_response()
    } else {
        json_answer(StatusCode::NOT_FOUND, &json!([]))
    }
}
