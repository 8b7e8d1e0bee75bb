//! Protecting an axum server with the broker's access tokens (RFC 6750, RFC 9728).
//!
//! [`ProtectedResource`] knows who we are and whom we trust. Its [`layer`](ProtectedResource::layer)
//! answers requests without a good token and puts a [`Caller`] into the others;
//! [`Challenge`] writes the `WWW-Authenticate` header, also for a 403 of the server's own.
//!
//! What a scope allows is the server's to decide ([`Caller::has`]). So is CORS: put its layer
//! *outside* of ours, since a preflight carries no token, and expose `WWW-Authenticate`.

mod caller;
mod challenge;
mod layer;

use std::sync::Arc;

use axum::Router;
use url::Url;

pub use caller::{Caller, NotAuthenticated};
pub use challenge::Challenge;
pub use layer::{BearerLayer, BearerService, RefusalReason};

use crate::ambient::{Clock, SystemClock};
use crate::discovery::Discovery;
use crate::http::{HttpClient, HttpError, Options, is_secure};
use crate::keys::{KeySource, RemoteKeySet};
use crate::metadata::{self, ResourceMetadata};
use crate::oauth::Scope;
use crate::verify::AccessTokenVerifier;

/// A protected resource: its identity, the issuer it trusts and how it checks tokens.
///
/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProtectedResource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    metadata: ResourceMetadata,
    metadata_url: Url,
    challenge_scope: Scope,
    verifier: AccessTokenVerifier,
    discovery: Arc<Discovery>,
}

/// Why a [`ProtectedResource`] cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ProtectedResourceError {
    /// The resource identifier is not one (RFC 8707 §2, RFC 9728 §1.2).
    #[error("the resource must be an http(s) URL without query and fragment")]
    Resource,
    /// The back-channel URL is not usable.
    #[error("a back channel over plain http to another host needs a client of one's own")]
    BackChannel,
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built")]
    Http(#[source] HttpError),
}

impl ProtectedResource {
    /// Starts the description of the resource `resource` (its RFC 8707 identifier, usually the
    /// URL of the MCP endpoint) that trusts the tokens of `issuer`.
    pub fn builder(resource: impl Into<String>, issuer: impl Into<String>) -> Builder {
        Builder {
            resource: resource.into(),
            issuer: issuer.into(),
            aliases: Vec::new(),
            scopes: Scope::new(),
            challenge_scope: None,
            name: None,
            documentation: None,
            back_channel: None,
            http: None,
            clock: None,
            keys: None,
        }
    }

    /// The layer that lets only requests with a good access token through.
    #[must_use]
    pub fn layer(&self) -> BearerLayer {
        BearerLayer::new(self.clone())
    }

    /// The routes of the metadata document (RFC 9728), open to all. Merge them *outside* of the
    /// layer.
    pub fn metadata_router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        metadata::router(&self.inner.metadata)
    }

    /// A challenge that says where our metadata is (RFC 9728 §5.1).
    pub fn challenge(&self) -> Challenge {
        Challenge::new(self.inner.metadata_url.as_str())
    }

    /// The scopes that a 401 asks for: what a session will need.
    #[must_use]
    pub fn challenge_scope(&self) -> &Scope {
        &self.inner.challenge_scope
    }

    /// The verifier behind the layer, for servers that check tokens themselves.
    #[must_use]
    pub fn verifier(&self) -> &AccessTokenVerifier {
        &self.inner.verifier
    }

    /// The metadata of our issuer, to share with a [`crate::exchange::TokenExchanger`].
    #[must_use]
    pub fn discovery(&self) -> Arc<Discovery> {
        Arc::clone(&self.inner.discovery)
    }

    /// Our own metadata document.
    #[must_use]
    pub fn metadata(&self) -> &ResourceMetadata {
        &self.inner.metadata
    }
}

/// Describes a [`ProtectedResource`].
#[derive(Clone)]
#[must_use]
pub struct Builder {
    resource: String,
    issuer: String,
    aliases: Vec<String>,
    scopes: Scope,
    challenge_scope: Option<Scope>,
    name: Option<String>,
    documentation: Option<Url>,
    back_channel: Option<Url>,
    http: Option<HttpClient>,
    clock: Option<Arc<dyn Clock>>,
    keys: Option<Arc<dyn KeySource>>,
}

impl Builder {
    /// All scopes that mean something here. Default: none.
    pub fn scopes(mut self, scopes: Scope) -> Self {
        self.scopes = scopes;
        self
    }

    /// The scopes that a 401 asks for. Default: all of [`Builder::scopes`], because some clients
    /// never ask for more later.
    pub fn challenge_scope(mut self, scope: Scope) -> Self {
        self.challenge_scope = Some(scope);
        self
    }

    /// One more `aud` that is accepted, for a name that the issuer is configured to use.
    pub fn alias(mut self, audience: impl Into<String>) -> Self {
        self.aliases.push(audience.into());
        self
    }

    /// The name that is shown to people.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// A page for developers.
    pub fn documentation(mut self, url: Url) -> Self {
        self.documentation = Some(url);
        self
    }

    /// Where *we* reach the issuer, when its public URL is not reachable from here: scheme, host
    /// and port of our own requests to it.
    pub fn back_channel(mut self, url: Url) -> Self {
        self.back_channel = Some(url);
        self
    }

    /// The HTTP client to use. Default: a new one, `https:` or loopback only.
    pub fn http(mut self, http: HttpClient) -> Self {
        self.http = Some(http);
        self
    }

    /// The clock. Default: the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Where the issuer's keys come from. Default: fetched by discovery, cached.
    pub fn keys(mut self, keys: Arc<dyn KeySource>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Builds the resource. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// [`ProtectedResourceError`] says what is wrong with the description.
    pub fn build(self) -> Result<ProtectedResource, ProtectedResourceError> {
        let resource_url = Url::parse(&self.resource)
            .ok()
            .filter(|url| matches!(url.scheme(), "https" | "http"))
            .filter(|url| url.query().is_none() && url.fragment().is_none())
            .ok_or(ProtectedResourceError::Resource)?;
        let http = match self.http {
            Some(http) => http,
            None if self
                .back_channel
                .as_ref()
                .is_some_and(|url| !is_secure(url)) =>
            {
                return Err(ProtectedResourceError::BackChannel);
            }
            None => HttpClient::new(&Options::default()).map_err(ProtectedResourceError::Http)?,
        };
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let discovery = Arc::new(Discovery::new(
            http.clone(),
            self.issuer.clone(),
            self.back_channel,
            Arc::clone(&clock),
        ));
        let keys = self.keys.unwrap_or_else(|| {
            let discovery = Arc::clone(&discovery);
            Arc::new(RemoteKeySet::from_discovery(
                http,
                discovery,
                Arc::clone(&clock),
            ))
        });

        let mut audiences = self.aliases;
        audiences.extend(spellings(&self.resource, &resource_url));
        let metadata = ResourceMetadata {
            resource: self.resource,
            authorization_servers: vec![self.issuer.clone()],
            scopes_supported: metadata::announced(&self.scopes),
            bearer_methods_supported: vec!["header".to_owned()],
            resource_name: self.name,
            resource_documentation: self.documentation,
        };
        let challenge_scope = self.challenge_scope.unwrap_or(self.scopes);
        Ok(ProtectedResource {
            inner: Arc::new(Inner {
                metadata_url: metadata::location(&resource_url),
                metadata,
                challenge_scope,
                verifier: AccessTokenVerifier::new(self.issuer, audiences, keys, clock),
                discovery,
            }),
        })
    }
}

/// The texts that name this resource: as given, and for a bare origin with and without the slash,
/// which are one identifier (RFC 3986 §6.2.3) but two texts.
fn spellings(resource: &str, url: &Url) -> Vec<String> {
    let mut spellings = vec![resource.to_owned()];
    if url.path() == "/" {
        let bare = resource.trim_end_matches('/');
        for spelling in [bare.to_owned(), format!("{bare}/")] {
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
    }
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_a_web_url_without_query_and_fragment() {
        for bad in [
            "mcp",
            "urn:mcp",
            "https://a.example/mcp?x=1",
            "https://a.example/mcp#x",
        ] {
            let result = ProtectedResource::builder(bad, "https://issuer.example").build();
            assert!(
                matches!(result, Err(ProtectedResourceError::Resource)),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_plain_back_channel_must_be_chosen_knowingly() {
        let builder = ProtectedResource::builder("https://a.example/mcp", "https://issuer.example")
            .back_channel(Url::parse("http://broker:8080").unwrap());
        let refused = builder.clone().build();
        assert!(matches!(refused, Err(ProtectedResourceError::BackChannel)));
        let options = Options {
            allow_insecure_http: true,
            ..Options::default()
        };
        assert!(
            builder
                .http(HttpClient::new(&options).unwrap())
                .build()
                .is_ok()
        );
    }

    #[test]
    fn a_bare_origin_has_two_spellings() {
        let of = |text: &str| spellings(text, &Url::parse(text).unwrap());
        assert_eq!(
            of("https://a.example"),
            ["https://a.example", "https://a.example/"]
        );
        assert_eq!(
            of("https://a.example/"),
            ["https://a.example/", "https://a.example"]
        );
        assert_eq!(of("https://a.example/mcp"), ["https://a.example/mcp"]);
    }
}
