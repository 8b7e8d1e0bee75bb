//! Users.

use sea_orm::ConnectionTrait;

use super::{Repository, StoreError};
use crate::domain::{Subject, User};

impl<C: ConnectionTrait> Repository<C> {
    /// The user.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user(&self, _sub: &Subject) -> Result<Option<User>, StoreError> {
        todo!()
    }

    /// Records a login: creates the user, or updates everything but `created_at`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_login(&self, _user: &User) -> Result<(), StoreError> {
        todo!()
    }
}
