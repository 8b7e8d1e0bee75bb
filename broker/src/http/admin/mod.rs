//! `/admin/…`, on the admin listener only: extract, call [`AdminApi`], answer.

mod answer;
mod checks;
mod clients;
mod extract;
mod lists;
mod openapi;
mod resources;
mod revocations;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::unstored;
use crate::admin::AdminApi;

pub use openapi::document;

/// The routes of the admin API. Each is in [`document`] too, which a test checks.
pub(super) fn routes(api: Arc<AdminApi>) -> Router {
    let clients = get(clients::list).post(clients::create);
    let client = get(clients::get)
        .put(clients::update)
        .delete(clients::delete);
    let approve = post(clients::approve);
    let block = post(clients::block);
    let secret = post(clients::rotate_secret);
    let resources = get(resources::list).post(resources::create);
    let resource = get(resources::get)
        .put(resources::update)
        .delete(resources::delete);
    let revoke_grant = post(revocations::grant);
    let revoke_user = post(revocations::user);
    let rotate = post(revocations::rotate_keys);
    Router::new()
        .route("/admin/v1/audit", unstored(get(lists::audit)))
        .route("/admin/v1/clients", unstored(clients))
        .route("/admin/v1/clients/{client_id}", unstored(client))
        .route("/admin/v1/clients/{client_id}/approve", unstored(approve))
        .route("/admin/v1/clients/{client_id}/block", unstored(block))
        .route(
            "/admin/v1/clients/{client_id}/rotate-secret",
            unstored(secret),
        )
        .route("/admin/v1/grants", unstored(get(lists::grants)))
        .route("/admin/v1/grants/{grant_id}/revoke", unstored(revoke_grant))
        .route(
            "/admin/v1/offline-grants",
            unstored(get(lists::offline_grants)),
        )
        .route(
            "/admin/v1/offline-grants/{offline_grant_id}/withdraw",
            unstored(post(revocations::offline_grant)),
        )
        .route("/admin/v1/users", unstored(get(lists::users)))
        .route("/admin/v1/users/{sub}", unstored(get(lists::user)))
        .route("/admin/v1/users/{sub}/revoke", unstored(revoke_user))
        .route("/admin/v1/keys", unstored(get(lists::keys)))
        .route("/admin/v1/keys/rotate", unstored(rotate))
        .route("/admin/v1/resources", unstored(resources))
        .route("/admin/v1/resources/{resource_id}", unstored(resource))
        .route("/admin/v1/downstreams", unstored(get(lists::downstreams)))
        .route(
            "/admin/v1/downstreams/{name}/check",
            unstored(post(checks::downstream)),
        )
        .route("/admin/v1/stats", unstored(get(lists::stats)))
        .route("/admin/openapi.json", unstored(get(openapi::get)))
        .merge(webhooks::routes())
        .with_state(api)
}
