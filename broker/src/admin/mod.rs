//! The admin API: who may use it, what it shows, and what it changes (contract of operators).
//!
//! Each request carries an admin token (`broker admin-token create`), of which the database has the
//! hash, or an access token of the identity provider whose groups administer. Reading needs either
//! role; changes need `write`. Every change writes its audit row in its own transaction, with before
//! and after, and then asks [`Live`] to look, so that this replica acts at once; the others follow
//! within a second.

mod access;
mod audit;
mod body;
mod catalog;
mod change;
mod checks;
mod client_changes;
mod client_item;
mod client_keys;
mod clients;
mod grants;
mod groups;
mod keys;
mod offline_grants;
mod page;
mod resource_changes;
mod stats;
mod users;
mod version;
mod webhook_deliveries;
mod webhooks;

use crate::ambient::Ambient;
use crate::audit::AuditLog;
use crate::domain::AuditEvent;
use crate::exchange::check::Check;
use crate::keys::{KeyError, Keyring};
use crate::live::{CatalogHandle, Live};
use crate::offline_tokens::OfflineTokens;
use crate::storage::{Store, StoreError, Transaction};
use crate::webhooks::Webhooks;

pub use access::{Administrator, Refusals};
pub use audit::{AuditItem, AuditList, AuditQuery};
pub use catalog::{DownstreamItem, DownstreamList, ResourceItem, ResourceList};
pub use checks::{CheckOptions, CheckedDownstream};
pub use client_changes::{ClientChanges, CreatedClient, NewClient, SecretQuery};
pub use client_item::ClientItem;
pub use clients::{ClientList, ClientQuery};
pub use grants::{GrantItem, GrantList, GrantQuery};
pub use groups::{GroupPolicy, Groups};
pub use keys::{KeyItem, KeyList, Rotated, RotationQuery};
pub use offline_grants::{OfflineGrantItem, OfflineGrantQuery, OfflineGrants};
pub use resource_changes::{NewResource, ResourceChanges};
pub use stats::{ClientCount, Stats};
pub use users::{RevokedUser, UserItem, UserList, UserQuery};
pub use version::{Precondition, Versioned};
pub use webhook_deliveries::{DeliveryItem, DeliveryList, DeliveryQuery};
pub use webhooks::{
    ClearQuery, PresetChange, PresetClient, PresetItem, PresetList, WebhookItem, WebhookList,
    WebhookQuery,
};

/// The admin API: what it needs.
pub struct AdminApi {
    /// Everything it shows.
    pub store: Store,
    /// Follows what it changes.
    pub live: Live,
    /// For refusals; changes write their own rows.
    pub audit: AuditLog,
    /// The signing keys.
    pub keyring: Keyring,
    /// The resources and downstreams.
    pub catalog: CatalogHandle,
    /// Webhooks of background clients.
    pub webhooks: Webhooks,
    /// Asks downstreams whether they would accept our tokens.
    pub check: Check,
    /// Groups of the identity provider that administer, if there are any.
    pub groups: Option<Groups>,
    /// What the identity provider gave for background jobs.
    pub offline_tokens: OfflineTokens,
    /// Bounds how many refusals are recorded.
    pub refusals: Refusals,
    /// Time and randomness.
    pub ambient: Ambient,
}

/// Why an admin request fails; the text goes to the administrator.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No admin token, or one that is not known.
    #[error("Send an admin token as bearer; make one with `broker admin-token create`.")]
    Unauthenticated,
    /// The token's role is not enough.
    #[error("The admin token may only read.")]
    Forbidden,
    /// A member of the identity provider's is in none of the groups.
    #[error("You are in none of the groups that may administer this broker.")]
    NoGroup,
    /// A parameter does not fit.
    #[error("The parameter `{parameter}` {problem}.")]
    Invalid {
        /// Which.
        parameter: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The body is not what it should be.
    #[error("The body cannot be used: {0}.")]
    Body(String),
    /// The body is not JSON, by its own word.
    #[error("The Content-Type must be application/json.")]
    MediaType,
    /// What the request names is not there.
    #[error("There is no such {0}.")]
    NotFound(&'static str),
    /// What is there does not let it happen.
    #[error("{0}")]
    Conflict(&'static str),
    /// It is not the version any more that the request is about (RFC 9110 §13.1.1).
    #[error("It has changed since you read it. Read it again and decide anew.")]
    Changed,
    /// The request must say which version it is about (RFC 6585 §3).
    #[error("Send the ETag of what you read as If-Match, so that nobody's change is lost.")]
    PreconditionRequired,
    /// The database failed.
    #[error("The database did not answer. Try again in a moment.")]
    Store(#[from] StoreError),
    /// A signing key could not be made or read.
    #[error("The signing keys could not be changed. The log says why.")]
    Keys(#[from] KeyError),
}

impl AdminError {
    /// The last part of the problem's `type`, which stays the same (RFC 9457 §3.1.1).
    #[must_use]
    pub const fn problem_type(&self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden | Self::NoGroup => "forbidden",
            Self::Invalid { .. } => "invalid-parameter",
            Self::Body(_) => "invalid-body",
            Self::MediaType => "unsupported-media-type",
            Self::NotFound(_) => "not-found",
            Self::Conflict(_) => "conflict",
            Self::Changed => "precondition-failed",
            Self::PreconditionRequired => "precondition-required",
            Self::Store(_) | Self::Keys(_) => "failed",
        }
    }
}

impl AdminApi {
    /// Makes a change count together with its audit row, and this replica see it.
    async fn commit(
        &self,
        transaction: Transaction,
        events: &[AuditEvent],
    ) -> Result<(), AdminError> {
        transaction.append_audit(events).await?;
        transaction.commit().await?;
        self.live.refresh().await?;
        Ok(())
    }
}
