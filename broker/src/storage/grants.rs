//! Grants (sessions).

use sea_orm::ConnectionTrait;

use super::{Repository, StoreError};
use crate::domain::{EndReason, Grant, GrantId, Timestamp};

impl<C: ConnectionTrait> Repository<C> {
    /// Records a new grant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_grant(&self, _grant: &Grant) -> Result<(), StoreError> {
        todo!()
    }

    /// The grant, ended ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn grant(&self, _id: &GrantId) -> Result<Option<Grant>, StoreError> {
        todo!()
    }

    /// Ends a grant; false when it had ended before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_grant(
        &self,
        _id: &GrantId,
        _reason: EndReason,
        _now: Timestamp,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// Grants ended at `since` or later, with when: what [`crate::live`] follows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn grants_ended_since(
        &self,
        _since: Timestamp,
    ) -> Result<Vec<(GrantId, Timestamp)>, StoreError> {
        todo!()
    }
}
