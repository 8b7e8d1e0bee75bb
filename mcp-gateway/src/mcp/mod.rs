//! The MCP face: the server that answers (`server`), how it runs a call (`run`, `calls`), and what
//! comes before it: the limit of each caller (`limit`) and the scope check (`scopes`).

pub mod calls;
pub mod limit;
pub mod run;
pub mod scopes;
pub mod server;

/// Where clients reach the MCP endpoint.
pub const PATH: &str = "/mcp";
