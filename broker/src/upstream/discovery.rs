//! Where the IdP's endpoints are, for the browser and for us.
//!
//! Fetching, caching and the comparison of `issuer` are [`broker_client::discovery`]'s; here each
//! endpoint gets the base that whoever calls it must use.

use std::sync::Arc;

use broker_client::discovery::{self, Discovery, ServerMetadata};
use url::Url;

/// Why the IdP's metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It cannot be had, or is another issuer's.
    #[error("the identity provider's metadata cannot be had")]
    Metadata(#[from] Arc<discovery::DiscoveryError>),
    /// It lacks an endpoint that a login needs.
    #[error("the identity provider's metadata has no {0}")]
    Missing(&'static str),
}

impl DiscoveryError {
    /// Whether it may pass by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Missing(_) => false,
            Self::Metadata(error) => match error.as_ref() {
                discovery::DiscoveryError::Http(_) | discovery::DiscoveryError::Aborted(_) => true,
                discovery::DiscoveryError::NotFound(status) => status.is_server_error(),
                discovery::DiscoveryError::Issuer
                | discovery::DiscoveryError::OtherIssuer { .. } => false,
            },
        }
    }
}

/// The IdP's endpoints.
pub(super) struct Endpoints {
    discovery: Arc<Discovery>,
    issuer: Url,
    public_url: Option<Url>,
    back_channel_url: Option<Url>,
}

impl Endpoints {
    pub(super) fn new(
        discovery: Arc<Discovery>,
        issuer: Url,
        public_url: Option<Url>,
        back_channel_url: Option<Url>,
    ) -> Self {
        Self {
            discovery,
            issuer,
            public_url,
            back_channel_url,
        }
    }

    /// Where the browser finds the IdP.
    pub(super) fn public_base(&self) -> &Url {
        self.public_url.as_ref().unwrap_or(&self.issuer)
    }

    /// Where the browser logs in.
    pub(super) async fn authorization(&self) -> Result<Url, DiscoveryError> {
        let metadata = self.metadata().await?;
        let endpoint = metadata
            .authorization_endpoint
            .as_ref()
            .ok_or(DiscoveryError::Missing("authorization_endpoint"))?;
        Ok(self.for_browser(endpoint))
    }

    /// Where we redeem codes.
    pub(super) async fn token(&self) -> Result<Url, DiscoveryError> {
        let metadata = self.metadata().await?;
        let endpoint = metadata
            .token_endpoint
            .as_ref()
            .ok_or(DiscoveryError::Missing("token_endpoint"))?;
        Ok(self.discovery.reachable(endpoint))
    }

    /// Whether authorization responses carry `iss` (RFC 9207 §3).
    pub(super) async fn announces_iss(&self) -> Result<bool, DiscoveryError> {
        Ok(self
            .metadata()
            .await?
            .authorization_response_iss_parameter_supported)
    }

    async fn metadata(&self) -> Result<Arc<ServerMetadata>, DiscoveryError> {
        Ok(self.discovery.metadata().await?)
    }

    /// `endpoint` as the browser reaches it. Providers that build their metadata from the `Host`
    /// header name the back channel in it; that must not reach the browser either. An endpoint on
    /// a host of its own stays.
    fn for_browser(&self, endpoint: &Url) -> Url {
        let origin = endpoint.origin();
        let is_internal = origin == self.issuer.origin()
            || self
                .back_channel_url
                .as_ref()
                .is_some_and(|base| base.origin() == origin);
        discovery::rebase(endpoint, is_internal.then_some(self.public_base()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use broker_client::ambient::SystemClock;
    use broker_client::http::{HttpClient, Options};

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn endpoints(issuer: &str, public: Option<&str>, back_channel: Option<&str>) -> Endpoints {
        let discovery = Discovery::new(
            HttpClient::new(&Options::default()).unwrap(),
            issuer,
            back_channel.map(url),
            Arc::new(SystemClock),
        );
        Endpoints::new(
            Arc::new(discovery),
            url(issuer),
            public.map(url),
            back_channel.map(url),
        )
    }

    #[test]
    fn without_other_bases_the_browser_goes_where_the_metadata_says() {
        let endpoints = endpoints("https://id.example/realms/a", None, None);
        for endpoint in [
            "https://id.example/realms/a/authorize?tenant=1",
            "https://login.example/authorize",
        ] {
            assert_eq!(endpoints.for_browser(&url(endpoint)), url(endpoint));
        }
    }

    #[test]
    fn the_browser_is_sent_to_the_public_base() {
        let endpoints = endpoints("http://idp:8080/realms/a", Some("https://id.example"), None);
        assert_eq!(
            endpoints.for_browser(&url("http://idp:8080/realms/a/authorize?x=1")),
            url("https://id.example/realms/a/authorize?x=1")
        );
    }

    #[test]
    fn metadata_built_from_the_host_header_does_not_send_the_browser_inside() {
        let endpoints = endpoints("https://id.example", None, Some("http://idp:8080"));
        assert_eq!(
            endpoints.for_browser(&url("http://idp:8080/authorize")),
            url("https://id.example/authorize")
        );
    }
}
