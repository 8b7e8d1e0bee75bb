//! Specification tests of `broker-client`: one file per topic, real HTTP where HTTP is the topic.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, outside of #[test] functions"
)]

mod background;
mod bearer;
mod discovery;
mod documentation;
mod exchange;
mod http_client;
mod jwks;
mod metadata;
#[path = "../../examples/protected_server.rs"]
#[expect(dead_code, reason = "the example's own `main` is not called")]
mod protected_server;
mod server;
mod support;
mod telemetry;
mod tls;
mod verify;
