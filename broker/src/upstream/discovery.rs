//! Where the IdP's endpoints are, for the browser and for us.
//!
//! Fetching, caching and the comparison of `issuer` are [`broker_client::discovery`]'s; here each
//! endpoint gets the base that whoever calls it must use. Nextcloud's bundled `oauth2` app has no
//! metadata; its addresses are known.

use std::sync::Arc;

use broker_client::discovery::{self, Discovery, ServerMetadata};
use broker_client::http::HttpError;
use http::StatusCode;
use url::Url;

use super::Kind;

/// Why the IdP's metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// It cannot be had, or is another issuer's.
    #[error("the identity provider's metadata cannot be had")]
    Metadata(#[from] Arc<discovery::DiscoveryError>),
    /// It lacks an endpoint that a login needs.
    #[error("the identity provider's metadata has no {0}")]
    Missing(&'static str),
    /// A Nextcloud cannot be asked whether it is up.
    #[error("the Nextcloud does not answer")]
    Status(#[source] HttpError),
    /// A Nextcloud says that it is not up.
    #[error("the Nextcloud answers {0}")]
    Down(StatusCode),
}

impl DiscoveryError {
    /// Whether it may pass by itself.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Missing(_) => false,
            Self::Status(_) | Self::Down(_) => true,
            Self::Metadata(error) => match error.as_ref() {
                discovery::DiscoveryError::Http(_) | discovery::DiscoveryError::Aborted(_) => true,
                discovery::DiscoveryError::NotFound(status) => status.is_server_error(),
                discovery::DiscoveryError::Issuer
                | discovery::DiscoveryError::OtherIssuer { .. } => false,
            },
        }
    }
}

/// Where Nextcloud's bundled `oauth2` app is, below the base of the Nextcloud.
const OAUTH2_APP: &str = "/index.php/apps/oauth2";

/// The IdP's endpoints.
pub(super) struct Endpoints {
    kind: Kind,
    discovery: Arc<Discovery>,
    issuer: Url,
    public_url: Option<Url>,
    back_channel_url: Option<Url>,
}

impl Endpoints {
    pub(super) fn new(
        kind: Kind,
        discovery: Arc<Discovery>,
        issuer: Url,
        public_url: Option<Url>,
        back_channel_url: Option<Url>,
    ) -> Self {
        Self {
            kind,
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
        if self.kind == Kind::NextcloudOauth2 {
            return Ok(below(
                self.public_base(),
                &format!("{OAUTH2_APP}/authorize"),
            ));
        }
        let metadata = self.metadata().await?;
        let endpoint = metadata
            .authorization_endpoint
            .as_ref()
            .ok_or(DiscoveryError::Missing("authorization_endpoint"))?;
        Ok(self.for_browser(endpoint))
    }

    /// Where we redeem codes.
    pub(super) async fn token(&self) -> Result<Url, DiscoveryError> {
        if self.kind == Kind::NextcloudOauth2 {
            return Ok(below(
                self.back_channel(),
                &format!("{OAUTH2_APP}/api/v1/token"),
            ));
        }
        let metadata = self.metadata().await?;
        let endpoint = metadata
            .token_endpoint
            .as_ref()
            .ok_or(DiscoveryError::Missing("token_endpoint"))?;
        Ok(self.discovery.reachable(endpoint))
    }

    /// Where we revoke tokens (RFC 7009), if that is offered.
    pub(super) async fn revocation(&self) -> Result<Option<Url>, DiscoveryError> {
        if self.kind == Kind::NextcloudOauth2 {
            return Ok(None);
        }
        let metadata = self.metadata().await?;
        let endpoint = metadata.revocation_endpoint.as_ref();
        Ok(endpoint.map(|endpoint| self.discovery.reachable(endpoint)))
    }

    /// Whether authorization responses carry `iss` (RFC 9207 §3).
    pub(super) async fn announces_iss(&self) -> Result<bool, DiscoveryError> {
        if self.kind == Kind::NextcloudOauth2 {
            return Ok(false);
        }
        Ok(self
            .metadata()
            .await?
            .authorization_response_iss_parameter_supported)
    }

    /// Where a Nextcloud says that it is up, for whoever has no metadata to ask for.
    pub(super) fn status(&self) -> Url {
        below(self.back_channel(), "/status.php")
    }

    fn back_channel(&self) -> &Url {
        self.back_channel_url.as_ref().unwrap_or(&self.issuer)
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

/// The address of `path` below `base`, which may have a path of its own.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
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
            Kind::Oidc,
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

    #[tokio::test]
    async fn the_bundled_oauth2_app_needs_no_metadata() {
        let mut endpoints = endpoints(
            "https://cloud.example/nc/",
            None,
            Some("http://nextcloud:8080"),
        );
        endpoints.kind = Kind::NextcloudOauth2;
        assert_eq!(
            endpoints.authorization().await.unwrap(),
            url("https://cloud.example/nc/index.php/apps/oauth2/authorize")
        );
        assert_eq!(
            endpoints.token().await.unwrap(),
            url("http://nextcloud:8080/index.php/apps/oauth2/api/v1/token")
        );
        assert_eq!(endpoints.status(), url("http://nextcloud:8080/status.php"));
        assert!(!endpoints.announces_iss().await.unwrap());
    }
}
