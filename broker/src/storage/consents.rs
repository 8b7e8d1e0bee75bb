//! Remembered consents.

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use super::entity::consent::{Column, Entity, Model};
use super::row::{Row, hex, to_json};
use super::{Repository, StoreError};
use crate::crypto;
use crate::domain::{
    Authorization, ClientId, Consent, RedirectUri, ResourceUri, Subject, Timestamp,
};

const TABLE: &str = "consents";

/// Whose consents.
#[derive(Debug, Clone, Copy)]
pub enum ConsentsOf<'a> {
    /// All that a user gave.
    User(&'a Subject),
    /// All that a client was given.
    Client(&'a ClientId),
    /// What a user gave to one client.
    UserAtClient(&'a Subject, &'a ClientId),
    /// All that are for a resource.
    Resource(&'a ResourceUri),
}

impl<C: ConnectionTrait> Repository<C> {
    /// What `sub` last allowed for the client, redirect URI and resource of `asked`, expired or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consent(
        &self,
        sub: &Subject,
        asked: &Authorization,
    ) -> Result<Option<Consent>, StoreError> {
        let id = id(sub, &asked.client_id, &asked.redirect_uri, &asked.resource);
        Entity::find_by_id(id)
            .one(&self.connection)
            .await?
            .map(Consent::try_from)
            .transpose()
    }

    /// The consents of a user or a client, newest first, expired ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn consents(&self, of: ConsentsOf<'_>) -> Result<Vec<Consent>, StoreError> {
        Entity::find()
            .filter(Condition::from(of))
            .order_by_desc(Column::GivenAt)
            .order_by_asc(Column::Id)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(Consent::try_from)
            .collect()
    }

    /// Remembers a consent, in place of an earlier one for the same user, client, redirect URI and
    /// resource.
    ///
    /// # Errors
    /// When the database fails, or there is no such client.
    pub async fn record_consent(&self, consent: &Consent) -> Result<(), StoreError> {
        Entity::insert(Model::from(consent).into_active_model())
            .on_conflict(
                OnConflict::column(Column::Id)
                    .update_columns([
                        Column::Scope,
                        Column::ClientHash,
                        Column::GivenAt,
                        Column::ExpiresAt,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(&self.connection)
            .await?;
        Ok(())
    }

    /// Forgets consents, so that the page is shown again; returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn withdraw_consents(&self, of: ConsentsOf<'_>) -> Result<u64, StoreError> {
        Ok(Entity::delete_many()
            .filter(Condition::from(of))
            .exec(&self.connection)
            .await?
            .rows_affected)
    }
}

impl From<ConsentsOf<'_>> for Condition {
    fn from(of: ConsentsOf<'_>) -> Self {
        let all = Self::all();
        match of {
            ConsentsOf::User(sub) => all.add(Column::Sub.eq(sub.as_str())),
            ConsentsOf::Client(client_id) => all.add(Column::ClientId.eq(client_id.as_str())),
            ConsentsOf::UserAtClient(sub, client_id) => all
                .add(Column::Sub.eq(sub.as_str()))
                .add(Column::ClientId.eq(client_id.as_str())),
            ConsentsOf::Resource(id) => all.add(Column::Resource.eq(id.as_str())),
        }
    }
}

/// The key of a consent: SHA-256 over a JSON list of the four, so that no two lists are one text.
fn id(
    sub: &Subject,
    client_id: &ClientId,
    redirect_uri: &RedirectUri,
    resource: &ResourceUri,
) -> Vec<u8> {
    let parts = [
        sub.as_str(),
        client_id.as_str(),
        redirect_uri.as_str(),
        resource.as_str(),
    ];
    crypto::hash(&to_json(&parts)).as_bytes().to_vec()
}

impl From<&Consent> for Model {
    fn from(consent: &Consent) -> Self {
        Self {
            id: id(
                &consent.sub,
                &consent.client_id,
                &consent.redirect_uri,
                &consent.resource,
            ),
            sub: consent.sub.to_string(),
            client_id: consent.client_id.to_string(),
            redirect_uri: consent.redirect_uri.to_string(),
            resource: consent.resource.to_string(),
            scope: consent.scope.to_string(),
            client_hash: consent.client.as_bytes().to_vec(),
            given_at: consent.given_at.as_millis(),
            expires_at: consent.expires_at.as_millis(),
        }
    }
}

impl TryFrom<Model> for Consent {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let key = hex(&model.id);
        let row = Row::new(TABLE, &key);
        Ok(Self {
            sub: row.parsed("sub", Subject::parse(model.sub.as_str()))?,
            client_id: row.parsed("client_id", ClientId::parse(model.client_id.as_str()))?,
            resource: row.parsed("resource", ResourceUri::parse(&model.resource))?,
            scope: row.scope("scope", &model.scope)?,
            client: row.hash("client_hash", &model.client_hash)?,
            given_at: Timestamp::from_millis(model.given_at),
            expires_at: Timestamp::from_millis(model.expires_at),
            redirect_uri: RedirectUri::from_trusted(model.redirect_uri),
        })
    }
}
