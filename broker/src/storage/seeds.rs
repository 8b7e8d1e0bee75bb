//! What the configuration wrote, so that what an administrator changed since is told from it.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, QueryOrder};

use super::entity::client_seed::{Column, Entity, Model};
use super::row::Row;
use super::{Repository, StoreError};
use crate::domain::ClientId;

/// A client that the configuration names, or named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSeed {
    /// Which.
    pub client_id: ClientId,
    /// The client's version as the configuration last left it.
    pub version: i64,
    /// Whether the configuration still names it.
    pub configured: bool,
}

impl<C: ConnectionTrait> Repository<C> {
    /// All of them, by client.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn client_seeds(&self) -> Result<Vec<ClientSeed>, StoreError> {
        Entity::find()
            .order_by_asc(Column::ClientId)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(ClientSeed::try_from)
            .collect()
    }

    /// What is known of one client.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn client_seed(&self, id: &ClientId) -> Result<Option<ClientSeed>, StoreError> {
        Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?
            .map(ClientSeed::try_from)
            .transpose()
    }

    /// Writes down what the configuration left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_client_seed(&self, seed: &ClientSeed) -> Result<(), StoreError> {
        let row = Model {
            client_id: seed.client_id.to_string(),
            version: seed.version,
            configured: seed.configured,
        };
        Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::column(Column::ClientId)
                    .update_columns([Column::Version, Column::Configured])
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        Ok(())
    }

    /// Forgets a client that is gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_client_seed(&self, id: &ClientId) -> Result<(), StoreError> {
        Entity::delete_by_id(id.as_str())
            .exec(&self.connection)
            .await?;
        Ok(())
    }
}

impl TryFrom<Model> for ClientSeed {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new("client_seeds", &model.client_id);
        Ok(Self {
            client_id: row.parsed("client_id", ClientId::parse(model.client_id.as_str()))?,
            version: model.version,
            configured: model.configured,
        })
    }
}
