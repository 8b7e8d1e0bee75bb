//! The W3C trace context of a call: one id from the caller through the broker to Nextcloud.

use std::fmt;

use broker_client::trace::TraceContext;
use uuid::Uuid;

/// The trace that a call belongs to, and this server's own span in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    own: TraceContext,
    /// The span that asked, if there is one.
    parent: Option<String>,
    /// The whole header, with our span as the parent of what comes next.
    header: String,
}

impl Trace {
    /// Goes on with the trace that the caller is in; starts one when there is none that can be
    /// read, so that every call can be followed. Whether that one is recorded, `is_recorded` says;
    /// in a trace of the caller's it is for the caller to decide.
    #[must_use]
    pub fn continuing(traceparent: Option<&str>, is_recorded: bool) -> Self {
        let caller = traceparent.and_then(TraceContext::parse);
        let own = caller.as_ref().map_or_else(
            || TraceContext::new(Uuid::new_v4().into_bytes(), span_id(), is_recorded),
            |caller| caller.child(span_id()),
        );
        Self {
            header: own.header(),
            own,
            parent: caller.map(|caller| caller.span_id().to_owned()),
        }
    }

    /// The trace id, which everybody on the way logs.
    #[must_use]
    pub fn id(&self) -> &str {
        self.own.trace_id()
    }

    /// The trace and our span in it.
    #[must_use]
    pub const fn own(&self) -> &TraceContext {
        &self.own
    }

    /// The span that asked, if there is one.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }

    /// The value of the header `traceparent`.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// The second half of a random UUID: the first has the version, which is always the same.
fn span_id() -> [u8; 8] {
    let [_, _, _, _, _, _, _, _, id @ ..] = Uuid::new_v4().into_bytes();
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_trace_goes_on_under_its_id_with_a_span_of_ours() {
        for (flags, is_recorded) in [("01", false), ("00", true)] {
            let given = format!("00-{ID}-b7ad6b7169203331-{flags}");
            let trace = Trace::continuing(Some(&given), is_recorded);
            assert_eq!(trace.id(), ID);
            assert_eq!(trace.parent(), Some("b7ad6b7169203331"));
            assert_ne!(trace.header(), given, "the parent is our span now");
            assert!(trace.header().ends_with(flags), "{}", trace.header());
        }
    }

    #[test]
    fn what_cannot_be_read_starts_a_trace() {
        for text in ["", "x", ID, "00-0-0-01"] {
            let trace = Trace::continuing(Some(text), false);
            assert_ne!(trace.id(), ID, "{text}");
            assert_eq!(trace.parent(), None, "{text}");
            assert_eq!(
                TraceContext::parse(trace.header()).as_ref(),
                Some(trace.own())
            );
            assert!(!trace.own().is_sampled());
        }
        assert!(Trace::continuing(None, true).own().is_sampled());
        assert_ne!(
            Trace::continuing(None, false),
            Trace::continuing(None, false)
        );
    }
}
