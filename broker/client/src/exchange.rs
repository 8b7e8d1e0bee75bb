//! Asking the broker for a short token for another API (RFC 8693).
//!
//! One request per call and nothing stored: the token that comes back lives about as long as the
//! call it is for. Whether a refusal is worth telling the user is the caller's to decide.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use url::Url;

use crate::discovery::{Discovery, DiscoveryError};
use crate::http::{Answer, ClientAuthentication, HttpClient, HttpError};
use crate::oauth::{
    ErrorBody, InvalidScope, Scope, TokenResponse, grant_type, previous_token, token_type,
};
use crate::secret::Secret;

/// The W3C Trace Context header that ties the broker's work to the caller's.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Exchanges tokens at one token endpoint, as one client.
#[derive(Debug, Clone)]
pub struct TokenExchanger {
    http: HttpClient,
    endpoint: TokenEndpoint,
    authentication: ClientAuthentication,
}

/// Where the token endpoint is.
#[derive(Debug, Clone)]
pub enum TokenEndpoint {
    /// At this URL.
    Url(Url),
    /// Where the issuer's metadata says.
    Discovered(Arc<Discovery>),
}

impl From<Url> for TokenEndpoint {
    fn from(url: Url) -> Self {
        Self::Url(url)
    }
}

impl From<Arc<Discovery>> for TokenEndpoint {
    fn from(discovery: Arc<Discovery>) -> Self {
        Self::Discovered(discovery)
    }
}

/// What is asked for (RFC 8693 §2.1).
#[derive(Debug, Clone, Copy)]
pub struct ExchangeRequest<'a> {
    /// The access token of the user on whose behalf we act.
    pub subject_token: &'a Secret,
    /// The name of the downstream that the new token is for.
    pub audience: &'a str,
    /// What the new token should allow; what the subject token allows when `None`.
    pub scope: Option<&'a Scope>,
    /// The MCP tool that needs it, for the broker's audit.
    pub tool: Option<&'a str>,
    /// Whether the downstream refused the token of the exchange before this one. The broker then looks
    /// whether the account is still there; it takes nobody's word for it.
    pub was_refused: bool,
    /// The caller's W3C trace context, passed on as the header `traceparent`.
    pub traceparent: Option<&'a str>,
}

impl<'a> ExchangeRequest<'a> {
    /// Asks for a token for `audience` and nothing more particular.
    #[must_use]
    pub const fn new(subject_token: &'a Secret, audience: &'a str) -> Self {
        Self {
            subject_token,
            audience,
            scope: None,
            tool: None,
            was_refused: false,
            traceparent: None,
        }
    }
}

/// A token for one call. `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct EphemeralToken {
    /// The token, to be sent as `Authorization: Bearer …`.
    pub token: Secret,
    /// Its life in seconds from now.
    pub expires_in: u64,
    /// What it allows.
    pub scope: Scope,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The broker said no, and why (RFC 8693 §2.2.2).
    #[error("the broker refused the exchange: {} (status {status})", .body.error)]
    Refused {
        /// Code and sentence.
        body: ErrorBody,
        /// The HTTP status.
        status: StatusCode,
    },
    /// The broker cannot be reached or has a fault of its own; trying again later may help.
    #[error("the broker is not available")]
    Unavailable(#[source] Unavailable),
    /// The answer is not what RFC 8693 says, so nothing of it is used.
    #[error("the broker's answer is not a token exchange response: {0}")]
    Protocol(&'static str),
}

/// What makes the broker unavailable.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Its metadata cannot be had.
    #[error("its metadata is not available")]
    Discovery(#[source] Arc<DiscoveryError>),
    /// The request failed.
    #[error("the request failed")]
    Http(#[source] HttpError),
    /// It answered that it cannot serve now.
    #[error("it answered with status {0}")]
    Status(StatusCode),
}

impl From<HttpError> for ExchangeError {
    fn from(error: HttpError) -> Self {
        Self::Unavailable(Unavailable::Http(error))
    }
}

impl TokenExchanger {
    /// An exchanger that authenticates as a confidential client.
    #[must_use]
    pub fn new(
        http: HttpClient,
        endpoint: impl Into<TokenEndpoint>,
        authentication: ClientAuthentication,
    ) -> Self {
        Self {
            http,
            endpoint: endpoint.into(),
            authentication,
        }
    }

    /// Exchanges a token.
    ///
    /// One request; a second one only when no connection could be made, so that nothing is ever
    /// asked twice.
    ///
    /// # Errors
    ///
    /// [`ExchangeError::Refused`] with the broker's reason; [`ExchangeError::Unavailable`] when
    /// the broker did not decide; [`ExchangeError::Protocol`] when the answer cannot be trusted.
    pub async fn exchange(
        &self,
        request: ExchangeRequest<'_>,
    ) -> Result<EphemeralToken, ExchangeError> {
        let endpoint = self.endpoint.url().await?;
        let scope = request.scope.map(Scope::to_string);
        let mut form = vec![
            ("grant_type", grant_type::TOKEN_EXCHANGE),
            ("subject_token", request.subject_token.expose()),
            ("subject_token_type", token_type::ACCESS_TOKEN),
            ("audience", request.audience),
        ];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        form.extend(request.tool.map(|tool| ("tool", tool)));
        if request.was_refused {
            form.push((previous_token::PARAMETER, previous_token::REFUSED));
        }
        let client = (&self.http, &self.authentication);
        let answer = post(client, &endpoint, &form, request.traceparent).await?;
        read(&answer, request.scope)
    }
}

/// Posts a form as a client that authenticates; once more when no connection could be made.
pub(crate) async fn post(
    (http, authentication): (&HttpClient, &ClientAuthentication),
    endpoint: &Url,
    form: &[(&str, &str)],
    traceparent: Option<&str>,
) -> Result<Answer, HttpError> {
    let mut headers = HeaderMap::new();
    // A trace context that is no header value is not worth failing for.
    if let Some(Ok(context)) = traceparent.map(HeaderValue::from_str) {
        headers.insert(TRACEPARENT, context);
    }
    let send = |headers| http.post_form_with_headers(endpoint, authentication, form, headers);
    match send(headers.clone()).await {
        Err(HttpError::Connect(_)) => send(headers).await,
        other => other,
    }
}

impl TokenEndpoint {
    async fn url(&self) -> Result<Url, ExchangeError> {
        match self {
            Self::Url(url) => Ok(url.clone()),
            Self::Discovered(discovery) => {
                let metadata = discovery
                    .metadata()
                    .await
                    .map_err(|error| ExchangeError::Unavailable(Unavailable::Discovery(error)))?;
                metadata
                    .token_endpoint
                    .as_ref()
                    .map(|url| discovery.reachable(url))
                    .ok_or(ExchangeError::Protocol(
                        "its metadata has no token_endpoint",
                    ))
            }
        }
    }
}

/// Whether the broker did what it was asked (RFC 6749 §5.2).
pub(crate) fn accepted(answer: &Answer) -> Result<(), ExchangeError> {
    if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
        return Err(ExchangeError::Unavailable(Unavailable::Status(
            answer.status,
        )));
    }
    if answer.status != StatusCode::OK {
        return Err(match answer.json::<ErrorBody>() {
            Ok(body) => ExchangeError::Refused {
                body,
                status: answer.status,
            },
            Err(_) => ExchangeError::Protocol("neither what was asked nor an OAuth error"),
        });
    }
    Ok(())
}

/// Reads the answer of the token endpoint (RFC 8693 §2.2).
fn read(answer: &Answer, asked: Option<&Scope>) -> Result<EphemeralToken, ExchangeError> {
    accepted(answer)?;
    let response = answer
        .json::<TokenResponse>()
        .map_err(|_| ExchangeError::Protocol("not a token response"))?;
    match response.issued_token_type.as_deref() {
        Some(token_type::ACCESS_TOKEN | token_type::JWT) => {}
        _ => {
            return Err(ExchangeError::Protocol(
                "another issued_token_type than asked",
            ));
        }
    }
    if !response.token_type.eq_ignore_ascii_case("Bearer") {
        return Err(ExchangeError::Protocol("another token_type than Bearer"));
    }
    if response.access_token.is_empty() {
        return Err(ExchangeError::Protocol("an empty access_token"));
    }
    // RFC 8693 §2.2.1: a missing scope means: as asked.
    let scope = match response.scope {
        Some(text) => text
            .parse()
            .map_err(|InvalidScope| ExchangeError::Protocol("a malformed scope"))?,
        None => asked.cloned().unwrap_or_default(),
    };
    Ok(EphemeralToken {
        token: Secret::new(response.access_token),
        expires_in: response.expires_in,
        scope,
    })
}

impl fmt::Display for TokenEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(formatter),
            Self::Discovered(discovery) => formatter.write_str(discovery.issuer()),
        }
    }
}
