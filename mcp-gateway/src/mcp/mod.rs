//! The MCP face: the server that answers (`server`) and the scope check before it (`scopes`).

pub mod scopes;
pub mod server;

/// Where clients reach the MCP endpoint.
pub const PATH: &str = "/mcp";
