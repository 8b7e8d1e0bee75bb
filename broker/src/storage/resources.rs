//! Protected resources: written by the configuration or by an administrator.
//!
//! Each depends on the others (one default, no identifier twice), so whoever changes one first takes
//! [`Transaction::lock_catalog`], then looks at all of them.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryOrder, QuerySelect,
};

use super::entity::catalog_version;
use super::entity::resource::{Column, Entity, Model};
use super::row::{Row, to_json};
use super::{Repository, StoreError, Transaction};
use crate::domain::{DownstreamName, Resource, ResourceUri, Timestamp};

const TABLE: &str = "resources";

/// A resource with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResource {
    /// What it is.
    pub resource: Resource,
    /// Its version as the configuration last left it; none when an administrator made it.
    pub seeded_version: Option<i64>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts its changes.
    pub version: i64,
}

impl StoredResource {
    /// Whether it is as the configuration left it.
    #[must_use]
    pub fn is_as_seeded(&self) -> bool {
        self.seeded_version == Some(self.version)
    }

    /// Its next version.
    #[must_use]
    pub fn changed(&self, resource: Resource, now: Timestamp) -> Self {
        Self {
            resource,
            updated_at: now,
            version: self.version + 1,
            ..self.clone()
        }
    }
}

impl<C: ConnectionTrait> Repository<C> {
    /// All resources, by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resources(&self) -> Result<Vec<StoredResource>, StoreError> {
        Entity::find()
            .order_by_asc(Column::Id)
            .all(&self.connection)
            .await?
            .into_iter()
            .map(StoredResource::try_from)
            .collect()
    }

    /// One resource.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resource(&self, id: &ResourceUri) -> Result<Option<StoredResource>, StoreError> {
        Entity::find_by_id(id.as_str())
            .one(&self.connection)
            .await?
            .map(StoredResource::try_from)
            .transpose()
    }

    /// Which state the resources are in: another number after each change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn catalog_version(&self) -> Result<i64, StoreError> {
        let version: Option<i64> = catalog_version::Entity::find()
            .select_only()
            .column(catalog_version::Column::Version)
            .into_tuple()
            .one(&self.connection)
            .await?;
        Row::new("catalog_versions", "1").known("version", version)
    }
}

impl Transaction {
    /// Waits for other changes of resources, and makes every replica look once this one counts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_catalog(&self) -> Result<(), StoreError> {
        use catalog_version::Column as Counter;
        catalog_version::Entity::update_many()
            .col_expr(Counter::Version, Expr::col(Counter::Version).add(1))
            .exec(&self.connection)
            .await?;
        Ok(())
    }

    /// Adds a resource. Only under [`Transaction::lock_catalog`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is one of this id.
    pub async fn insert_resource(&self, resource: &StoredResource) -> Result<(), StoreError> {
        Entity::insert(Model::from(resource).into_active_model())
            .exec_without_returning(&self.connection)
            .await
            .map_err(StoreError::inserting(TABLE))?;
        Ok(())
    }

    /// Replaces the resource of this id. Only under [`Transaction::lock_catalog`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_resource(&self, resource: &StoredResource) -> Result<(), StoreError> {
        Entity::update(Model::from(resource).into_active_model().reset_all())
            .exec(&self.connection)
            .await?;
        Ok(())
    }

    /// Deletes a resource. Only under [`Transaction::lock_catalog`]; what is for it is ended by
    /// [`Repository::end_all_of_resource`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_resource(&self, id: &ResourceUri) -> Result<(), StoreError> {
        Entity::delete_by_id(id.as_str())
            .exec(&self.connection)
            .await?;
        Ok(())
    }
}

impl From<&StoredResource> for Model {
    fn from(stored: &StoredResource) -> Self {
        let resource = &stored.resource;
        let downstreams: Vec<&str> = resource
            .downstreams
            .iter()
            .map(DownstreamName::as_str)
            .collect();
        Self {
            id: resource.id.to_string(),
            name: resource.name.clone(),
            aliases: to_json(&resource.aliases),
            scopes: to_json(&resource.scopes),
            default_scopes: resource.default_scopes.to_string(),
            downstreams: to_json(&downstreams),
            is_default: resource.is_default,
            seeded_version: stored.seeded_version,
            created_at: stored.created_at.as_millis(),
            updated_at: stored.updated_at.as_millis(),
            version: stored.version,
        }
    }
}

impl TryFrom<Model> for StoredResource {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = Row::new(TABLE, &model.id);
        let scopes: BTreeMap<String, String> = row.json("scopes", &model.scopes)?;
        Ok(Self {
            resource: Resource {
                id: row.parsed("id", ResourceUri::parse(&model.id))?,
                name: model.name.clone(),
                aliases: row.json("aliases", &model.aliases)?,
                scopes,
                default_scopes: row.scope("default_scopes", &model.default_scopes)?,
                downstreams: row.json("downstreams", &model.downstreams)?,
                is_default: model.is_default,
            },
            seeded_version: model.seeded_version,
            created_at: Timestamp::from_millis(model.created_at),
            updated_at: Timestamp::from_millis(model.updated_at),
            version: model.version,
        })
    }
}
