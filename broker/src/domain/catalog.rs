//! The protected resources and downstreams of this installation, looked up by what requests say.

use super::{Downstream, DownstreamName, Resource, ResourceUri};

/// All resources and downstreams.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    resources: Vec<Resource>,
    downstreams: Vec<Downstream>,
}

impl Catalog {
    /// A catalog of these.
    #[must_use]
    pub fn new(resources: Vec<Resource>, downstreams: Vec<Downstream>) -> Self {
        Self {
            resources,
            downstreams,
        }
    }

    /// All resources.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }

    /// All downstreams.
    #[must_use]
    pub fn downstreams(&self) -> &[Downstream] {
        &self.downstreams
    }

    /// The resource with this canonical id.
    #[must_use]
    pub fn resource(&self, id: &ResourceUri) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.id == *id)
    }

    /// The resource that a `resource` parameter names (RFC 8707 §2).
    #[must_use]
    pub fn resource_named(&self, requested: &str) -> Option<&Resource> {
        self.resources
            .iter()
            .find(|resource| resource.is_named_by(requested))
    }

    /// The resource that is meant when a request names none: the one marked default, or the only one.
    #[must_use]
    pub fn default_resource(&self) -> Option<&Resource> {
        self.resources
            .iter()
            .find(|resource| resource.is_default)
            .or(match self.resources.as_slice() {
                [only] => Some(only),
                _ => None,
            })
    }

    /// The downstream of this name.
    #[must_use]
    pub fn downstream(&self, name: &DownstreamName) -> Option<&Downstream> {
        self.downstreams
            .iter()
            .find(|downstream| downstream.name == *name)
    }

    /// The downstream that an exchange request's `audience` (a name) means.
    #[must_use]
    pub fn downstream_for_audience(&self, audience: &str) -> Option<&Downstream> {
        self.downstreams
            .iter()
            .find(|downstream| downstream.name.as_str() == audience)
    }

    /// The downstream that an exchange request's `resource` (a URI) means.
    #[must_use]
    pub fn downstream_for_resource(&self, resource: &str) -> Option<&Downstream> {
        let uri = ResourceUri::parse(resource).ok()?;
        self.downstreams
            .iter()
            .find(|downstream| downstream.uri == uri)
    }
}
