//! `POST /oauth/token`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use broker_client::oauth::TokenResponse;

use super::error::Failure;
use super::request::FormBody;
use crate::domain::RequestInfo;
use crate::token::TokenEndpoint;

/// RFC 6749 §3.2.
pub(super) async fn token(
    State(endpoint): State<Arc<TokenEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    FormBody(form): FormBody,
) -> Result<Json<TokenResponse>, Failure> {
    let authorization = authorization(&headers);
    endpoint
        .answer(form, authorization.as_deref(), &info)
        .await
        .map(Json)
        .map_err(|error| match authorization {
            Some(_) => Failure::of_authorization_header(error),
            None => Failure::from(error),
        })
}

/// The `Authorization` header. One that is no text is still one: an unknown scheme, not none.
pub(super) fn authorization(headers: &HeaderMap) -> Option<String> {
    headers
        .get(header::AUTHORIZATION)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
