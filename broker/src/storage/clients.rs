//! Clients: registered by configuration, by an administrator or by themselves.

use std::iter;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QuerySelect,
};

use super::entity::client::{Column, Entity, Model};
use super::row::{Row, to_json};
use super::{ConsentsOf, Repository, StoreError};
use crate::domain::{
    Client, ClientId, ClientKind, ClientSecret, ClientStatus, DownstreamName, GrantType,
    RedirectUri, ResourceUri, Timestamp, TokenEndpointAuthMethod,
};

const TABLE: &str = "clients";

impl<C: ConnectionTrait> Repository<C> {
    /// The client, blocked ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn client(&self, id: &ClientId) -> Result<Option<Client>, StoreError> {
        Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?
            .map(Client::try_from)
            .transpose()
    }

    /// Registers a client.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the id is taken.
    pub async fn insert_client(&self, client: &Client) -> Result<(), StoreError> {
        Entity::insert(Model::from(client).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// Replaces a client whose version is still `expected`; false when it changed meanwhile. A
    /// client that is now blocked loses what users have allowed it: once it is approved again,
    /// they are asked again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_client(&self, client: &Client, expected: i64) -> Result<bool, StoreError> {
        let updated = Entity::update_many()
            .set(Model::from(client).into_active_model().reset_all())
            .filter(Column::Id.eq(client.id.as_str()))
            .filter(Column::Version.eq(expected))
            .exec(&self.connection)
            .await?;
        let is_updated = updated.rows_affected == 1;
        if is_updated && client.status == ClientStatus::Blocked {
            self.withdraw_consents(ConsentsOf::Client(&client.id))
                .await?;
        }
        Ok(is_updated)
    }

    /// Clients whose `updated_at` is `since` or later.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clients_changed_since(&self, since: Timestamp) -> Result<Vec<Client>, StoreError> {
        Entity::find()
            .filter(Column::UpdatedAt.gte(since.as_millis()))
            .all(&self.connection)
            .await?
            .into_iter()
            .map(Client::try_from)
            .collect()
    }

    /// Clients that prove themselves with a secret, blocked ones included.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn confidential_clients(&self) -> Result<Vec<Client>, StoreError> {
        Entity::find()
            .filter(Column::AuthMethod.ne(TokenEndpointAuthMethod::None.as_str()))
            .all(&self.connection)
            .await?
            .into_iter()
            .map(Client::try_from)
            .collect()
    }

    /// How many clients there are, by kind and status.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clients_counted(
        &self,
    ) -> Result<Vec<(ClientKind, ClientStatus, i64)>, StoreError> {
        let rows: Vec<(String, String, i64)> = Entity::find()
            .select_only()
            .columns([Column::Kind, Column::Status])
            .column_as(Column::Id.count(), "number")
            .group_by(Column::Kind)
            .group_by(Column::Status)
            .into_tuple()
            .all(&self.connection)
            .await?;
        let row = Row::new(TABLE, "of the counts");
        rows.into_iter()
            .map(|(kind, status, number)| {
                Ok((
                    row.known("kind", ClientKind::parse(&kind))?,
                    row.known("status", ClientStatus::parse(&status))?,
                    number,
                ))
            })
            .collect()
    }

    /// How many clients of this kind there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_clients(&self, kind: ClientKind) -> Result<u64, StoreError> {
        Ok(Entity::find()
            .filter(Column::Kind.eq(kind.as_str()))
            .count(&self.connection)
            .await?)
    }
}

impl From<&Client> for Model {
    fn from(client: &Client) -> Self {
        let redirect_uris: Vec<&str> = client
            .redirect_uris
            .iter()
            .map(RedirectUri::as_str)
            .collect();
        let grant_types: Vec<&str> = client
            .grant_types
            .iter()
            .map(|grant| grant.as_str())
            .collect();
        let serves: Vec<&str> = client.serves.iter().map(ResourceUri::as_str).collect();
        let exchange: Vec<&str> = client.exchange.iter().map(DownstreamName::as_str).collect();
        let expiries: Vec<Option<i64>> = client
            .secrets
            .iter()
            .map(|secret| secret.expires_at.map(Timestamp::as_millis))
            .collect();
        Self {
            id: client.id.to_string(),
            kind: client.kind.as_str().to_owned(),
            status: client.status.as_str().to_owned(),
            name: client.name.clone(),
            redirect_uris: to_json(&redirect_uris),
            grant_types: to_json(&grant_types),
            auth_method: client.auth_method.as_str().to_owned(),
            secret_hashes: client
                .secrets
                .iter()
                .flat_map(|secret| *secret.hash.as_bytes())
                .collect(),
            secrets_expire_at: to_json(&expiries),
            scope: client.scope.as_ref().map(ToString::to_string),
            serves: to_json(&serves),
            exchange: to_json(&exchange),
            background: client.background,
            metadata: to_json(&client.metadata),
            registration_token_hash: client
                .registration_token
                .map(|hash| hash.as_bytes().to_vec()),
            created_at: client.created_at.as_millis(),
            updated_at: client.updated_at.as_millis(),
            version: client.version,
        }
    }
}

impl TryFrom<Model> for Client {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.id);
        let redirect_uris: Vec<String> = row.json("redirect_uris", &model.redirect_uris)?;
        let grant_types: Vec<String> = row.json("grant_types", &model.grant_types)?;
        let serves: Vec<String> = row.json("serves", &model.serves)?;
        let expiries: Vec<Option<i64>> = row.json("secrets_expire_at", &model.secrets_expire_at)?;
        Ok(Self {
            id: row.parsed("id", ClientId::parse(model.id.as_str()))?,
            kind: row.known("kind", ClientKind::parse(&model.kind))?,
            status: row.known("status", ClientStatus::parse(&model.status))?,
            name: model.name.clone(),
            redirect_uris: redirect_uris
                .into_iter()
                .map(RedirectUri::from_trusted)
                .collect(),
            grant_types: grant_types
                .iter()
                .map(|word| row.known("grant_types", GrantType::parse(word)))
                .collect::<Result<_, _>>()?,
            auth_method: row.known(
                "auth_method",
                TokenEndpointAuthMethod::parse(&model.auth_method),
            )?,
            secrets: model
                .secret_hashes
                .chunks(32)
                .zip(expiries.into_iter().chain(iter::repeat(None)))
                .map(|(hash, expires_at)| {
                    Ok(ClientSecret {
                        hash: row.hash("secret_hashes", hash)?,
                        expires_at: expires_at.map(Timestamp::from_millis),
                    })
                })
                .collect::<Result<_, StoreError>>()?,
            scope: model
                .scope
                .as_deref()
                .map(|scope| row.scope("scope", scope))
                .transpose()?,
            serves: serves
                .iter()
                .map(|uri| row.parsed("serves", ResourceUri::parse(uri)))
                .collect::<Result<_, _>>()?,
            exchange: row.json("exchange", &model.exchange)?,
            background: model.background,
            metadata: row.json("metadata", &model.metadata)?,
            registration_token: model
                .registration_token_hash
                .as_deref()
                .map(|hash| row.hash("registration_token_hash", hash))
                .transpose()?,
            created_at: Timestamp::from_millis(model.created_at),
            updated_at: Timestamp::from_millis(model.updated_at),
            version: model.version,
        })
    }
}
