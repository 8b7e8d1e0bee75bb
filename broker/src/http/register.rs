//! `POST /oauth/register`.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use broker_client::oauth::{ErrorCode, OAuthError};

use super::error::Failure;
use crate::domain::RequestInfo;
use crate::register::{Registered, RegistrationEndpoint};

/// RFC 7591 §3.
pub(super) async fn register(
    State(endpoint): State<Arc<RegistrationEndpoint>>,
    info: RequestInfo,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Registered>), Failure> {
    let body = body.map_err(|rejection| {
        OAuthError::invalid_client_metadata("The registration document is too large.")
            .because(rejection)
    })?;
    match endpoint.register(&body, &info).await {
        Ok(registered) => Ok((StatusCode::CREATED, Json(registered))),
        // RFC 7591 knows no code for "nobody may"; the status says it.
        Err(error) if error.code() == ErrorCode::AccessDenied => {
            Err(Failure::with_status(error, StatusCode::FORBIDDEN))
        }
        Err(error) => Err(error.into()),
    }
}
