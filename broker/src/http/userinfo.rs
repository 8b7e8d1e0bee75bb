//! `GET` and `POST /oauth/userinfo`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use broker_client::bearer::Challenge;
use broker_client::oauth::OAuthError;

use super::error::Failure;
use super::token::authorization;
use crate::token::UserInfoEndpoint;

/// OIDC Core §5.3. The token comes in the header only (RFC 6750 §2.1).
pub(super) async fn user_info(
    State(endpoint): State<Arc<UserInfoEndpoint>>,
    headers: HeaderMap,
) -> Response {
    let authorization = authorization(&headers);
    let Some(token) = authorization.as_deref().and_then(bearer) else {
        // RFC 6750 §3.1: whoever authenticates in no way that we know is told how, and no error.
        return Challenge::default().into_response();
    };
    match endpoint.user_info(token).await {
        Ok(claims) => Json(claims).into_response(),
        Err(error) => refused(error),
    }
}

/// The failure in the body, as everywhere, and in the challenge.
fn refused(error: OAuthError) -> Response {
    let challenge = Challenge::default().error(error.code(), error.description().to_owned());
    let mut response = Failure::from(error).into_response();
    if response.status().is_client_error() {
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge.header_value());
    }
    response
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
