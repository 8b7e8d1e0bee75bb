//! The words that OAuth clients and servers exchange.
//!
//! Pure vocabulary: values, their spelling on the wire, and nothing that does I/O. Both the broker
//! and its clients use it.

mod error;
mod grant;
mod scope;
mod wire;

pub use error::{ErrorCode, OAuthError};
pub use grant::{CLIENT_ASSERTION_JWT, grant_type, previous_token, token_type};
pub use scope::{InvalidScope, Scope};
pub use wire::{AccessState, BackgroundAccess, ErrorBody, TokenResponse};
