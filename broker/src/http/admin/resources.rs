//! `/admin/v1/resources…`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::{located, tagged};
use super::extract::{Body, IfMatch, Name, Reader, Writer};
use crate::admin::{
    AdminApi, AdminError, NewResource, ResourceChanges, ResourceItem, ResourceList,
};
use crate::storage::StoredResource;

pub(super) async fn list(
    _: Reader,
    State(api): State<Arc<AdminApi>>,
) -> Result<Json<ResourceList>, AdminError> {
    api.resources().await.map(Json)
}

pub(super) async fn get(
    _: Reader,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
) -> Result<Response, AdminError> {
    api.resource(&id).await.map(|found| answer(&found))
}

pub(super) async fn create(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Body(new): Body<NewResource>,
) -> Result<Response, AdminError> {
    let created = api.create_resource(&by, new).await?;
    let location = [located("resources", created.resource.id.as_str())];
    Ok((StatusCode::CREATED, location, answer(&created)).into_response())
}

pub(super) async fn update(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
    IfMatch(precondition): IfMatch,
    Body(changes): Body<ResourceChanges>,
) -> Result<Response, AdminError> {
    let updated = api
        .update_resource(&by, &id, &precondition, changes)
        .await?;
    Ok(answer(&updated))
}

pub(super) async fn delete(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, AdminError> {
    api.delete_resource(&by, &id, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(stored: &StoredResource) -> Response {
    ([tagged(stored)], Json(ResourceItem::from(stored))).into_response()
}
