//! `/admin/v1/clients…`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answer::{located, tagged};
use super::extract::{Asked, Body, IfMatch, Name, Reader, Writer};
use crate::admin::{
    AdminApi, AdminError, ClientChanges, ClientItem, ClientList, ClientQuery, NewClient,
    SecretQuery,
};
use crate::domain::Client;

pub(super) async fn list(
    _: Reader,
    State(api): State<Arc<AdminApi>>,
    Asked(query): Asked<ClientQuery>,
) -> Result<Json<ClientList>, AdminError> {
    api.clients(query).await.map(Json)
}

pub(super) async fn get(
    _: Reader,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
) -> Result<Response, AdminError> {
    api.client(&id).await.map(|client| answer(&client))
}

pub(super) async fn create(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Body(new): Body<NewClient>,
) -> Result<Response, AdminError> {
    let (client, created) = api.create_client(&by, new).await?;
    let headers = [located("clients", client.id.as_str()), tagged(&client)];
    Ok((StatusCode::CREATED, headers, Json(created)).into_response())
}

pub(super) async fn update(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
    IfMatch(precondition): IfMatch,
    Body(changes): Body<ClientChanges>,
) -> Result<Response, AdminError> {
    let client = api.update_client(&by, &id, &precondition, changes).await?;
    Ok(answer(&client))
}

pub(super) async fn approve(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
    IfMatch(precondition): IfMatch,
) -> Result<Response, AdminError> {
    let client = api.approve(&by, &id, &precondition).await?;
    Ok(answer(&client))
}

pub(super) async fn block(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
    IfMatch(precondition): IfMatch,
) -> Result<Response, AdminError> {
    let client = api.block(&by, &id, &precondition).await?;
    Ok(answer(&client))
}

pub(super) async fn delete(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
    IfMatch(precondition): IfMatch,
) -> Result<StatusCode, AdminError> {
    api.delete_client(&by, &id, &precondition).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn rotate_secret(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
    IfMatch(precondition): IfMatch,
    Asked(query): Asked<SecretQuery>,
) -> Result<Response, AdminError> {
    let (client, answer) = api.rotate_secret(&by, &id, &precondition, &query).await?;
    Ok(([tagged(&client)], Json(answer)).into_response())
}

fn answer(client: &Client) -> Response {
    ([tagged(client)], Json(ClientItem::from(client))).into_response()
}
