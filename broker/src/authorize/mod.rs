//! The browser flow: `/oauth/authorize`, our consent page, the IdP, and back with a code
//! (OAuth 2.1 §4.1, RFC 7636, RFC 8707, RFC 9207).
//!
//! ```text
//! client           browser                     broker                          IdP
//!   │ authorize URL  │                           │                              │
//!   ├───────────────▶│ GET /oauth/authorize      │                              │
//!   │                ├──────────────────────────▶│ request + machine: checks    │
//!   │                │ cookie, 303 to the page   │ row AwaitingConsent          │
//!   │                │◀──────────────────────────┤                              │
//!   │                │ POST /oauth/consent       │                              │
//!   │                ├──────────────────────────▶│ consent: row AwaitingLogin   │
//!   │                │ 303, our state and nonce  │                              │
//!   │                │◀──────────────────────────┤                              │
//!   │                │ log in ─────────────────────────────────────────────────▶│
//!   │                │ GET /oauth/callback       │                              │
//!   │                ├──────────────────────────▶│ callback: code → `id_token` ──▶│
//!   │                │ 303, code, state, iss     │ row Approved, user, audit    │
//!   │◀───────────────┤◀──────────────────────────┤                              │
//! ```
//!
//! One secret carries a flow: the value of its cookie. The form token, our upstream `state`, the
//! nonce, the upstream PKCE verifier and the authorization code are derived from it when needed
//! ([`flow`]), so the database holds nothing that could be used, a restart loses nothing, several
//! tabs do not disturb each other, and asking the same thing twice gets the same answer.
//!
//! Where a consent is remembered the page is passed over: the first answer sends the browser to the
//! IdP, and the callback decides whether it is that user's ([`remembered`]).
//!
//! What a token request makes of the code is [`crate::token`]'s.

mod approve;
mod callback;
mod consent;
mod error;
mod flow;
mod machine;
mod remembered;
mod request;
mod response;
mod start;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

pub use approve::Arrival;
pub use callback::{Callback, Logins};
pub use consent::{ConsentForm, ConsentPage, Decision, Onward};
pub use error::{AuthorizeError, Page, PageError};
pub use request::AuthorizationRequest;
pub use response::ClientRedirect;
pub use start::Started;
pub use waiting::Waiting;

use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::clients::Clients;
use crate::domain::ConsentPolicy;
use crate::live::CatalogHandle;
use crate::storage::Store;
use crate::upstream::Upstream;
use crate::upstream_tokens::UpstreamTokens;

/// The browser flow's dependencies.
pub struct Authorize {
    /// Authorizations, users.
    pub store: Store,
    /// Who the client is.
    pub clients: Clients,
    /// The audit trail, for rows that stand for themselves. Rows of a change are written with it.
    pub audit: AuditLog,
    /// Time and randomness.
    pub ambient: Ambient,
    /// The resources that tokens can be asked for.
    pub catalog: CatalogHandle,
    /// The IdP.
    pub upstream: Arc<Upstream>,
    /// What it gives at a login, kept for the session where a downstream needs it.
    pub upstream_tokens: UpstreamTokens,
    /// The callbacks in work here.
    pub logins: Logins,
    /// Our issuer, for the `iss` of every answer to a client.
    pub issuer: String,
    /// How long a login may take from the first request to the callback.
    pub login_lifetime: Duration,
    /// How long a code is good.
    pub code_lifetime: Duration,
    /// Which consents are remembered.
    pub consent: ConsentPolicy,
}
