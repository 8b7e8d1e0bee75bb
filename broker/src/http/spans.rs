//! The span of a request, for a collector: which trace it is in, and what became of it.
//!
//! Without a collector nothing begins, and a caller's trace id is only repeated in logs and audit.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, Method};
use broker_client::telemetry::{Span, Spans, Value};
use broker_client::trace::TraceContext;

use crate::ambient::Ambient;

/// A request that is being served.
pub(super) struct Begun {
    caller: Option<TraceContext>,
    /// Our own span, where somebody wants to know of it.
    own: Option<(TraceContext, SystemTime)>,
}

impl Begun {
    /// Goes on with the caller's trace, or starts one where spans are wanted.
    pub(super) fn new(spans: &Spans, ambient: &Ambient, headers: &HeaderMap, route: &str) -> Self {
        let caller = headers
            .get("traceparent")
            .and_then(|value| value.to_str().ok())
            .and_then(TraceContext::parse);
        let own = (spans.are_wanted() && is_of_interest(route)).then(|| {
            let span_id = ambient.random();
            let own = caller.as_ref().map_or_else(
                || TraceContext::new(ambient.random(), span_id, true),
                |caller| caller.child(span_id),
            );
            (own, ambient.clock.now())
        });
        Self { caller, own }
    }

    /// The trace's id, if the request is in one.
    pub(super) fn trace_id(&self) -> Option<&str> {
        let own = self.own.as_ref().map(|(context, _)| context);
        own.or(self.caller.as_ref()).map(TraceContext::trace_id)
    }

    /// The request was answered.
    pub(super) fn end(
        self,
        spans: &Spans,
        (method, route): (&Method, &str),
        status: u16,
        request_id: String,
        took: Duration,
    ) {
        let Some((context, start)) = self.own else {
            return;
        };
        let method = word(method);
        spans.record(Span {
            context,
            parent: self.caller.map(|caller| caller.span_id().to_owned()),
            name: format!("{method} {route}"),
            start,
            duration: took,
            failed: status >= 500,
            attributes: vec![
                ("http.request.method", Value::Text(method.to_owned())),
                ("http.route", Value::Text(route.to_owned())),
                ("http.response.status_code", Value::Number(status.into())),
                ("request_id", Value::Text(request_id)),
            ],
        });
    }
}

/// Probes and scrapes come every few seconds and tell nothing; what is at no route tells less.
fn is_of_interest(route: &str) -> bool {
    !route.starts_with("/health/") && route != "/metrics" && route != "-"
}

/// The method's name; a stranger may invent any number of others.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
