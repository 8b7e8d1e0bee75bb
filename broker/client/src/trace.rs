//! W3C Trace Context: which trace a request belongs to, and which span of it asked.

/// A `traceparent` that could be read (Trace Context §3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: String,
    span_id: String,
    flags: u8,
}

/// The flag that says that the trace is recorded (§3.2.2.5.1).
const SAMPLED: u8 = 1;

impl TraceContext {
    /// A context of ours: `trace_id` and `span_id` are random.
    #[must_use]
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], is_sampled: bool) -> Self {
        Self {
            trace_id: format!("{:032x}", u128::from_be_bytes(trace_id)),
            span_id: written(span_id),
            flags: if is_sampled { SAMPLED } else { 0 },
        }
    }

    /// Reads the header's value; later versions may say more than we know.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.trim().split('-');
        let mut field = |length: usize| {
            let text = fields.next()?;
            let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
            (text.len() == length && text.bytes().all(is_hex)).then_some(text)
        };
        let (version, trace_id, span_id, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        let has_more = fields.next().is_some();
        let is_valid = version != "ff"
            && !is_zero(trace_id)
            && !is_zero(span_id)
            && (version != "00" || !has_more);
        let flags = u8::from_str_radix(flags, 16).ok()?;
        is_valid.then(|| Self {
            trace_id: trace_id.to_owned(),
            span_id: span_id.to_owned(),
            flags,
        })
    }

    /// The same trace, asked by another span: ours.
    #[must_use]
    pub fn child(&self, span_id: [u8; 8]) -> Self {
        Self {
            trace_id: self.trace_id.clone(),
            span_id: written(span_id),
            flags: self.flags,
        }
    }

    /// The trace id, in 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The id of the span that asks, in 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> &str {
        &self.span_id
    }

    /// Whether whoever began the trace wants it recorded.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED == SAMPLED
    }

    /// The value of the header `traceparent`.
    #[must_use]
    pub fn header(&self) -> String {
        let Self {
            trace_id,
            span_id,
            flags,
        } = self;
        format!("00-{trace_id}-{span_id}-{flags:02x}")
    }
}

fn written(span_id: [u8; 8]) -> String {
    format!("{:016x}", u64::from_be_bytes(span_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn what_is_read_is_written_again() {
        let given = format!("00-{ID}-b7ad6b7169203331-01");
        let context = TraceContext::parse(&given).unwrap();
        assert_eq!(context.header(), given);
        assert_eq!(context.trace_id(), ID);
        assert_eq!(context.span_id(), "b7ad6b7169203331");
        assert!(context.is_sampled());
        let later = TraceContext::parse(&format!("cc-{ID}-b7ad6b7169203331-00-more")).unwrap();
        assert_eq!(later.header(), format!("00-{ID}-b7ad6b7169203331-00"));
        assert!(!later.is_sampled());
    }

    #[test]
    fn a_child_is_in_the_same_trace_and_as_sampled() {
        let parent = TraceContext::new([0xab; 16], [1; 8], true);
        let child = parent.child([2; 8]);
        assert_eq!(
            child.header(),
            format!("00-{}-0202020202020202-01", "ab".repeat(16))
        );
        assert_eq!(TraceContext::parse(&child.header()), Some(child));
    }

    #[test]
    fn what_breaks_the_rules_is_not_read() {
        let zeros = "0".repeat(32);
        for text in [
            String::new(),
            "x".to_owned(),
            ID.to_owned(),
            format!("00-{zeros}-b7ad6b7169203331-01"),
            format!("00-{ID}-0000000000000000-01"),
            format!("ff-{ID}-b7ad6b7169203331-01"),
            format!("00-{ID}-b7ad6b7169203331-01-more"),
            format!("00-{}-b7ad6b7169203331-01", ID.to_uppercase()),
            format!("00-{ID}-b7ad6b7169203331"),
        ] {
            assert_eq!(TraceContext::parse(&text), None, "{text}");
        }
    }
}
