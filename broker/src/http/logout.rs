//! `POST /oauth/backchannel-logout`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::error::Failure;
use super::request::FormBody;
use crate::domain::RequestInfo;
use crate::logout::LogoutEndpoint;

/// OpenID Connect Back-Channel Logout 1.0 §2.5, §2.8.
pub(super) async fn log_out(
    State(endpoint): State<Arc<LogoutEndpoint>>,
    info: RequestInfo,
    FormBody(form): FormBody,
) -> Result<StatusCode, Failure> {
    let token = form.and_then(|form| form.require("logout_token").map(str::to_owned));
    endpoint.log_out(token, &info).await?;
    Ok(StatusCode::OK)
}
