//! Where an issuer's endpoints are: its metadata (RFC 8414, OpenID Connect Discovery).
//!
//! Fetches and caches the document and checks that it is the issuer's own. What the endpoints are
//! used for is the business of others.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tokio::task::JoinError;
use url::Url;

use crate::ambient::Clock;
use crate::http::{HttpClient, HttpError};
use crate::refreshing::{Limits, Refreshing};

const LIMITS: Limits = Limits {
    max_age: Duration::from_hours(1),
    after_success: Duration::from_mins(1),
    after_failure: Duration::from_secs(30),
    while_empty: Duration::from_secs(1),
};

/// The metadata of an authorization server (RFC 8414 §2), as far as a client of it needs it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerMetadata {
    /// The issuer's identifier.
    pub issuer: String,
    /// Where the browser is sent to.
    pub authorization_endpoint: Option<Url>,
    /// Where tokens are issued.
    pub token_endpoint: Option<Url>,
    /// Where the public keys are.
    pub jwks_uri: Option<Url>,
    /// OpenID Connect Core §5.3.
    pub userinfo_endpoint: Option<Url>,
    /// RFC 7009.
    pub revocation_endpoint: Option<Url>,
    /// OpenID Connect RP-Initiated Logout §2.1.
    pub end_session_endpoint: Option<Url>,
    /// Where our broker tells how a caller's background access stands; no standard has it.
    pub background_access_endpoint: Option<Url>,
    /// Where it withdraws that.
    pub background_access_withdrawal_endpoint: Option<Url>,
    /// RFC 9207 §3: whether authorization responses carry `iss`.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// The PKCE methods (RFC 7636); many servers support PKCE and do not say so.
    #[serde(default)]
    pub code_challenge_methods_supported: Vec<String>,
    /// The scopes that the server announces.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
    /// The grants that the server announces.
    #[serde(default)]
    pub grant_types_supported: Vec<String>,
}

/// Why an issuer's metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The issuer is not a URL that metadata can be found at.
    #[error("the issuer is not an http(s) URL without query and fragment")]
    Issuer,
    /// The request failed.
    #[error("the metadata request failed")]
    Http(#[source] HttpError),
    /// No well-known URL of the issuer has metadata.
    #[error("the issuer has no metadata at its well-known URLs (last status {0})")]
    NotFound(StatusCode),
    /// The metadata belongs to someone else (RFC 8414 §3.3).
    #[error("the metadata names the issuer {found:?}, not {expected:?}")]
    OtherIssuer {
        /// The issuer that we asked for.
        expected: String,
        /// The issuer that the document names.
        found: String,
    },
    /// The request was aborted: the process is going down.
    #[error("the metadata request was aborted")]
    Aborted(#[from] JoinError),
}

/// An issuer's metadata: fetched once, kept for an hour, shared by all who need it.
///
/// With a back-channel URL, our own requests go there: scheme, host and port are replaced, the
/// path stays. The `issuer` is compared as configured all the same.
pub struct Discovery {
    issuer: String,
    back_channel: Option<Url>,
    metadata: Refreshing<ServerMetadata, DiscoveryError>,
}

impl Discovery {
    /// The metadata of `issuer`, which is compared byte for byte with what the document says.
    #[must_use]
    pub fn new(
        http: HttpClient,
        issuer: impl Into<String>,
        back_channel: Option<Url>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let issuer = issuer.into();
        let (wanted, base) = (issuer.clone(), back_channel.clone());
        let metadata = Refreshing::new(clock, LIMITS, move || {
            let (http, wanted, base) = (http.clone(), wanted.clone(), base.clone());
            async move {
                let result = fetch(&http, &wanted, base.as_ref()).await;
                if let Err(error) = &result {
                    tracing::warn!(issuer = wanted, %error, "could not read the issuer's metadata");
                }
                result
            }
            .boxed()
        });
        Self {
            issuer,
            back_channel,
            metadata,
        }
    }

    /// The issuer's identifier, as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The metadata, from the cache or fetched now.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`] of the last attempt, when no attempt has succeeded yet.
    pub async fn metadata(&self) -> Result<Arc<ServerMetadata>, Arc<DiscoveryError>> {
        self.metadata.get(|_| true).await
    }

    /// The URL under which *we* reach an endpoint of this issuer.
    #[must_use]
    pub fn reachable(&self, endpoint: &Url) -> Url {
        rebase(endpoint, self.back_channel.as_ref())
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Discovery")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// Scheme, host and port of `base` with path and query of `url`; `url` itself without a base.
#[must_use]
pub fn rebase(url: &Url, base: Option<&Url>) -> Url {
    let Some(base) = base else { return url.clone() };
    let mut moved = base.clone();
    moved.set_path(url.path());
    moved.set_query(url.query());
    moved.set_fragment(None);
    moved
}

/// The well-known URLs of an issuer, in the order in which they are tried.
fn well_known(issuer: &str) -> Option<[Url; 3]> {
    let issuer = Url::parse(issuer).ok()?;
    let is_web = matches!(issuer.scheme(), "https" | "http");
    if !is_web || issuer.query().is_some() || issuer.fragment().is_some() {
        return None;
    }
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    Some([
        // RFC 8414 §3.1: between host and path.
        at(format!("/.well-known/oauth-authorization-server{path}")),
        // OpenID Connect Discovery §4.1: behind the path. And between, as RFC 8414 §5 allows.
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/openid-configuration{path}")),
    ])
}

async fn fetch(
    http: &HttpClient,
    issuer: &str,
    back_channel: Option<&Url>,
) -> Result<ServerMetadata, DiscoveryError> {
    let mut last_status = StatusCode::NOT_FOUND;
    for url in well_known(issuer).ok_or(DiscoveryError::Issuer)? {
        let url = rebase(&url, back_channel);
        let answer = http
            .get(&url, HeaderMap::new())
            .await
            .map_err(DiscoveryError::Http)?;
        last_status = answer.status;
        if answer.status != StatusCode::OK {
            continue;
        }
        // Some servers answer every unknown path with 200 and a page: not ours, try the next.
        let Ok(metadata) = answer.json::<ServerMetadata>() else {
            continue;
        };
        if metadata.issuer != issuer {
            return Err(DiscoveryError::OtherIssuer {
                expected: issuer.to_owned(),
                found: metadata.issuer,
            });
        }
        return Ok(metadata);
    }
    Err(DiscoveryError::NotFound(last_status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_suffix_goes_between_host_and_path_or_behind() {
        let urls = well_known("https://a.example/realms/x")
            .unwrap()
            .map(String::from);
        assert_eq!(
            urls,
            [
                "https://a.example/.well-known/oauth-authorization-server/realms/x",
                "https://a.example/realms/x/.well-known/openid-configuration",
                "https://a.example/.well-known/openid-configuration/realms/x",
            ]
        );
        let [first, second, _] = well_known("https://a.example").unwrap().map(String::from);
        assert_eq!(
            first,
            "https://a.example/.well-known/oauth-authorization-server"
        );
        assert_eq!(second, "https://a.example/.well-known/openid-configuration");
    }

    #[test]
    fn an_issuer_is_a_plain_web_url() {
        for bad in [
            "a",
            "ftp://a.example",
            "https://a.example/?x",
            "https://a.example/#x",
        ] {
            assert!(well_known(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_back_channel_replaces_scheme_host_and_port_only() {
        let endpoint = url("https://public.example/oauth/token?a=b");
        let base = url("http://broker:8080/ignored");
        assert_eq!(
            rebase(&endpoint, Some(&base)),
            url("http://broker:8080/oauth/token?a=b")
        );
        assert_eq!(rebase(&endpoint, None), endpoint);
    }
}
