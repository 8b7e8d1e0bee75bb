//! How the gateway gets into Nextcloud for one call, behind one question: [`CredentialSource`].
//!
//! Owns who is calling ([`Caller`]) and what for ([`Call`]). Tools never see a credential: they
//! get a client that acts as the user. Four answers exist, and configuration picks one:
//! `exchange` (a short token per call from the broker), `basic` (one configured account),
//! `pass_through` (the caller's own token) and `background_only` (none at all: the user may let
//! background jobs in, which is managed here). There is no fallback from one to another.

mod background_only;
mod basic;
mod exchange;
mod pass_through;

use async_trait::async_trait;
pub use background_only::{BackgroundAccess, BackgroundOnly};
pub use basic::Basic;
use broker_client::{bearer, oauth::Scope};
pub use exchange::Exchange;
pub use pass_through::PassThrough;

use crate::nextcloud::{Client, NoAccess, Trace};

/// Who is calling, put into the request's extensions before anything else runs.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Somebody with a verified access token.
    Token(bearer::Caller),
    /// The one user of a gateway without a broker, which listens on loopback only.
    SingleUser,
}

/// One call that needs Nextcloud.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who is calling.
    pub caller: Caller,
    /// The tool's or resource's name, for the broker's audit.
    pub tool: String,
    /// The scopes that the tool needs; empty when any will do.
    pub scope: Scope,
    /// The trace that it belongs to, to follow it through the broker and to Nextcloud.
    pub trace: Trace,
}

/// A way into Nextcloud.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// A client that acts as the caller, for the length of this call.
    ///
    /// # Errors
    ///
    /// [`NoAccess`] with a sentence for the model.
    async fn client_for(&self, call: &Call) -> Result<Client, NoAccess>;

    /// The caller's background access, where this way is about it.
    ///
    /// # Errors
    ///
    /// [`NoAccess`] with a sentence for the model.
    async fn background_access(&self, _call: &Call) -> Result<BackgroundAccess, NoAccess> {
        Err(NoAccess {
            sentence: "This server works in Nextcloud during the conversation; it does not manage \
                       access for background jobs. The user does that on the account page of the \
                       sign-in service.",
            source: "this way of access has no background access".into(),
        })
    }
}
