//! What a server needs in order to trust MCP Token Broker, and to ask it for tokens.
//!
//! Two roles of OAuth 2.0 live here:
//!
//! - **protected resource**: [`bearer`] refuses requests without a good access token (RFC 6750)
//!   and hands the verified [`bearer::Caller`] to the handlers; [`metadata`] tells clients where
//!   to get one (RFC 9728); [`verify`] and [`keys`] do the checking (RFC 9068, RFC 7517).
//! - **token-exchange client**: [`exchange`] turns the caller's token into a short one for another
//!   API (RFC 8693); [`background`] asks how the caller's background access stands.
//!
//! Both ends of the wire use the vocabulary of [`oauth`], so that they cannot drift apart. The
//! broker itself uses this crate too: towards its own identity provider it is a client
//! ([`http`], [`discovery`], [`verify`]).
//!
//! [`server`] accepts connections as both programs do: nobody can hold it up, and no request is lost
//! when it stops. [`trace`] and [`telemetry`] tell a collector what was done for whose request.
//!
//! What this crate leaves to others: issuing tokens, storing anything, and deciding what a scope
//! allows. Revocation is the broker's: an access token lives minutes and is verified offline, and
//! the broker checks at every exchange that the session behind it still stands.

pub mod ambient;
pub mod background;
pub mod bearer;
pub mod discovery;
pub mod exchange;
pub mod http;
pub mod keys;
pub mod metadata;
pub mod oauth;
mod refreshing;
pub mod secret;
pub mod server;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trace;
pub mod verify;

/// An error of any type, kept as the private cause of another.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
