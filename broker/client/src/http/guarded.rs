//! [`GuardedClient`]: fetches JSON from URLs that a *stranger* supplied.
//!
//! A stranger's URL could lead inside: to this machine, to its network, to the metadata of its cloud.
//! So the address is judged, not the name, and after the name was resolved. The one resolution is
//! also the one that is connected to: the check *is* the resolver, so a name that answers differently
//! the second time (DNS rebinding) gains nothing. Addresses in the URL itself never reach a resolver
//! and are judged before.
//!
//! It follows no redirect, keeps no connection, sends no credentials and reads little. A client of
//! its own, not a mode of [`super::HttpClient`], so that no option can turn one into the other.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::address::is_public;
use super::{Answer, HttpError, Options, builder, read};

/// How long a fetch may take, from the resolution of the name to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How long connecting may take, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The largest body, in bytes.
const BODY_LIMIT: usize = 5 * 1024;

/// Whether this very machine may be asked, over plain http too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// No: the only right answer in production.
    Refused,
    /// Yes, by the names `localhost`, `127.0.0.1` and `[::1]`: for development.
    Allowed,
}

/// Why a stranger's URL was not fetched. Names no URL and no address.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The URL is not `https:`.
    #[error("the URL is not https")]
    Scheme,
    /// The URL carries a user name or password.
    #[error("the URL carries credentials")]
    Credentials,
    /// The host is, or resolves to, an address that is not on the public internet.
    #[error("the host is not on the public internet")]
    Address,
    /// The host name does not resolve.
    #[error("the host name does not resolve")]
    Unresolved(#[source] io::Error),
    /// The answer is not 200; a redirect is one of these.
    #[error("the answer is {0} and not 200")]
    Status(StatusCode),
    /// The answer is not `application/json` or `application/…+json`.
    #[error("the answer is not JSON by its content type")]
    ContentType,
    /// No answer, or too large a one.
    #[error(transparent)]
    Http(#[from] HttpError),
}

impl GuardError {
    /// Whether the same URL may well be fetched later: its host was unreachable, slow or failing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unresolved(_) => true,
            Self::Status(status) => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
                    )
            }
            Self::Http(error) => matches!(
                error,
                HttpError::Connect(_) | HttpError::Timeout | HttpError::Transport(_)
            ),
            Self::Scheme | Self::Credentials | Self::Address | Self::ContentType => false,
        }
    }
}

/// Fetches JSON documents from URLs that strangers supplied. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct GuardedClient {
    client: reqwest::Client,
    loopback: Loopback,
}

impl GuardedClient {
    /// Builds a client.
    ///
    /// # Errors
    ///
    /// [`HttpError::Setup`] when TLS cannot be set up on this machine.
    pub fn new(loopback: Loopback) -> Result<Self, HttpError> {
        let lookup: Arc<Lookup> = Arc::new(|name| Box::pin(look_up(name)));
        Self::with(loopback, lookup, TIMEOUT)
    }

    fn with(loopback: Loopback, lookup: Arc<Lookup>, timeout: Duration) -> Result<Self, HttpError> {
        let options = Options {
            timeout,
            connect_timeout: CONNECT_TIMEOUT,
            ..Options::default()
        };
        let client = builder(&options)
            .dns_resolver(Arc::new(Guard { lookup, loopback }))
            // A kept connection would outlive the check of its address.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(HttpError::Setup)?;
        Ok(Self { client, loopback })
    }

    /// Fetches a JSON document: status 200 with a JSON content type and at most 5 KiB, within 5 s.
    ///
    /// # Errors
    ///
    /// See [`GuardError`].
    pub async fn get(&self, url: &Url) -> Result<Answer, GuardError> {
        self.check(url)?;
        let response = self
            .client
            .get(url.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .send()
            .await
            .map_err(of_request)?;
        if response.status() != StatusCode::OK {
            return Err(GuardError::Status(response.status()));
        }
        if !is_json(response.headers()) {
            return Err(GuardError::ContentType);
        }
        Ok(read(response, BODY_LIMIT).await?)
    }

    /// What the URL alone shows. Names are left to [`Guard`].
    fn check(&self, url: &Url) -> Result<(), GuardError> {
        match url.scheme() {
            "https" => {}
            "http" if self.loopback == Loopback::Allowed && is_loopback(url) => {}
            _ => return Err(GuardError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(GuardError::Credentials);
        }
        // The parser has made addresses of all their spellings: decimal, octal, hexadecimal, short.
        let address = match url.host() {
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            None => return Err(GuardError::Address),
        };
        if is_public(address) || (self.loopback == Loopback::Allowed && address.is_loopback()) {
            Ok(())
        } else {
            Err(GuardError::Address)
        }
    }
}

/// The addresses behind a name.
type Lookup = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

async fn look_up(name: String) -> io::Result<Vec<IpAddr>> {
    let addresses = tokio::net::lookup_host((name, 0)).await?;
    Ok(addresses.map(|address| address.ip()).collect())
}

/// The resolver of the client: what it gives is what is connected to.
struct Guard {
    lookup: Arc<Lookup>,
    loopback: Loopback,
}

/// The name leads inside.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that is not on the public internet")]
struct Inside;

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let allows_loopback = self.loopback == Loopback::Allowed && name == "localhost";
        let lookup = (self.lookup)(name);
        Box::pin(async move {
            let addresses = lookup.await?;
            // One address inside among others outside is a trap or a mistake: nobody goes.
            let is_allowed = |address: &IpAddr| {
                is_public(*address) || (allows_loopback && address.is_loopback())
            };
            if !addresses.iter().all(is_allowed) {
                return Err(Inside.into());
            }
            // Port 0: the one of the URL.
            let sockets = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(sockets) as Addrs)
        })
    }
}

/// What a failed request failed by: the guard's own refusal stands deep in the chain of causes.
fn of_request(error: reqwest::Error) -> GuardError {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<Inside>() {
            return GuardError::Address;
        }
        cause = inner.source();
    }
    if error.is_dns() {
        return GuardError::Unresolved(io::Error::other(error.without_url()));
    }
    GuardError::Http(HttpError::from_reqwest(error))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
