//! Admin tokens.

use sea_orm::ConnectionTrait;

use super::{Repository, StoreError};
use crate::domain::{HandleHash, Timestamp};

/// What an admin token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminRole {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

/// A token for the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// Who it is for, shown in the audit; unique.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: HandleHash,
    /// What it may do.
    pub role: AdminRole,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl<C: ConnectionTrait> Repository<C> {
    /// Records a token.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the name is taken.
    pub async fn insert_admin_token(&self, _token: &AdminToken) -> Result<(), StoreError> {
        todo!()
    }

    /// The token with this hash.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn admin_token(&self, _hash: &HandleHash) -> Result<Option<AdminToken>, StoreError> {
        todo!()
    }

    /// Notes that a token was used; at most one write a minute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn touch_admin_token(&self, _name: &str, _now: Timestamp) -> Result<(), StoreError> {
        todo!()
    }

    /// Deletes a token; false when there is none of this name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_admin_token(&self, _name: &str) -> Result<bool, StoreError> {
        todo!()
    }
}
