//! Protected resources (RFC 8707) and the downstreams that tokens are exchanged for.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use broker_client::oauth::Scope;
use url::Url;

use super::DownstreamName;

/// The canonical identifier of a protected resource: an absolute URI without fragment, where
/// `https://host` and `https://host/` are one (contract: one id).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceUri(String);

/// A `resource` that is no absolute URI without fragment (RFC 8707 §2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an absolute URI without fragment")]
pub struct InvalidResourceUri;

impl ResourceUri {
    /// Parses and canonicalises: lower-case scheme and host, no default port, no trailing slash
    /// (clients add and drop it).
    ///
    /// # Errors
    /// When it is not an absolute URI, or has a fragment.
    pub fn parse(value: &str) -> Result<Self, InvalidResourceUri> {
        let url = Url::parse(value).map_err(|_| InvalidResourceUri)?;
        if url.fragment().is_some()
            || value.len() > 2048
            || url.cannot_be_a_base() && url.path().is_empty()
        {
            return Err(InvalidResourceUri);
        }
        let may_trim = url.has_host() && url.query().is_none();
        let text = String::from(url);
        Ok(Self(if may_trim {
            text.trim_end_matches('/').to_owned()
        } else {
            text
        }))
    }

    /// The canonical text; the `aud` of tokens for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A protected MCP server that tokens are issued for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Canonical identifier.
    pub id: ResourceUri,
    /// A name for people.
    pub name: String,
    /// Other identifiers it is asked by, compared as plain text (such as `mcp-server`).
    pub aliases: Vec<String>,
    /// The scopes it knows, each with a sentence for the consent page.
    pub scopes: BTreeMap<String, String>,
    /// Granted when the client asks for none.
    pub default_scopes: Scope,
    /// The downstreams whose tokens its server may ask for.
    pub downstreams: Vec<DownstreamName>,
    /// Whether it is meant when the client names none.
    pub is_default: bool,
}

impl Resource {
    /// Whether `requested` names this resource: canonical URI, its origin form, or an alias.
    #[must_use]
    pub fn is_named_by(&self, requested: &str) -> bool {
        self.aliases.iter().any(|alias| alias == requested)
            || ResourceUri::parse(requested).is_ok_and(|uri| uri == self.id)
    }

    /// All scopes it knows; none when one of them is no scope token, which the configuration refuses.
    #[must_use]
    pub fn known_scope(&self) -> Scope {
        Scope::from_tokens(self.scopes.keys()).unwrap_or_default()
    }
}

/// A protected API that ephemeral tokens are for; Nextcloud first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downstream {
    /// The name that exchange requests use as `audience`.
    pub name: DownstreamName,
    /// Its URI, which exchange requests may use as `resource`.
    pub uri: ResourceUri,
    /// The `aud` that it demands.
    pub audience: String,
    /// How a token for it comes about. There is no fallback from one to another.
    pub strategy: Strategy,
    /// The longest life of a token for it.
    pub token_lifetime: Duration,
    /// What the IdP is asked for where it exchanges; empty: nothing is said about scope.
    pub exchange_scope: Scope,
    /// Whether users may allow background jobs to act for them there.
    pub offline: bool,
    /// Whether callers' sessions get tokens for it; if not, background jobs alone do.
    pub sessions: bool,
}

/// How a token for a downstream comes about (contract §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The broker signs it itself.
    Mint,
    /// The IdP exchanges it (RFC 8693).
    UpstreamExchange,
    /// The access token that the IdP gave at this login.
    Session,
}

impl Strategy {
    /// The word in the configuration and the audit.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::UpstreamExchange => "upstream_exchange",
            Self::Session => "session",
        }
    }

    /// Whether it works with the tokens that the IdP gave at the login.
    #[must_use]
    pub const fn needs_upstream_tokens(self) -> bool {
        match self {
            Self::Mint => false,
            Self::UpstreamExchange | Self::Session => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_resource_are_one() {
        for (written, canonical) in [
            ("https://mcp.example", "https://mcp.example"),
            ("https://mcp.example/", "https://mcp.example"),
            ("HTTPS://MCP.example:443/mcp", "https://mcp.example/mcp"),
            ("https://mcp.example/mcp/", "https://mcp.example/mcp"),
            ("https://mcp.example//", "https://mcp.example"),
            ("https://mcp.example/?q=/", "https://mcp.example/?q=/"),
            ("http://127.0.0.1:4282/mcp", "http://127.0.0.1:4282/mcp"),
            ("urn:example:mcp", "urn:example:mcp"),
        ] {
            let uri = ResourceUri::parse(written).unwrap();
            assert_eq!(uri.as_str(), canonical);
            assert_eq!(
                ResourceUri::parse(uri.as_str()),
                Ok(uri),
                "read back from the database"
            );
        }
        let case = ResourceUri::parse("https://mcp.example/MCP").unwrap();
        assert_ne!(case, ResourceUri::parse("https://mcp.example/mcp").unwrap());
    }

    #[test]
    fn what_is_no_absolute_uri_without_fragment_is_refused() {
        for text in [
            "",
            "mcp",
            "/mcp",
            "https://",
            "https://h/#",
            "https://h/#x",
            "urn:",
        ] {
            assert_eq!(ResourceUri::parse(text), Err(InvalidResourceUri), "{text}");
        }
        let long = format!("https://h/{}", "a".repeat(2048));
        assert_eq!(ResourceUri::parse(&long), Err(InvalidResourceUri));
    }

    #[test]
    fn a_resource_is_named_by_its_uri_or_an_alias() {
        let resource = Resource {
            id: ResourceUri::parse("https://mcp.example/mcp").unwrap(),
            name: "Tools".to_owned(),
            aliases: vec!["mcp-server".to_owned()],
            scopes: BTreeMap::from([("a".to_owned(), "A".to_owned())]),
            default_scopes: Scope::new(),
            downstreams: Vec::new(),
            is_default: false,
        };
        for name in [
            "https://mcp.example/mcp",
            "https://MCP.example/mcp/",
            "mcp-server",
        ] {
            assert!(resource.is_named_by(name), "{name}");
        }
        for name in ["https://mcp.example", "Mcp-Server", "Tools", ""] {
            assert!(!resource.is_named_by(name), "{name}");
        }
        assert_eq!(resource.known_scope().to_string(), "a");
    }
}
