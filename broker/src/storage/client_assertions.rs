//! Assertions that clients have authenticated with, and logout tokens: each counts once, at whichever
//! replica.

use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};

use super::entity::client_assertion::{Entity, Model};
use super::{Repository, StoreError};
use crate::domain::{HandleHash, Timestamp};

const TABLE: &str = "client_assertions";

impl<C: ConnectionTrait> Repository<C> {
    /// Notes that an assertion was used; false when it was before. It is kept until `expires_at`,
    /// when nobody would accept it any more. Not inside a transaction: there a conflict would end it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn spend_client_assertion(
        &self,
        hash: &HandleHash,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let model = Model {
            hash: hash.as_bytes().to_vec(),
            expires_at: expires_at.as_millis(),
        };
        // The insert is the check, so that of two replicas one wins.
        let inserted = Entity::insert(model.into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE));
        match inserted {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
