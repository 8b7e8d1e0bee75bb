//! Clients.

use sea_orm::ConnectionTrait;

use super::{Repository, StoreError};
use crate::domain::{Client, ClientId, ClientKind, Timestamp};

impl<C: ConnectionTrait> Repository<C> {
    /// The client, blocked ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn client(&self, _id: &ClientId) -> Result<Option<Client>, StoreError> {
        todo!()
    }

    /// Registers a client.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id is taken.
    pub async fn insert_client(&self, _client: &Client) -> Result<(), StoreError> {
        todo!()
    }

    /// Replaces a client whose version is still `expected`; false when it changed meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_client(
        &self,
        _client: &Client,
        _expected: i64,
    ) -> Result<bool, StoreError> {
        todo!()
    }

    /// Clients whose `updated_at` is `since` or later.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clients_changed_since(
        &self,
        _since: Timestamp,
    ) -> Result<Vec<Client>, StoreError> {
        todo!()
    }

    /// How many clients of this kind there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_clients(&self, _kind: ClientKind) -> Result<u64, StoreError> {
        todo!()
    }
}
