//! The MCP face: the server that answers, how it runs a call, and what comes before it.
//!
//! `server` answers; `run` and `calls` are about one call, `elicitation` about sending the user to a
//! page during one; `limit` (of each caller) and `scopes` come before it.

pub mod calls;
pub mod elicitation;
pub mod limit;
pub mod run;
pub mod scopes;
pub mod server;

/// Where clients reach the MCP endpoint.
pub const PATH: &str = "/mcp";
