//! [`BearerLayer`]: no request passes without a good access token.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, Request};
use tower::{Layer, Service};

use super::{Caller, Challenge, ProtectedResource};
use crate::oauth::{ErrorBody, ErrorCode, OAuthError};
use crate::secret::Secret;
use crate::verify::VerifyError;

/// Answers requests without a good access token; the others get a [`Caller`] extension.
///
/// Made by [`ProtectedResource::layer`].
///
/// | Request | Answer |
/// | --- | --- |
/// | no token, or another scheme | 401, a challenge without an error code |
/// | a bad token | 401 `invalid_token` |
/// | two `Authorization` headers | 400 `invalid_request` |
/// | a token while the keys cannot be had | 503 `temporarily_unavailable`, no challenge: a client must not throw its token away |
///
/// Only the header is read: a token in the query or in a form (RFC 6750 §2.2, §2.3) would end up
/// in logs, and MCP forbids it.
#[derive(Debug, Clone)]
pub struct BearerLayer {
    resource: ProtectedResource,
}

impl BearerLayer {
    pub(super) const fn new(resource: ProtectedResource) -> Self {
        Self { resource }
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BearerService {
            resource: self.resource.clone(),
            inner,
        }
    }
}

/// Why a request was refused, in a constant word: an extension of the answer, for whoever counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefusalReason(pub &'static str);

/// The service that [`BearerLayer`] makes.
#[derive(Debug, Clone)]
pub struct BearerService<S> {
    resource: ProtectedResource,
    inner: S,
}

impl<S> Service<Request<Body>> for BearerService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The clone may not be ready; the service that was polled is taken instead.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let resource = self.resource.clone();
        Box::pin(async move {
            match authenticate(&resource, request.headers()).await {
                Ok(caller) => {
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(refusal) => Ok(refusal.into_response(&resource)),
            }
        })
    }
}

/// Why a request does not pass.
#[derive(Debug)]
enum Refusal {
    NoToken,
    SeveralHeaders,
    Token(VerifyError),
}

async fn authenticate(
    resource: &ProtectedResource,
    headers: &HeaderMap,
) -> Result<Caller, Refusal> {
    let token = bearer_token(headers)?;
    let claims = resource
        .verifier()
        .verify(token.expose())
        .await
        .map_err(Refusal::Token)?;
    Ok(Caller::new(claims, token))
}

/// The token of the one `Authorization` header (RFC 6750 §2.1).
fn bearer_token(headers: &HeaderMap) -> Result<Secret, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::NoToken)?;
    // Proxies and frameworks differ in which of two they believe.
    if values.next().is_some() {
        return Err(Refusal::SeveralHeaders);
    }
    let value = value.as_bytes();
    let end = value
        .iter()
        .position(|byte| *byte == b' ')
        .unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end).ok_or(Refusal::NoToken)?;
    // RFC 9110 §11.1: the scheme's case does not matter.
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(Refusal::NoToken);
    }
    let token =
        str::from_utf8(rest.trim_ascii()).map_err(|_| Refusal::Token(VerifyError::Malformed))?;
    if token.is_empty() {
        Err(Refusal::NoToken)
    } else {
        Ok(Secret::new(token))
    }
}

impl Refusal {
    fn into_response(self, resource: &ProtectedResource) -> Response {
        let reason = RefusalReason(self.reason());
        let mut response = self.answer(resource);
        response.extensions_mut().insert(reason);
        response
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::SeveralHeaders => "several_headers",
            Self::Token(error) => error.reason(),
        }
    }

    fn answer(self, resource: &ProtectedResource) -> Response {
        let challenge = resource.challenge().scope(resource.challenge_scope());
        match self {
            Self::NoToken => challenge.into_response(),
            Self::SeveralHeaders => {
                tracing::info!("a request with several Authorization headers was refused");
                let sentence = "The request has more than one Authorization header.";
                challenge
                    .error(ErrorCode::InvalidRequest, sentence)
                    .into_response()
            }
            Self::Token(VerifyError::Keys(error)) => {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(%error, source, "no access token can be verified");
                unavailable()
            }
            Self::Token(error) => {
                tracing::info!(reason = error.reason(), "an access token was refused");
                invalid_token(challenge, &error)
            }
        }
    }
}

fn invalid_token(challenge: Challenge, error: &VerifyError) -> Response {
    challenge
        .error(ErrorCode::InvalidToken, error.description())
        .into_response()
}

fn unavailable() -> Response {
    let error = OAuthError::temporarily_unavailable(
        "The authorization server's keys are not available. Try again in a moment.",
    );
    let body = Json(ErrorBody::from(&error));
    (error.code().status(), [(RETRY_AFTER, "1")], body).into_response()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn token(values: &[&[u8]]) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer_token(&headers).map(|token| token.expose().to_owned())
    }

    #[test]
    fn the_scheme_may_be_written_in_any_case() {
        for value in [b"Bearer abc".as_slice(), b"bearer abc", b"BEARER   abc"] {
            assert_eq!(token(&[value]).unwrap(), "abc");
        }
    }

    #[test]
    fn another_scheme_is_no_token() {
        for value in [
            b"Basic YTpi".as_slice(),
            b"Bearer",
            b"Bearer ",
            b"Bearerabc",
            b"",
        ] {
            assert!(
                matches!(token(&[value]), Err(Refusal::NoToken)),
                "{value:?}"
            );
        }
        assert!(matches!(token(&[]), Err(Refusal::NoToken)));
    }

    #[test]
    fn two_headers_are_refused_even_when_they_agree() {
        assert!(matches!(
            token(&[b"Bearer a", b"Bearer a"]),
            Err(Refusal::SeveralHeaders)
        ));
        assert!(matches!(
            token(&[b"Bearer a", b"Basic b"]),
            Err(Refusal::SeveralHeaders)
        ));
    }

    #[test]
    fn bytes_that_are_no_text_are_a_malformed_token() {
        let result = token(&[b"Bearer \xff\xfe"]);
        assert!(matches!(
            result,
            Err(Refusal::Token(VerifyError::Malformed))
        ));
    }
}
