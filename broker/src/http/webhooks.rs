//! `POST /webhooks/nextcloud`.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::Problem;
use super::limits;
use super::token::authorization;
use crate::domain::RequestInfo;
use crate::webhooks::{ReceiveError, Webhooks};

/// An event of Nextcloud: 204 once it is stored.
pub(super) async fn receive(
    State(webhooks): State<Arc<Webhooks>>,
    info: RequestInfo,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let authorization = authorization(&headers);
    let outcome = webhooks
        .receive(authorization.as_deref(), &body, &info)
        .await;
    let error = match outcome {
        Ok(()) => return StatusCode::NO_CONTENT.into_response(),
        Err(error) => error,
    };
    let status = match &error {
        ReceiveError::Unauthenticated => StatusCode::UNAUTHORIZED,
        ReceiveError::Event => StatusCode::BAD_REQUEST,
        ReceiveError::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
        ReceiveError::Full => StatusCode::SERVICE_UNAVAILABLE,
        ReceiveError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    // Nextcloud does not try again: this line is all that is left of the event.
    tracing::warn!(
        error = &error as &dyn std::error::Error,
        "an event of Nextcloud was not taken"
    );
    let mut response = Problem::new(status, error.to_string()).into_response();
    if let ReceiveError::TooOften(too_often) = error {
        let wait = limits::retry_after(too_often.retry_after);
        response.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"webhooks\""),
        );
    }
    response
}
