//! When the documents of clients whose id is a URL were fetched. What they say is in `clients`.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel};

use super::entity::client_document::{Column, Entity, Model};
use super::{Repository, StoreError};
use crate::domain::{ClientDocument, ClientId, Timestamp};

impl<C: ConnectionTrait> Repository<C> {
    /// When the client's document was fetched; `None` when it never was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn client_document(
        &self,
        id: &ClientId,
    ) -> Result<Option<ClientDocument>, StoreError> {
        let found = Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?;
        Ok(found.map(ClientDocument::from))
    }

    /// Records a fetch of the document of a client that is there.
    ///
    /// # Errors
    /// When the database fails, or there is no such client.
    pub async fn record_client_document(
        &self,
        id: &ClientId,
        document: ClientDocument,
    ) -> Result<(), StoreError> {
        let model = Model {
            client_id: id.to_string(),
            fetched_at: document.fetched_at.as_millis(),
            fresh_until: document.fresh_until.as_millis(),
        };
        Entity::insert(model.into_active_model())
            .on_conflict(
                OnConflict::column(Column::ClientId)
                    .update_columns([Column::FetchedAt, Column::FreshUntil])
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        Ok(())
    }
}

impl From<Model> for ClientDocument {
    fn from(model: Model) -> Self {
        Self {
            fetched_at: Timestamp::from_millis(model.fetched_at),
            fresh_until: Timestamp::from_millis(model.fresh_until),
        }
    }
}
