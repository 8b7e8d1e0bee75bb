//! Login pages, Login Flow v2 and device tokens: routes that an API client must never use with a
//! user's token.
//!
//! They behave like the real ones as far as a program can get without a browser session; whoever
//! asks for them is recorded by [`super::observe`].

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::json;

use super::auth::Means;
use super::gate::CsrfRoute;
use super::ocs::fresh_app_password;
use super::server::Shared;
use super::{json_answer, pages};

pub(super) fn routes() -> Router<Shared> {
    let mut router = Router::new()
        .route("/index.php/settings/personal/authtokens", post(make_token))
        .route("/index.php/core/wipe/check", post(nothing_pending));
    // The login pages have short addresses besides the ones with the front controller.
    for prefix in ["", "/index.php"] {
        router = router
            .route(&format!("{prefix}/login"), get(login_page))
            .route(
                &format!("{prefix}/login/selectchallenge"),
                get(second_factor_page),
            )
            .route(&format!("{prefix}/login/v2"), post(start_flow))
            .route(&format!("{prefix}/login/v2/poll"), post(nothing_pending));
    }
    router
}

async fn login_page() -> Response {
    pages::page(StatusCode::OK, "Login", "<form method=\"post\"></form>")
}

async fn second_factor_page() -> Response {
    pages::challenge()
}

/// Makes a device token: only for a login that brought its password.
async fn make_token(State(server): State<Shared>, CsrfRoute(session): CsrfRoute) -> Response {
    if session.means != Means::LoginPassword {
        return json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!([]));
    }
    let token = fresh_app_password();
    server.store(|store| {
        store.accounts.add_app_password(&session.uid, token.clone());
    });
    json_answer(
        StatusCode::OK,
        &json!({"token": token, "loginName": session.uid, "deviceToken": {"name": "device"}}),
    )
}

/// Starts Login Flow v2; nobody will ever grant it here.
async fn start_flow(State(server): State<Shared>) -> Response {
    let (token, flow) = (fresh_app_password(), fresh_app_password());
    let url = server.url();
    json_answer(
        StatusCode::OK,
        &json!({
            "poll": {"token": token, "endpoint": format!("{url}/login/v2/poll")},
            "login": format!("{url}/login/v2/flow/{flow}"),
        }),
    )
}

async fn nothing_pending() -> Response {
    json_answer(StatusCode::NOT_FOUND, &json!([]))
}
