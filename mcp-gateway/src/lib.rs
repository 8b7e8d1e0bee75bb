//! A stateless MCP server with the Nextcloud tools.
//!
//! It verifies the caller's access token and, for each tool call, asks the broker for a Nextcloud
//! token that lives about as long as the call. It never sees a refresh token and stores nothing.
//!
//! A request goes from left to right, and a module uses only what is further right:
//!
//! `cli · app · http · mcp · tools · credentials · nextcloud`
//!
//! - [`http`]: routes and layers: CORS, the bearer check, `POST /mcp`, metadata, health.
//! - [`mcp`]: the scope check before anything runs, then the MCP server itself.
//! - [`tools`]: one file a family; what exists and which scopes it needs is one table.
//! - [`credentials`]: the one question "act at Nextcloud as this caller", three answers.
//! - [`nextcloud`]: the one HTTP client, with every rule for talking to Nextcloud.
//!
//! [`metrics`] counts and measures, wherever that is. [`error`] makes every sentence that a model reads about a failure. [`config`] is read by
//! [`app`] and [`cli`] only.

pub mod app;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod error;
pub mod health;
pub mod http;
pub mod mcp;
pub mod metrics;
pub mod nextcloud;
pub mod tools;
