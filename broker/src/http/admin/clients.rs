//! `/admin/v1/clients…`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::extract::{Asked, Body, IfMatch, Name, Reader, Writer};
use crate::admin::{
    AdminApi, AdminError, ClientChanges, ClientItem, ClientList, ClientQuery, NewClient,
    SecretQuery, Versioned,
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
    let id = utf8_percent_encode(client.id.as_str(), NON_ALPHANUMERIC);
    let headers = [
        header(header::LOCATION, &format!("/admin/v1/clients/{id}")),
        tagged(&client),
    ];
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

/// The `ETag` of what is answered.
fn tagged(thing: &impl Versioned) -> (HeaderName, HeaderValue) {
    header(header::ETAG, &format!("\"{}\"", thing.tag()))
}

/// A header whose value is visible ASCII by construction.
fn header(name: HeaderName, value: &str) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
    (name, value)
}
