//! The protected resources and the downstreams, as the configuration says them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{AdminApi, AdminError};
use crate::domain::{Downstream, Resource, ResourceUri};

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
}

impl From<&Resource> for ResourceItem {
    fn from(resource: &Resource) -> Self {
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
        }
    }
}

impl AdminApi {
    /// Lists the protected resources.
    #[must_use]
    pub fn resources(&self) -> ResourceList {
        ResourceList {
            items: self
                .catalog
                .resources()
                .iter()
                .map(ResourceItem::from)
                .collect(),
        }
    }

    /// One protected resource, by its identifier.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub fn resource(&self, id: &str) -> Result<ResourceItem, AdminError> {
        let found = ResourceUri::parse(id)
            .ok()
            .and_then(|id| self.catalog.resource(&id));
        found
            .map(ResourceItem::from)
            .ok_or(AdminError::NotFound("resource"))
    }

    /// Lists the downstreams.
    #[must_use]
    pub fn downstreams(&self) -> DownstreamList {
        DownstreamList {
            items: self
                .catalog
                .downstreams()
                .iter()
                .map(DownstreamItem::from)
                .collect(),
        }
    }
}
