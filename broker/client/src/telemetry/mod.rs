//! Spans: what a program did in a trace, told to a collector over OTLP.
//!
//! A span has words and numbers of ours only: no token, no query, no header, nothing that a stranger
//! wrote. Recording one never waits and never fails; what the queue has no room for, or the collector
//! does not take, is counted as lost. How they are written and sent is `otlp`'s matter.

mod otlp;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

pub use otlp::{Exporter, Target};

use crate::trace::TraceContext;

/// How many spans may wait to be sent.
const QUEUE: usize = 4096;

/// A request that was served, or a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The trace, and this span in it.
    pub context: TraceContext,
    /// The id of the span that asked for this one, if it said so.
    pub parent: Option<String>,
    /// What was done, in few words of ours: a method and a route's template, a tool.
    pub name: String,
    /// When it began.
    pub start: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Whether it failed for a reason that is not the caller's.
    pub failed: bool,
    /// More about it, under the names of OpenTelemetry's conventions where there are any.
    pub attributes: Vec<(&'static str, Value)>,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// What became of spans, and how many: for a counter.
pub type Count = Arc<dyn Fn(Outcome, u64) + Send + Sync>;

/// What became of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The collector has it.
    Exported,
    /// There was no room for it, or the collector did not take it.
    Lost,
}

impl Outcome {
    /// The outcome as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Lost => "lost",
        }
    }
}

/// Takes spans. The default takes none; clones share the queue.
#[derive(Clone, Default)]
pub struct Spans(Option<Queue>);

#[derive(Clone)]
struct Queue {
    sender: mpsc::Sender<Span>,
    count: Count,
}

impl Spans {
    /// A queue, and what sends it on to `target`.
    #[must_use]
    pub fn to(target: Target, count: Count) -> (Self, Exporter) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let exporter = Exporter::new(target, receiver, Arc::clone(&count));
        (Self(Some(Queue { sender, count })), exporter)
    }

    /// Whether anybody wants spans; else nobody needs to begin a trace.
    #[must_use]
    pub const fn are_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Takes a span, if its trace is recorded.
    pub fn record(&self, span: Span) {
        let Some(queue) = &self.0 else {
            return;
        };
        if span.context.is_sampled() && queue.sender.try_send(span).is_err() {
            (queue.count)(Outcome::Lost, 1);
        }
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Spans")
            .field("wanted", &self.are_wanted())
            .finish_non_exhaustive()
    }
}
