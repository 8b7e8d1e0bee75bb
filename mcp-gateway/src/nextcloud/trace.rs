//! The W3C trace context of a call: one id from the caller through the broker to Nextcloud.

use std::fmt;

use uuid::Uuid;

/// The trace that a call belongs to, and this server's own span in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    id: String,
    /// The whole header, with our span as the parent of what comes next.
    header: String,
}

impl Trace {
    /// Goes on with the trace that the caller is in; starts one when there is none that can be
    /// read, so that every call can be followed.
    #[must_use]
    pub fn continuing(traceparent: Option<&str>) -> Self {
        let (id, flags) = traceparent
            .and_then(parse)
            // Not sampled: whether to record is not ours to decide.
            .unwrap_or_else(|| (Uuid::new_v4().simple().to_string(), "00"));
        let span = Uuid::new_v4().simple().to_string();
        // Its second half: the first has the version, which is always the same.
        let header = format!("00-{id}-{}-{flags}", span.get(16..).unwrap_or_default());
        Self { id, header }
    }

    /// The trace id, which everybody on the way logs.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The value of the header `traceparent`.
    #[must_use]
    pub fn header(&self) -> &str {
        &self.header
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)
    }
}

/// Trace id and flags of a `traceparent` (Trace Context §3.2); later versions may say more.
fn parse(text: &str) -> Option<(String, &str)> {
    let mut fields = text.trim().split('-');
    let mut field = |length: usize| {
        let text = fields.next()?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        (text.len() == length && text.bytes().all(is_hex)).then_some(text)
    };
    let (version, id, parent, flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let has_more = fields.next().is_some();
    let is_valid =
        version != "ff" && !is_zero(id) && !is_zero(parent) && (version != "00" || !has_more);
    is_valid.then(|| (id.to_owned(), flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_trace_goes_on_under_its_id_with_a_span_of_ours() {
        let given = format!("00-{ID}-b7ad6b7169203331-01");
        let trace = Trace::continuing(Some(&given));
        assert_eq!(trace.id(), ID);
        let (id, flags) = parse(trace.header()).expect("a good header");
        assert_eq!((id.as_str(), flags), (ID, "01"));
        assert_ne!(trace.header(), given, "the parent is our span now");
        let later = Trace::continuing(Some(&format!("cc-{ID}-b7ad6b7169203331-01-more")));
        assert_eq!(later.id(), ID);
    }

    #[test]
    fn what_cannot_be_read_starts_a_trace() {
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
        ] {
            let trace = Trace::continuing(Some(&text));
            assert_ne!(trace.id(), ID, "{text}");
            assert_eq!(
                parse(trace.header()).map(|(id, _)| id).as_deref(),
                Some(trace.id())
            );
        }
        assert_ne!(Trace::continuing(None), Trace::continuing(None));
    }
}
