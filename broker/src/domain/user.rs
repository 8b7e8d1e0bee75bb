//! A user, as the upstream made him known.

use super::{Subject, Timestamp};

/// A person who has logged in at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Our stable name for (upstream issuer, upstream subject).
    pub sub: Subject,
    /// `iss` of the upstream's `id_token`.
    pub upstream_issuer: String,
    /// `sub` of the upstream's `id_token`.
    pub upstream_subject: String,
    /// The exact Nextcloud uid from the configured claim; absent when the claim was missing.
    /// Kept apart from `sub`, login name and e-mail: they differ in practice.
    pub nextcloud_uid: Option<String>,
    /// A name for people, for the pages only.
    pub name: Option<String>,
    /// When he first logged in.
    pub created_at: Timestamp,
    /// When he last logged in.
    pub last_login_at: Timestamp,
}
