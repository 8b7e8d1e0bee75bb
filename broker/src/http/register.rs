//! `POST /oauth/register`, and `GET`, `PUT`, `DELETE /oauth/register/{client_id}`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use broker_client::oauth::OAuthError;

use super::error::Failure;
use super::limits;
use super::token::authorization;
use crate::domain::RequestInfo;
use crate::register::{Managed, Refused, Registered, RegistrationEndpoint};

/// RFC 7591 §3.
pub(super) async fn register(
    State(endpoint): State<Arc<RegistrationEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Registered>), Refused> {
    let body = whole(body)?;
    let authorization = authorization(&headers);
    let registered = endpoint
        .register(authorization.as_deref(), &body, &info)
        .await?;
    Ok((StatusCode::CREATED, Json(registered)))
}

/// RFC 7592 §2.1.
pub(super) async fn read(
    State(endpoint): State<Arc<RegistrationEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    client_id: Result<Path<String>, PathRejection>,
) -> Result<Json<Registered>, Refused> {
    let authorization = authorization(&headers);
    let client_id = named(client_id);
    let request = managed(&client_id, authorization.as_deref(), &info);
    endpoint.read(&request).await.map(Json)
}

/// RFC 7592 §2.2.
pub(super) async fn update(
    State(endpoint): State<Arc<RegistrationEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    client_id: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Registered>, Refused> {
    let body = whole(body)?;
    let authorization = authorization(&headers);
    let client_id = named(client_id);
    let request = managed(&client_id, authorization.as_deref(), &info);
    endpoint.update(&request, &body).await.map(Json)
}

/// RFC 7592 §2.3.
pub(super) async fn delete(
    State(endpoint): State<Arc<RegistrationEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    client_id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Refused> {
    let authorization = authorization(&headers);
    let client_id = named(client_id);
    let request = managed(&client_id, authorization.as_deref(), &info);
    endpoint.delete(&request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The variable part of the path. One that is no text is the id of no client, as the empty one is.
fn named(client_id: Result<Path<String>, PathRejection>) -> String {
    client_id.map(|Path(id)| id).unwrap_or_default()
}

fn managed<'a>(
    client_id: &'a str,
    authorization: Option<&'a str>,
    info: &'a RequestInfo,
) -> Managed<'a> {
    Managed {
        client_id,
        authorization,
        info,
    }
}

fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, OAuthError> {
    body.map_err(|rejection| {
        OAuthError::invalid_client_metadata("The registration document is too large.")
            .because(rejection)
    })
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Request(error) => Failure::from(error).into_response(),
            // RFC 7591 knows no code for "nobody may"; the status says it.
            Self::Forbidden(error) => {
                Failure::with_status(error, StatusCode::FORBIDDEN).into_response()
            }
            Self::Token { error, was_sent } => {
                let challenge = if was_sent {
                    "Bearer realm=\"registration\", error=\"invalid_token\""
                } else {
                    "Bearer realm=\"registration\""
                };
                with(
                    Failure::from(error),
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static(challenge),
                )
            }
            Self::TooMany {
                error, retry_after, ..
            } => with(
                Failure::with_status(error, StatusCode::TOO_MANY_REQUESTS),
                header::RETRY_AFTER,
                limits::retry_after(retry_after),
            ),
        }
    }
}

fn with(failure: Failure, name: header::HeaderName, value: HeaderValue) -> Response {
    let mut response = failure.into_response();
    response.headers_mut().insert(name, value);
    response
}
