//! An offline grant: that a user lets background jobs act for him at a downstream while he is away;
//! and the browser session in which he says so.

use broker_client::oauth::Scope;

use super::{DownstreamName, HandleHash, OfflineGrantId, Subject, Timestamp};

/// What a user allowed background jobs at one downstream. Not a session: its id is of another type,
/// and nothing that a session gives leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineGrant {
    /// Identifier: the `subject_token` of background jobs. No secret; it is worth nothing without a
    /// background client's own.
    pub id: OfflineGrantId,
    /// Who allowed it, signed in, in his own browser.
    pub sub: Subject,
    /// Where.
    pub downstream: DownstreamName,
    /// What; tokens may carry less, never more.
    pub scope: Scope,
    /// When.
    pub granted_at: Timestamp,
    /// When it was withdrawn. It never comes back: who allows it again gets a new one.
    pub withdrawn_at: Option<Timestamp>,
}

impl OfflineGrant {
    /// Whether it still stands.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.withdrawn_at.is_none()
    }
}

/// A browser in which a user is signed in to his account pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSession {
    /// SHA-256 of its cookie.
    pub cookie: HandleHash,
    /// Who.
    pub sub: Subject,
    /// Until when.
    pub expires_at: Timestamp,
}
