//! A fake issuer and a fake clock, for tests of servers that use this crate (feature `testing`).
//!
//! [`FakeIssuer`] mints tokens and is a [`KeySource`](crate::keys::KeySource) without any HTTP;
//! [`FakeServer`] puts one behind a real socket, with metadata, JWKS and a token endpoint that
//! answers exchanges and remembers what it was asked. Nothing here is for production: the issuer
//! signs whatever it is told.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "support for tests: what cannot fail may say so loudly"
)]

mod clock;
mod issuer;
mod server;

pub use clock::FakeClock;
pub use issuer::FakeIssuer;
pub use server::{FakeServer, RecordedRequest};
