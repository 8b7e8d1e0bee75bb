//! [`RemoteKeySet`]: a JWKS that is kept elsewhere, fetched when needed.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::task::JoinError;
use url::Url;

use super::{InvalidKey, KeySet, KeySource, KeySourceError, VerificationKey};
use crate::ambient::Clock;
use crate::discovery::{Discovery, DiscoveryError};
use crate::http::{Answer, GuardError, GuardedClient, HttpClient, HttpError, Options};
use crate::refreshing::{Limits, Refreshing};
use crate::secret::Secret;

/// A key that was withdrawn is forgotten after this long; a new one is found at once, because an
/// unknown `kid` looks again.
const LIMITS: Limits = Limits {
    max_age: Duration::from_mins(10),
    after_success: Duration::from_secs(5),
    after_failure: Duration::from_secs(30),
    while_empty: Duration::from_secs(1),
};

/// The same at a URL that a stranger supplied, who shall not make us a nuisance to others.
const STRANGERS: Limits = Limits {
    after_success: Duration::from_mins(1),
    ..LIMITS
};

/// The keys of an issuer or a client, cached.
///
/// - Any number of callers cause one request at a time.
/// - An unknown `kid` causes at most one request in 5 s, or a minute at a stranger's URL (30 s
///   after a failure, 1 s while no key has ever come), so that a flood of made-up ids is no flood of
///   requests. What the answers say about caching is not asked.
/// - Keys are fetched again after ten minutes; when that fails, the old ones stay in use.
/// - A caller that goes away does not stop a request that others wait for.
#[derive(Clone)]
pub struct RemoteKeySet {
    keys: Arc<Refreshing<KeySet, FetchError>>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the issuer's metadata is not available")]
    Discovery(#[source] Arc<DiscoveryError>),
    #[error("the issuer's metadata has no jwks_uri")]
    NoJwksUri,
    #[error("the JWKS request failed")]
    Http(#[source] HttpError),
    #[error("the JWKS request was refused or failed")]
    Guarded(#[source] GuardError),
    #[error("the JWKS file cannot be read")]
    File(#[source] io::Error),
    #[error("the token or the CA certificates for the JWKS request cannot be read")]
    Access(#[source] io::Error),
    #[error("the JWKS request was answered with status {0}")]
    Status(StatusCode),
    #[error("the answer is no JWKS")]
    Document(#[source] InvalidKey),
    #[error("the request was aborted")]
    Aborted(#[from] JoinError),
}

/// How to get at keys that are not shown to everybody, such as those of a Kubernetes API server.
///
/// Both files belong to somebody who replaces them (the kubelet), so they are read for every request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyAccess {
    /// The file with the bearer token to show (RFC 6750).
    pub token: Option<PathBuf>,
    /// The file with the only certificate authorities to trust, in PEM; the machine's when `None`.
    pub roots: Option<PathBuf>,
}

impl RemoteKeySet {
    /// The keys at a known URL that wants to know who asks.
    #[must_use]
    pub fn from_protected_url(url: Url, access: KeyAccess, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys: Arc::new(Refreshing::new(clock, LIMITS, move || {
                let (url, access) = (url.clone(), access.clone());
                async move {
                    let keys = fetch_protected(&url, &access).await;
                    noted(keys, url.host_str())
                }
                .boxed()
            })),
        }
    }

    /// The keys at a known URL.
    #[must_use]
    pub fn from_url(http: HttpClient, url: Url, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys: Arc::new(Refreshing::new(clock, LIMITS, move || {
                let (http, url) = (http.clone(), url.clone());
                async move { fetch(&http, &url).await }.boxed()
            })),
        }
    }

    /// The keys at the `jwks_uri` of an issuer's metadata.
    #[must_use]
    pub fn from_discovery(
        http: HttpClient,
        discovery: Arc<Discovery>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            keys: Arc::new(Refreshing::new(clock, LIMITS, move || {
                let (http, discovery) = (http.clone(), Arc::clone(&discovery));
                async move {
                    let metadata = discovery.metadata().await.map_err(FetchError::Discovery)?;
                    let url = metadata.jwks_uri.as_ref().ok_or(FetchError::NoJwksUri)?;
                    fetch(&http, &discovery.reachable(url)).await
                }
                .boxed()
            })),
        }
    }

    /// The keys at a URL that a stranger supplied.
    #[must_use]
    pub fn from_guarded(client: GuardedClient, url: Url, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys: Arc::new(Refreshing::new(clock, STRANGERS, move || {
                let (client, url) = (client.clone(), url.clone());
                async move {
                    let answer = client.get(&url).await.map_err(FetchError::Guarded);
                    noted(answer.and_then(|answer| read(&answer)), url.host_str())
                }
                .boxed()
            })),
        }
    }

    /// The keys in a file that somebody else replaces.
    #[must_use]
    pub fn from_file(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self {
            keys: Arc::new(Refreshing::new(clock, LIMITS, move || {
                let path = path.clone();
                async move {
                    let bytes = tokio::fs::read(path).await.map_err(FetchError::File);
                    let keys = bytes
                        .and_then(|bytes| KeySet::from_json(&bytes).map_err(FetchError::Document));
                    noted(keys, None)
                }
                .boxed()
            })),
        }
    }

    async fn set(
        &self,
        wanted: impl Fn(&KeySet) -> bool + Send + Sync,
    ) -> Result<Arc<KeySet>, KeySourceError> {
        self.keys.get(wanted).await.map_err(KeySourceError::new)
    }
}

async fn fetch(http: &HttpClient, url: &Url) -> Result<KeySet, FetchError> {
    let answer = http
        .get(url, HeaderMap::new())
        .await
        .map_err(FetchError::Http);
    noted(answer.and_then(|answer| read(&answer)), url.host_str())
}

async fn fetch_protected(url: &Url, access: &KeyAccess) -> Result<KeySet, FetchError> {
    let mut options = Options::default();
    if let Some(path) = &access.roots {
        let pem = tokio::fs::read(path).await.map_err(FetchError::Access)?;
        options.roots = Some(pem.into());
    }
    let mut headers = HeaderMap::new();
    if let Some(path) = &access.token {
        let token = tokio::fs::read_to_string(path).await;
        let token = token.map(Secret::new).map_err(FetchError::Access)?;
        let bearer = format!("Bearer {}", token.expose().trim());
        let mut bearer =
            HeaderValue::try_from(bearer).map_err(|_| FetchError::Http(HttpError::Header))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    // A client of its own each time, some minutes apart: the authorities may have changed.
    let http = HttpClient::new(&options).map_err(FetchError::Http)?;
    let answer = http.get(url, headers).await.map_err(FetchError::Http)?;
    read(&answer)
}

fn read(answer: &Answer) -> Result<KeySet, FetchError> {
    if answer.status == StatusCode::OK {
        KeySet::from_json(&answer.body).map_err(FetchError::Document)
    } else {
        Err(FetchError::Status(answer.status))
    }
}

/// Logs how a fetch went; without a host it was a file.
fn noted(result: Result<KeySet, FetchError>, host: Option<&str>) -> Result<KeySet, FetchError> {
    match &result {
        Ok(keys) => tracing::debug!(host, keys = keys.len(), "fetched a JWKS"),
        Err(error) => tracing::warn!(host, %error, "could not fetch a JWKS"),
    }
    result
}

#[async_trait]
impl KeySource for RemoteKeySet {
    async fn key(&self, kid: &str) -> Result<Option<VerificationKey>, KeySourceError> {
        let keys = self.set(|keys| keys.get(kid).is_some()).await?;
        Ok(keys.get(kid).cloned())
    }

    async fn only_key(&self) -> Result<Option<VerificationKey>, KeySourceError> {
        Ok(self.set(|_| true).await?.only().cloned())
    }
}

impl fmt::Debug for RemoteKeySet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RemoteKeySet")
            .finish_non_exhaustive()
    }
}
