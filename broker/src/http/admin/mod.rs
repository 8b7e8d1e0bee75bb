//! `/admin/v1/…`, on the admin listener only: extract, call [`AdminApi`], answer.

mod audit;
mod clients;
mod extract;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::unstored;
use crate::admin::AdminApi;

/// The routes of the admin API.
pub(super) fn routes(api: Arc<AdminApi>) -> Router {
    let clients = get(clients::list).post(clients::create);
    let client = get(clients::get)
        .put(clients::update)
        .delete(clients::delete);
    let approve = post(clients::approve);
    let block = post(clients::block);
    Router::new()
        .route("/admin/v1/audit", unstored(get(audit::list)))
        .route("/admin/v1/clients", unstored(clients))
        .route("/admin/v1/clients/{client_id}", unstored(client))
        .route("/admin/v1/clients/{client_id}/approve", unstored(approve))
        .route("/admin/v1/clients/{client_id}/block", unstored(block))
        .with_state(api)
}
