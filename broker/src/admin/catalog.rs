//! The protected resources as they now are, and the downstreams of the configuration.

use std::collections::BTreeMap;

use serde::Serialize;

use super::audit::rfc3339;
use super::{AdminApi, AdminError};
use crate::domain::{Downstream, ResourceUri};
use crate::storage::StoredResource;

/// The protected resources.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ResourceList {
    items: Vec<ResourceItem>,
}

/// A protected MCP server.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ResourceItem {
    /// Its identifier (RFC 8707), the `aud` of its tokens.
    id: String,
    /// Its name for people.
    name: String,
    /// Other identifiers that it is asked by.
    aliases: Vec<String>,
    /// Its scopes, each with a sentence for the consent page.
    scopes: BTreeMap<String, String>,
    /// Granted when a client asks for none.
    default_scopes: String,
    /// The downstreams whose tokens its server may ask for.
    downstreams: Vec<String>,
    /// Whether it is meant when a client names none.
    default: bool,
    /// When it was added: RFC 3339, UTC.
    created_at: String,
    /// When it last changed.
    updated_at: String,
    /// Counts its changes.
    version: i64,
}

/// The downstreams.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DownstreamList {
    items: Vec<DownstreamItem>,
}

/// A protected API that ephemeral tokens are for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DownstreamItem {
    /// Its name: the `audience` of exchange requests.
    name: String,
    /// Its URI.
    uri: String,
    /// The `aud` that it demands.
    audience: String,
    /// How a token for it comes about.
    strategy: &'static str,
    /// The longest life of a token for it, in seconds.
    token_lifetime: u64,
    /// Whether users may allow background jobs there.
    offline: bool,
    /// Whether callers' sessions get tokens for it.
    sessions: bool,
}

impl From<&StoredResource> for ResourceItem {
    fn from(stored: &StoredResource) -> Self {
        let resource = &stored.resource;
        Self {
            id: resource.id.to_string(),
            name: resource.name.clone(),
            aliases: resource.aliases.clone(),
            scopes: resource.scopes.clone(),
            default_scopes: resource.default_scopes.to_string(),
            downstreams: resource
                .downstreams
                .iter()
                .map(ToString::to_string)
                .collect(),
            default: resource.is_default,
            created_at: rfc3339(stored.created_at),
            updated_at: rfc3339(stored.updated_at),
            version: stored.version,
        }
    }
}

impl From<&Downstream> for DownstreamItem {
    fn from(downstream: &Downstream) -> Self {
        Self {
            name: downstream.name.to_string(),
            uri: downstream.uri.to_string(),
            audience: downstream.audience.clone(),
            strategy: downstream.strategy.as_str(),
            token_lifetime: downstream.token_lifetime.as_secs(),
            offline: downstream.offline,
            sessions: downstream.sessions,
        }
    }
}

pub(super) const NO_RESOURCE: AdminError = AdminError::NotFound("resource");

impl AdminApi {
    /// Lists the protected resources, by identifier.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resources(&self) -> Result<ResourceList, AdminError> {
        let stored = self.store.resources().await?;
        Ok(ResourceList {
            items: stored.iter().map(ResourceItem::from).collect(),
        })
    }

    /// One protected resource, by its identifier.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn resource(&self, id: &str) -> Result<StoredResource, AdminError> {
        let id = ResourceUri::parse(id).map_err(|_| NO_RESOURCE)?;
        self.store.resource(&id).await?.ok_or(NO_RESOURCE)
    }

    /// Lists the downstreams.
    #[must_use]
    pub fn downstreams(&self) -> DownstreamList {
        DownstreamList {
            items: self
                .catalog
                .current()
                .downstreams()
                .iter()
                .map(DownstreamItem::from)
                .collect(),
        }
    }
}
