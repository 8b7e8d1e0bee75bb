//! Refresh tokens.

use sea_orm::ConnectionTrait;

use super::{Repository, StoreError};
use crate::domain::{HandleHash, RefreshToken, Rotation};

impl<C: ConnectionTrait> Repository<C> {
    /// Records a token that is handed out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_refresh_token(&self, _token: &RefreshToken) -> Result<(), StoreError> {
        todo!()
    }

    /// The token with this hash, spent ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refresh_token(
        &self,
        _hash: &HandleHash,
    ) -> Result<Option<RefreshToken>, StoreError> {
        todo!()
    }

    /// Marks a token spent if it is not yet: one conditional UPDATE; false when another was faster.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spend_refresh_token(
        &self,
        _hash: &HandleHash,
        _rotation: &Rotation,
    ) -> Result<bool, StoreError> {
        todo!()
    }
}
