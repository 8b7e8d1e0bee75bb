//! What surrounds every request: its id, its trace, its peer, and one log line at its end.
//!
//! Flows get this as [`RequestInfo`] and put it into audit rows; they never see HTTP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use broker_client::oauth::OAuthError;
use broker_client::telemetry::Spans;
use tracing::Instrument as _;

use super::forwarded::origin;
use super::spans::Begun;
use crate::ambient::Ambient;
use crate::domain::{RequestInfo, TrustedProxies};
use crate::metrics::Metrics;
use crate::token::Form;

/// The header that carries the request's id in and out.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What a request is seen with.
#[derive(Clone)]
pub struct Observer {
    /// Time and randomness.
    pub ambient: Ambient,
    /// Who may say where a request came from.
    pub proxies: TrustedProxies,
    /// Counts and measures.
    pub metrics: Metrics,
    /// How long a request may take, its body included.
    pub longest_request: Duration,
    /// Takes a span of each request.
    pub spans: Spans,
}

/// Gives the request its [`RequestInfo`], answers with its id, and logs it once.
pub(super) async fn observe(
    State(observer): State<Observer>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let _running = observer.metrics.request_running();
    let id = request_id(request.headers()).unwrap_or_else(|| new_request_id(&observer.ambient));
    // The template, never the path: a path or query may hold a secret, and a label of unbounded
    // values helps nobody.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "-".to_owned(), |path| path.as_str().to_owned());
    let begun = Begun::new(
        &observer.spans,
        &observer.ambient,
        request.headers(),
        &route,
    );
    let info = RequestInfo {
        request_id: Some(id.clone()),
        trace_id: begun.trace_id().map(str::to_owned),
        address: request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(peer)| origin(peer.ip(), request.headers(), &observer.proxies))
            .map(|address| address.to_string()),
        too_often: None,
    };
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request",
        request_id = %id,
        trace_id = info.trace_id.as_deref(),
        address = info.address.as_deref(),
        // Filled in by whoever learns it.
        client_id = tracing::field::Empty,
    );
    request.extensions_mut().insert(info);

    let mut response = next.run(request).instrument(span.clone()).await;

    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let took = started.elapsed();
    observer.metrics.request(&route, &method, status, took);
    begun.end(&observer.spans, (&method, &route), status, id, took);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        if route.starts_with("/health/") {
            tracing::debug!(%method, route, status, milliseconds, "answered");
        } else {
            tracing::info!(%method, route, status, milliseconds, "answered");
        }
    });
    response
}

/// The caller's own id, if it is one that can stand in a log line and a header unescaped.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let fits = (8..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    fits.then(|| id.to_owned())
}

fn new_request_id(ambient: &Ambient) -> String {
    uuid::Builder::from_random_bytes(ambient.random())
        .into_uuid()
        .simple()
        .to_string()
}

impl<S: Sync> FromRequestParts<S> for RequestInfo {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The form of a token or revocation request. What is wrong with it is for the flow to tell, which
/// records the refusal.
pub(super) struct FormBody(pub(super) Result<Form, OAuthError>);

impl<S: Send + Sync> FromRequest<S> for FormBody {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let is_form = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|essence| {
                essence
                    .trim()
                    .eq_ignore_ascii_case("application/x-www-form-urlencoded")
            });
        if !is_form {
            return Ok(Self(Err(OAuthError::invalid_request(
                "The Content-Type must be application/x-www-form-urlencoded.",
            ))));
        }
        let form = match Bytes::from_request(request, state).await {
            Ok(body) => Form::parse(&body),
            Err(rejection) => Err(OAuthError::invalid_request(
                "The body is too large or was cut off.",
            )
            .because(rejection)),
        };
        Ok(Self(form))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_replaced() {
        assert_eq!(
            request_id(&headers(REQUEST_ID, "call-0001.a_b")),
            Some("call-0001.a_b".to_owned())
        );
        for bad in ["short", "has space in it", "quote\"quote", &"x".repeat(65)] {
            assert_eq!(request_id(&headers(REQUEST_ID, bad)), None, "{bad}");
        }
    }
}
