//! What admin requests are made of. Who asks comes first in every handler: a stranger does not even
//! learn which parameters there are.

use std::sync::Arc;

use axum::body::Bytes;
use axum::body::HttpBody as _;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::token::authorization;
use crate::admin::{AdminApi, AdminError, Administrator, Precondition};
use crate::domain::RequestInfo;
use crate::storage::AdminRole;

/// An administrator who may look.
pub(super) struct Reader(pub(super) Administrator);

/// An administrator who may change things.
pub(super) struct Writer(pub(super) Administrator);

/// A query, nothing unknown in it.
pub(super) struct Asked<T>(pub(super) T);

/// The one variable part of the path. One that is no text names nothing.
pub(super) struct Name(pub(super) String);

/// The `If-Match` header.
pub(super) struct IfMatch(pub(super) Precondition);

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

async fn administrator(
    parts: &Parts,
    api: &AdminApi,
    role: AdminRole,
) -> Result<Administrator, AdminError> {
    let info = parts.extensions.get::<RequestInfo>().cloned();
    api.administrator(
        authorization(&parts.headers).as_deref(),
        role,
        &info.unwrap_or_default(),
    )
    .await
}

impl FromRequestParts<Arc<AdminApi>> for Reader {
    type Rejection = AdminError;

    async fn from_request_parts(
        parts: &mut Parts,
        api: &Arc<AdminApi>,
    ) -> Result<Self, AdminError> {
        administrator(parts, api, AdminRole::Read).await.map(Self)
    }
}

impl FromRequestParts<Arc<AdminApi>> for Writer {
    type Rejection = AdminError;

    async fn from_request_parts(
        parts: &mut Parts,
        api: &Arc<AdminApi>,
    ) -> Result<Self, AdminError> {
        administrator(parts, api, AdminRole::Write).await.map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        Query::try_from_uri(&parts.uri)
            .map(|Query(query)| Self(query))
            .map_err(|_| AdminError::Invalid {
                parameter: "query",
                problem: "has an unknown parameter or a value that does not fit",
            })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(name)| Self(name))
            .map_err(|_| AdminError::NotFound("thing"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminError> {
        let mut lines = parts.headers.get_all(header::IF_MATCH).iter();
        let header = match (lines.next(), lines.next()) {
            (None, _) => None,
            // What is no text is none of our tags, and no list of several lines is read.
            (Some(line), None) => Some(line.to_str().unwrap_or_default()),
            (Some(_), Some(_)) => Some(""),
        };
        Precondition::parse(header).map(Self)
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminError> {
        if !is_json(request.headers()) {
            return Err(AdminError::MediaType);
        }
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|_| AdminError::Body("it is too large or was cut off".to_owned()))?;
        // As a map first: a list would pass for a struct whose members all may be left out.
        serde_json::from_slice::<Map<String, Value>>(&body)
            .and_then(|members| T::deserialize(Value::Object(members)))
            .map(Self)
            .map_err(|error| AdminError::Body(error.to_string()))
    }
}

/// A body that may be left out: there is none when neither a type nor a byte of it is there.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Body<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, AdminError> {
        let is_typed = request.headers().contains_key(header::CONTENT_TYPE);
        if !is_typed && request.body().is_end_stream() {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state)
            .await
            .map(Some)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}
