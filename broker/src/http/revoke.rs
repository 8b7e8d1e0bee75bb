//! `POST /oauth/revoke`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::error::Failure;
use super::request::FormBody;
use super::token::authorization;
use crate::domain::RequestInfo;
use crate::token::RevocationEndpoint;

/// RFC 7009 §2.
pub(super) async fn revoke(
    State(endpoint): State<Arc<RevocationEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    FormBody(form): FormBody,
) -> Result<StatusCode, Failure> {
    let authorization = authorization(&headers);
    endpoint
        .revoke(form, authorization.as_deref(), &info)
        .await
        .map(|()| StatusCode::OK)
        .map_err(|error| match authorization {
            Some(_) => Failure::of_authorization_header(error),
            None => Failure::from(error),
        })
}
