//! The protected resources and downstreams of this installation, looked up by what requests say.

use url::Url;

use super::{Downstream, DownstreamName, Resource, ResourceUri, Strategy};

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
    ///
    /// Some clients name the origin of the server they connect to instead of its URL. Where only
    /// one resource is at that origin, it is meant.
    #[must_use]
    pub fn resource_named(&self, requested: &str) -> Option<&Resource> {
        self.resources
            .iter()
            .find(|resource| resource.is_named_by(requested))
            .or_else(|| self.only_resource_at(requested))
    }

    /// Whether another resource is the default one.
    #[must_use]
    pub fn has_default_besides(&self, id: &ResourceUri) -> bool {
        self.resources
            .iter()
            .any(|other| other.id != *id && other.is_default)
    }

    /// Whether `name` already means another resource, by id or alias.
    #[must_use]
    pub fn is_taken_besides(&self, id: &ResourceUri, name: &str) -> bool {
        self.resources
            .iter()
            .any(|other| other.id != *id && other.is_named_by(name))
    }

    /// The resource at this origin, if there is just one.
    fn only_resource_at(&self, requested: &str) -> Option<&Resource> {
        let origin = Url::parse(requested).ok()?.origin();
        if !matches!(
            requested.strip_prefix(&origin.ascii_serialization())?,
            "" | "/"
        ) {
            return None;
        }
        let mut there = self.resources.iter().filter(|resource| {
            Url::parse(resource.id.as_str()).is_ok_and(|url| url.origin() == origin)
        });
        match (there.next(), there.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        }
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

    /// Whether any downstream's tokens come from what the IdP gave at the login.
    #[must_use]
    pub fn needs_upstream_tokens(&self) -> bool {
        let mut strategies = self.downstreams.iter().map(|entry| entry.strategy);
        strategies.any(Strategy::needs_upstream_tokens)
    }

    /// The downstream of this name.
    #[must_use]
    pub fn downstream(&self, name: &DownstreamName) -> Option<&Downstream> {
        self.downstreams
            .iter()
            .find(|downstream| downstream.name == *name)
    }

    /// Those of these downstreams at which users may let background jobs act for them.
    #[must_use]
    pub fn offline_among(&self, names: &[DownstreamName]) -> Vec<DownstreamName> {
        let offline = self.downstreams.iter().filter(|entry| entry.offline);
        let names = offline
            .map(|entry| &entry.name)
            .filter(|name| names.contains(name));
        names.cloned().collect()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use broker_client::oauth::Scope;

    use super::*;
    use crate::domain::Strategy;

    fn resource(id: &str, is_default: bool) -> Resource {
        Resource {
            id: ResourceUri::parse(id).unwrap(),
            name: id.to_owned(),
            aliases: Vec::new(),
            scopes: BTreeMap::new(),
            default_scopes: Scope::new(),
            downstreams: Vec::new(),
            is_default,
        }
    }

    fn downstream(name: &str, uri: &str) -> Downstream {
        Downstream {
            name: DownstreamName::parse(name).unwrap(),
            uri: ResourceUri::parse(uri).unwrap(),
            audience: "the aud of tokens".to_owned(),
            strategy: Strategy::Mint,
            token_lifetime: Duration::from_mins(1),
            exchange_scope: Scope::new(),
            offline: false,
            sessions: true,
        }
    }

    #[test]
    fn the_default_resource_is_the_marked_one_or_the_only_one() {
        let id = |catalog: &Catalog| catalog.default_resource().map(|found| found.id.to_string());
        let of = |resources| id(&Catalog::new(resources, Vec::new()));
        let (a, b) = ("https://a.example", "https://b.example");
        assert_eq!(of(vec![]), None);
        assert_eq!(of(vec![resource(a, false)]).as_deref(), Some(a));
        assert_eq!(of(vec![resource(a, false), resource(b, false)]), None);
        let marked = of(vec![resource(a, false), resource(b, true)]);
        assert_eq!(marked.as_deref(), Some(b));
    }

    #[test]
    fn an_origin_means_the_only_resource_there() {
        let catalog = Catalog::new(
            vec![
                resource("https://one.example/mcp", false),
                resource("https://two.example/a", false),
                resource("https://two.example/b", false),
                resource("https://two.example:8443/c", false),
                resource("urn:example:mcp", false),
            ],
            Vec::new(),
        );
        for (requested, found) in [
            ("https://one.example", Some("https://one.example/mcp")),
            ("https://one.example/", Some("https://one.example/mcp")),
            (
                "https://two.example:8443",
                Some("https://two.example:8443/c"),
            ),
            ("https://one.example/other", None),
            ("https://one.example/?mcp", None),
            ("https://one.example/#mcp", None),
            ("https://user@one.example/", None),
            ("http://one.example", None),
            ("https://one.example:8443", None),
            ("https://two.example", None),
            ("https://three.example", None),
            ("urn:example:other", None),
            ("null", None),
        ] {
            let resource = catalog.resource_named(requested);
            assert_eq!(resource.map(|it| it.id.as_str()), found, "{requested}");
        }
    }

    #[test]
    fn a_downstream_is_meant_by_name_as_audience_and_by_uri_as_resource() {
        let catalog = Catalog::new(
            vec![resource("https://a.example", false)],
            vec![downstream("nextcloud", "https://cloud.example/")],
        );
        assert!(catalog.downstream_for_audience("nextcloud").is_some());
        assert!(
            catalog
                .downstream_for_audience("the aud of tokens")
                .is_none()
        );
        assert!(
            catalog
                .downstream_for_resource("https://cloud.example")
                .is_some()
        );
        assert!(catalog.downstream_for_resource("nextcloud").is_none());
        assert!(catalog.resource_named("https://A.example/").is_some());
        assert!(catalog.resource_named("https://cloud.example").is_none());
    }
}
