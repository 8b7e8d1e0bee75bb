//! `POST /oauth/introspect`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use super::error::Failure;
use super::request::FormBody;
use super::token::authorization;
use crate::domain::RequestInfo;
use crate::token::{Introspection, IntrospectionEndpoint};

/// RFC 7662 §2.
pub(super) async fn introspect(
    State(endpoint): State<Arc<IntrospectionEndpoint>>,
    info: RequestInfo,
    headers: HeaderMap,
    FormBody(form): FormBody,
) -> Result<Json<Introspection>, Failure> {
    let authorization = authorization(&headers);
    endpoint
        .introspect(form, authorization.as_deref(), &info)
        .await
        .map(Json)
        .map_err(|error| match authorization {
            Some(_) => Failure::of_authorization_header(error),
            None => Failure::from(error),
        })
}
