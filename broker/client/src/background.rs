//! Asking the broker how a caller's background access stands (Flow 2), and withdrawing it.
//!
//! Whose access it is, the caller's token says. What comes back is news and a link for the user's own
//! browser, never access.

use std::sync::Arc;

use url::Url;

use crate::discovery::{Discovery, ServerMetadata};
use crate::exchange::{ExchangeError, Unavailable, accepted, post};
use crate::http::{ClientAuthentication, HttpClient};
use crate::oauth::{BackgroundAccess, token_type};
use crate::secret::Secret;

/// Asks one broker, as one client: the one that exchanges tokens for its callers.
#[derive(Debug, Clone)]
pub struct BackgroundAccessClient {
    http: HttpClient,
    discovery: Arc<Discovery>,
    authentication: ClientAuthentication,
}

/// Whose background access is meant, and where.
#[derive(Debug, Clone, Copy)]
pub struct AccessRequest<'a> {
    /// The access token of the caller, as it came.
    pub subject_token: &'a Secret,
    /// The name of the downstream.
    pub audience: &'a str,
    /// The MCP tool that asks, for the broker's audit.
    pub tool: Option<&'a str>,
    /// The caller's W3C trace context, passed on as the header `traceparent`.
    pub traceparent: Option<&'a str>,
}

impl BackgroundAccessClient {
    /// A client that authenticates in this way, at the endpoints that the metadata name.
    #[must_use]
    pub const fn new(
        http: HttpClient,
        discovery: Arc<Discovery>,
        authentication: ClientAuthentication,
    ) -> Self {
        Self {
            http,
            discovery,
            authentication,
        }
    }

    /// How the caller's background access stands.
    ///
    /// # Errors
    ///
    /// [`ExchangeError::Refused`] with the broker's reason, the same as an exchange of this token would
    /// have; [`ExchangeError::Unavailable`] when the broker did not decide; [`ExchangeError::Protocol`]
    /// when the broker has no background access, or its answer cannot be understood.
    pub async fn state(
        &self,
        request: AccessRequest<'_>,
    ) -> Result<BackgroundAccess, ExchangeError> {
        self.ask(request, |metadata| &metadata.background_access_endpoint)
            .await
    }

    /// Withdraws it, and says how it stands then. Twice is as good as once.
    ///
    /// # Errors
    ///
    /// As [`BackgroundAccessClient::state`].
    pub async fn withdraw(
        &self,
        request: AccessRequest<'_>,
    ) -> Result<BackgroundAccess, ExchangeError> {
        self.ask(request, |metadata| {
            &metadata.background_access_withdrawal_endpoint
        })
        .await
    }

    async fn ask(
        &self,
        request: AccessRequest<'_>,
        endpoint: fn(&ServerMetadata) -> &Option<Url>,
    ) -> Result<BackgroundAccess, ExchangeError> {
        let metadata = self
            .discovery
            .metadata()
            .await
            .map_err(|error| ExchangeError::Unavailable(Unavailable::Discovery(error)))?;
        let endpoint = endpoint(&metadata)
            .as_ref()
            .map(|url| self.discovery.reachable(url))
            .ok_or(ExchangeError::Protocol(
                "its metadata names no endpoint for background access",
            ))?;
        let mut form = vec![
            ("subject_token", request.subject_token.expose()),
            ("subject_token_type", token_type::ACCESS_TOKEN),
            ("audience", request.audience),
        ];
        form.extend(request.tool.map(|tool| ("tool", tool)));
        let client = (&self.http, &self.authentication);
        let answer = post(client, &endpoint, &form, request.traceparent).await?;
        accepted(&answer)?;
        answer
            .json()
            .map_err(|_| ExchangeError::Protocol("not an answer about background access"))
    }
}
