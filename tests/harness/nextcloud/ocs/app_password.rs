//! `core/getapppassword` and `core/apppassword`: the calls that turn a login into a lasting one.
//!
//! They exist so that a test can prove nobody calls them with a user's token; with 8.10.1 a
//! bearer token alone gets no app password.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::super::auth::Means;
use super::super::gate::OcsRoute;
use super::super::server::Shared;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/ocs/{version}/core/getapppassword", get(obtain))
        .route("/ocs/{version}/core/apppassword", delete(remove))
        .route("/ocs/{version}/core/apppassword/rotate", post(rotate))
        .route("/ocs/{version}/core/apppassword/confirm", put(confirm))
}

/// 72 letters and digits, as long as the real ones.
pub(in super::super) fn fresh() -> String {
    let mut password: String = (0..3)
        .map(|_| Uuid::new_v4().simple().to_string())
        .collect();
    password.truncate(72);
    password
}

async fn obtain(State(server): State<Shared>, OcsRoute { session, ocs }: OcsRoute) -> Response {
    match session.means {
        Means::AppPassword(_) => ocs.failure(
            403,
            "You cannot request an new apppassword with an apppassword",
        ),
        // A token brings no login credentials that could be stored with the new password.
        Means::Jwt | Means::OidcApp => ocs.failure(403, ""),
        Means::LoginPassword => {
            let password = fresh();
            server.store(|store| {
                store
                    .accounts
                    .add_app_password(&session.uid, password.clone());
            });
            ocs.ok(&json!({"apppassword": password}))
        }
    }
}

async fn remove(State(server): State<Shared>, OcsRoute { session, ocs }: OcsRoute) -> Response {
    let Means::AppPassword(current) = session.means else {
        return ocs.failure(403, "no app password in use");
    };
    server.store(|store| store.accounts.remove_app_password(&current));
    ocs.ok(&json!([]))
}

async fn rotate(State(server): State<Shared>, OcsRoute { session, ocs }: OcsRoute) -> Response {
    let Means::AppPassword(current) = session.means else {
        return ocs.failure(403, "no app password in use");
    };
    let password = fresh();
    server.store(|store| {
        store.accounts.remove_app_password(&current);
        store
            .accounts
            .add_app_password(&session.uid, password.clone());
    });
    ocs.ok(&json!({"apppassword": password}))
}

#[derive(Deserialize)]
struct Confirmation {
    password: String,
}

async fn confirm(
    State(server): State<Shared>,
    OcsRoute { session, ocs }: OcsRoute,
    Json(confirmation): Json<Confirmation>,
) -> Response {
    let right = server.store(|store| {
        store
            .accounts
            .check_password(&session.uid, &confirmation.password)
            .is_some()
    });
    if right {
        ocs.ok(&json!({"lastLogin": server.clock().now()}))
    } else {
        ocs.failure(403, "")
    }
}
