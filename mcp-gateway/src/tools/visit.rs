//! Sending the user to a page in the middle of a call: what a tool needs to know of it.
//!
//! MCP calls it elicitation in URL mode. How it goes over the wire, and how the answer comes back, is
//! `mcp::elicitation`'s.

/// What a call comes to.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    /// A result.
    Done(T),
    /// The user has to open a page first.
    Visit(Visit),
}

/// A page that the user is asked to open in his own browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Why, for the user.
    pub(crate) message: String,
    /// Where.
    pub(crate) url: String,
}

/// Whether the client can send its user to a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visits {
    /// It does not say that it can: a link in the result is all there is.
    Unsupported,
    /// It can, and was not asked to in this call.
    Supported,
    /// It was asked to in this call, and says whether the user agreed to open the page. What he did
    /// there it cannot know.
    Asked {
        /// Whether he did.
        agreed: bool,
    },
}
