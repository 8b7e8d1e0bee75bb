//! How often strangers may come: 429 with `Retry-After` (RFC 6585 §4) beyond that.
//!
//! Two limits, since two things cost us: pages, each of which may begin a login; and refusals at the
//! endpoints for programs, each of which is a guess. What succeeds there is not counted: a gateway
//! makes thousands of exchanges from one address. Nor can strangers keep it out, should they share its
//! address: clients that prove themselves are heard ([`client`]). Counted on each replica; registration
//! has limits of its own in the database ([`crate::register`]).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use broker_client::oauth::{ErrorCode, OAuthError};

use super::error::Failure;
use super::pages;
use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::domain::{
    Actor, AuditEvent, AuditKind, Exceeded, ExceededLimit, Outcome, RateLimit, RequestInfo,
    TooOften,
};
use crate::metrics::Metrics;

/// The limits of the public listener.
pub struct RateLimits {
    /// Pages that people see.
    pub pages: RateLimit,
    /// Refused requests of programs.
    pub refusals: RateLimit,
    /// Learns of the first excess in a minute.
    pub audit: AuditLog,
    /// The time.
    pub ambient: Ambient,
    /// Counts every excess.
    pub metrics: Metrics,
}

/// Counts a page, or refuses it.
pub(super) async fn page(
    State(limits): State<Arc<RateLimits>>,
    request: Request,
    next: Next,
) -> Response {
    let info = info(&request);
    match limits
        .pages
        .count(info.address.as_deref(), limits.ambient.now())
    {
        Ok(()) => next.run(request).await,
        Err(exceeded) => match limits.exceeded("pages", exceeded, &info).await {
            Ok(()) => waiting(exceeded, pages::too_many(&info)),
            Err(failure) => failure.into_response(),
        },
    }
}

/// Lets a program in unless its address was refused too often; counts when it is refused.
pub(super) async fn stranger(
    State(limits): State<Arc<RateLimits>>,
    request: Request,
    next: Next,
) -> Response {
    let info = info(&request);
    match limits.refused_before(&info) {
        None => limits.counted(next.run(request).await, &info),
        Some(exceeded) => limits.refuse(exceeded, &info).await,
    }
}

/// The same for endpoints that know how their callers prove themselves: they hear, also from an
/// address that was refused too often, whoever does. Nobody else is told more than that.
pub(super) async fn client(
    State(limits): State<Arc<RateLimits>>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut info = info(&request);
    let Some(exceeded) = limits.refused_before(&info) else {
        return limits.counted(next.run(request).await, &info);
    };
    info.too_often = Some(exceeded.into());
    request.extensions_mut().insert(info.clone());
    let response = next.run(request).await;
    if response.status() == StatusCode::TOO_MANY_REQUESTS
        && let Err(failure) = limits.exceeded("refusals", exceeded, &info).await
    {
        return failure.into_response();
    }
    response
}

impl RateLimits {
    fn refused_before(&self, info: &RequestInfo) -> Option<Exceeded> {
        let address = info.address.as_deref();
        self.refusals.check(address, self.ambient.now()).err()
    }

    /// Counts the answer, if it is a refusal; one for coming too often is not.
    fn counted(&self, response: Response, info: &RequestInfo) -> Response {
        let status = response.status();
        if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
            let address = info.address.as_deref();
            // Should this be the one too many, the next hears of it.
            let _ = self.refusals.count(address, self.ambient.now());
        }
        response
    }

    /// The answer to a program that was refused too often.
    async fn refuse(&self, exceeded: Exceeded, info: &RequestInfo) -> Response {
        match self.exceeded("refusals", exceeded, info).await {
            Ok(()) => Failure::from(OAuthError::from(TooOften::from(exceeded))).into_response(),
            Err(failure) => failure.into_response(),
        }
    }

    /// Tells whoever watches. Not each time: a flood must not fill the trail.
    async fn exceeded(
        &self,
        what: &'static str,
        exceeded: Exceeded,
        info: &RequestInfo,
    ) -> Result<(), Failure> {
        let of = match exceeded.limit {
            ExceededLimit::Address => "address",
            ExceededLimit::Total => "total",
        };
        self.metrics.rate_limited(what, of);
        if !exceeded.is_first {
            return Ok(());
        }
        let kind = AuditKind::RequestLimited;
        let mut event = AuditEvent::new(self.ambient.now(), kind, Actor::Anonymous).during(info);
        event.outcome = Outcome::Refused(ErrorCode::TemporarilyUnavailable);
        event.details.insert("what".to_owned(), what.into());
        event.details.insert("limit_of".to_owned(), of.into());
        let recorded = self.audit.record(event).await;
        recorded.map_err(|failure| {
            let sentence = "The broker could not write its audit trail. Try again in a moment.";
            Failure::from(OAuthError::server_error(sentence).because(failure))
        })
    }
}

fn info(request: &Request) -> RequestInfo {
    let info = request.extensions().get::<RequestInfo>();
    info.cloned().unwrap_or_default()
}

/// The page, with when to come again.
fn waiting(exceeded: Exceeded, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, retry_after(exceeded.retry_after));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A duration for `Retry-After` (RFC 9110 §10.2.3), rounded up: whoever waits so long has waited enough.
pub(super) fn retry_after(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}
