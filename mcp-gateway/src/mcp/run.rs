//! One call from its start to its end: who makes it, in which trace, how long it may take, who may
//! stop it, who hears of its progress, and the one line about it in the log.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use broker_client::{
    ambient::Clock,
    telemetry::{Span, Spans, Value},
};
use http::request::Parts;
use rmcp::{
    ErrorData, Peer, RoleServer,
    model::{ErrorCode, ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use tokio::time::error::Elapsed;
use tracing::Instrument;

use super::calls::Calls;
use crate::{
    credentials::{Call, Caller},
    error::{ToolError, ToolErrorKind, causes},
    metrics::Metrics,
    nextcloud::{Listener, Progress, Step, Trace},
    tools::Needs,
};

/// The code that language servers made customary for a request that its caller cancelled.
const CANCELLED: ErrorCode = ErrorCode(-32800);

/// Runs calls within their bounds.
#[derive(Clone)]
pub struct Runner {
    calls: Arc<Calls>,
    timeout: Duration,
    metrics: Metrics,
    spans: Spans,
    clock: Arc<dyn Clock>,
}

impl Runner {
    /// Calls may take `timeout`; those in `calls` can be cancelled by name. Each leaves a span in
    /// `spans`, at the time of `clock`.
    #[must_use]
    pub fn new(
        calls: Arc<Calls>,
        timeout: Duration,
        metrics: Metrics,
        (spans, clock): (Spans, Arc<dyn Clock>),
    ) -> Self {
        Self {
            calls,
            timeout,
            metrics,
            spans,
            clock,
        }
    }

    /// A call of the tool or resource with this name.
    pub(super) fn call(
        &self,
        context: &RequestContext<RoleServer>,
        tool: &str,
        needs: Needs,
    ) -> Result<Call, ErrorData> {
        let header = || {
            let parts = context.extensions.get::<Parts>()?;
            parts.headers.get("traceparent")?.to_str().ok()
        };
        // In the message it is the caller's own word; the header may be about its connection.
        let traceparent = context.meta.get_traceparent().or_else(header);
        Ok(Call {
            caller: caller(context)?,
            tool: tool.to_owned(),
            scope: needs.to_scope(),
            trace: Trace::continuing(traceparent, self.spans.are_wanted()),
        })
    }

    /// Does the work of a call, unless it is stopped before: by its deadline, by the caller, by the
    /// connection's end. Dropping the work drops its request to Nextcloud.
    ///
    /// # Errors
    ///
    /// When the caller does not want the result any more.
    pub(super) async fn run<T>(
        &self,
        context: &RequestContext<RoleServer>,
        call: &Call,
        work: impl Future<Output = Result<T, ToolError>> + Send,
    ) -> Result<Result<T, ToolError>, ErrorData> {
        let (tool, trace_id) = (call.tool.as_str(), call.trace.id());
        let client_id = match &call.caller {
            Caller::Token(caller) => Some(caller.claims().client_id.as_str()),
            Caller::SingleUser => None,
        };
        let span = tracing::info_span!("call", tool, trace_id, client_id);
        let (started, running) = (Instant::now(), self.calls.start(&call.caller, &context.id));
        let start = self.clock.now();
        async {
            let result = tokio::select! {
                result = tokio::time::timeout(self.timeout, work) => Some(result),
                () = running.cancelled() => None,
                () = context.ct.cancelled() => None,
            };
            let duration = started.elapsed();
            let outcome = outcome(result.as_ref());
            self.metrics.tool_called(tool, outcome, duration);
            self.spans.record(Span {
                context: call.trace.own().clone(),
                parent: call.trace.parent().map(str::to_owned),
                name: format!("call {tool}"),
                start,
                duration,
                failed: matches!(outcome, "failed" | "timed_out"),
                attributes: vec![
                    ("gen_ai.tool.name", Value::Text(tool.to_owned())),
                    ("outcome", Value::Text(outcome.to_owned())),
                ],
            });
            let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            match result {
                Some(Ok(result)) => {
                    log(duration_ms, result.as_ref().err());
                    Ok(result)
                }
                Some(Err(_)) => {
                    tracing::warn!(outcome = "timed out", duration_ms, "tool call");
                    Ok(Err(self.too_long()))
                }
                None => {
                    tracing::info!(outcome = "cancelled", duration_ms, "tool call");
                    Err(ErrorData::new(CANCELLED, "The call was cancelled.", None))
                }
            }
        }
        .instrument(span)
        .await
    }

    fn too_long(&self) -> ToolError {
        ToolError::failed(format!(
            "The call was stopped because it took longer than the {:?} that one call may take. A part \
             of its changes may have been made: read the current state, then go on with less at once.",
            self.timeout
        ))
    }
}

/// How a call ended, as a label.
fn outcome<T>(result: Option<&Result<Result<T, ToolError>, Elapsed>>) -> &'static str {
    match result {
        None => "cancelled",
        Some(Err(_)) => "timed_out",
        Some(Ok(Ok(_))) => "ok",
        Some(Ok(Err(error))) => match error.kind() {
            ToolErrorKind::Invalid => "invalid",
            ToolErrorKind::NotFound => "not_found",
            ToolErrorKind::Failed => "failed",
        },
    }
}

/// The one line about a call; tool and trace are in its span.
fn log(duration_ms: u64, error: Option<&ToolError>) {
    match error {
        None => tracing::info!(outcome = "ok", duration_ms, "tool call"),
        Some(error) => {
            let cause = causes(error);
            tracing::warn!(outcome = "failed", duration_ms, cause, "tool call");
        }
    }
}

/// Who is calling, as the layers before this server found out.
pub(super) fn caller(context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
    context
        .extensions
        .get::<Parts>()
        .and_then(|parts| parts.extensions.get::<Caller>())
        .cloned()
        // A forgotten layer closes the server.
        .ok_or_else(|| ErrorData::internal_error("The caller is not known.", None))
}

/// Where the call's progress is told: to its caller, if it gave a token for that.
///
/// The first notification turns the answer into an event stream; without one it is plain JSON.
pub(super) fn progress(context: &RequestContext<RoleServer>) -> Progress {
    let Some(token) = context.meta.get_progress_token() else {
        return Progress::default();
    };
    let peer = context.peer.clone();
    Progress::to(Arc::new(Notifier { peer, token }))
}

struct Notifier {
    peer: Peer<RoleServer>,
    token: ProgressToken,
}

#[async_trait]
impl Listener for Notifier {
    async fn hear(&self, step: Step) {
        // `f64` is exact up to 2^53; nothing that is counted here comes near the 2^32 of `u32`.
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let mut notification =
            ProgressNotificationParam::new(self.token.clone(), number(step.done))
                .with_message(step.message);
        notification.total = step.total.map(number);
        if let Err(error) = self.peer.notify_progress(notification).await {
            // The caller is gone; the call's own end follows.
            tracing::debug!(%error, "progress could not be told");
        }
    }
}
