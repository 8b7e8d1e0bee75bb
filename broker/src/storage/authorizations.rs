//! Authorizations: one row a trip through `/oauth/authorize`.

use sea_orm::ConnectionTrait;

use super::{Repository, StoreError};
use crate::domain::{Authorization, AuthorizationId, HandleHash, StageKind};

impl<C: ConnectionTrait> Repository<C> {
    /// Records a new authorization.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_authorization(&self, _new: &Authorization) -> Result<(), StoreError> {
        todo!()
    }

    /// The authorization.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn authorization(
        &self,
        _id: &AuthorizationId,
    ) -> Result<Option<Authorization>, StoreError> {
        todo!()
    }

    /// The authorization that handed out this code, redeemed or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn authorization_by_code(
        &self,
        _code: &HandleHash,
    ) -> Result<Option<Authorization>, StoreError> {
        todo!()
    }

    /// Writes the stage of `next` if the row is still at `from`: one conditional UPDATE, so of two
    /// racing requests one gets `true`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn advance_authorization(
        &self,
        _next: &Authorization,
        _from: StageKind,
    ) -> Result<bool, StoreError> {
        todo!()
    }
}
