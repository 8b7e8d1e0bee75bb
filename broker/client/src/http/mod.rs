//! The one HTTP client: short timeouts, no redirects, no proxy, no cookies, bounded bodies.
//!
//! This is the only module that touches `reqwest`. [`HttpClient`] fetches URLs that an *operator*
//! wrote down (the issuer, its endpoints, Nextcloud), so it does not judge the address behind a
//! name. URLs that a *stranger* supplies (client metadata documents) are for [`GuardedClient`] and
//! nothing else.

mod address;
mod authentication;
mod guarded;
mod readiness;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;
use url::form_urlencoded;

pub use authentication::ClientAuthentication;
pub use guarded::{GuardError, GuardedClient, Loopback};
pub use readiness::readiness;

/// How the client behaves. The default suits calls to an authorization server.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a whole call may take, body included. Default 10 s.
    pub timeout: Duration,
    /// How long connecting may take, TLS included. Default 3 s.
    pub connect_timeout: Duration,
    /// The largest body that is accepted, in bytes. Default 256 KiB.
    pub body_limit: usize,
    /// Whether `http:` is allowed to any host, not only to loopback. Default no.
    ///
    /// For URLs that the operator configured, inside a network that the operator trusts.
    pub allow_insecure_http: bool,
    /// The only certificate authorities that are trusted, in PEM. Default: the machine's.
    pub roots: Option<Bytes>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            body_limit: 256 * 1024,
            allow_insecure_http: false,
            roots: None,
        }
    }
}

/// Why a call brought no usable answer. A 4xx or 5xx *is* an answer and no error here.
///
/// Neither URLs nor bodies appear in the text: both may carry secrets.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The client cannot be built: no usable TLS set-up on this machine.
    #[error("the HTTP client cannot be set up; are CA certificates installed on this machine?")]
    Setup(#[source] reqwest::Error),
    /// [`Options::roots`] holds no certificates.
    #[error("the CA certificates cannot be used")]
    Roots(#[source] Option<reqwest::Error>),
    /// The URL is neither `https:` nor a loopback `http:`.
    #[error("the URL is not https")]
    Insecure,
    /// A header value has forbidden characters.
    #[error("a header value has forbidden characters")]
    Header,
    /// The file with the client's assertion cannot be read; nothing was sent.
    #[error("the client assertion cannot be read")]
    Assertion(#[source] std::io::Error),
    /// No connection could be made; nothing was sent.
    #[error("no connection")]
    Connect(#[source] reqwest::Error),
    /// The answer did not come in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection failed")]
    Transport(#[source] reqwest::Error),
    /// The body is larger than the limit, in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The body is not the JSON that was expected. The parser's own words may quote the body.
    #[error("the answer is not the expected JSON (line {line}, column {column})")]
    Json {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault, from 1.
        column: usize,
    },
}

impl HttpError {
    fn from_reqwest(error: reqwest::Error) -> Self {
        let error = error.without_url();
        // A connect timeout is both; "connect" says more, since nothing was sent.
        if error.is_connect() {
            Self::Connect(error)
        } else if error.is_timeout() {
            Self::Timeout
        } else {
            Self::Transport(error)
        }
    }
}

/// An answer of any status, read to its end.
#[derive(Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most [`Options::body_limit`] bytes.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON of a known shape.
    ///
    /// # Errors
    ///
    /// [`HttpError::Json`] when the body is not JSON or has another shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| HttpError::Json {
            line: error.line(),
            column: error.column(),
        })
    }
}

impl std::fmt::Debug for Answer {
    // Bodies and headers hold tokens and cookies.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status", &self.status)
            .field("body_length", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A shared HTTP client; cloning it is cheap and keeps the same connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: reqwest::Client,
    body_limit: usize,
    allow_insecure_http: bool,
}

/// A `reqwest` client with our rules, for callers that need more than [`HttpClient`] offers
/// (other methods, streaming). The body limit and the scheme are then theirs to check.
///
/// # Errors
///
/// [`HttpError::Setup`] when TLS cannot be set up on this machine, [`HttpError::Roots`] when
/// [`Options::roots`] cannot be used.
pub fn client(options: &Options) -> Result<reqwest::Client, HttpError> {
    let mut builder = builder(options);
    if let Some(pem) = &options.roots {
        builder = builder.tls_certs_only(certificates(pem)?);
    }
    builder.build().map_err(HttpError::Setup)
}

/// The certificates of a PEM file; a file without any is a mistake.
fn certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, HttpError> {
    match reqwest::Certificate::from_pem_bundle(pem) {
        Ok(none) if none.is_empty() => Err(HttpError::Roots(None)),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(HttpError::Roots(Some(error))),
    }
}

/// What every client of this crate has in common.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where a client is built"
)]
fn builder(options: &Options) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("mcp-token-broker/", env!("CARGO_PKG_VERSION")))
        // A redirect would carry the caller's credentials to wherever the other side points.
        .redirect(reqwest::redirect::Policy::none())
        // The proxy variables of the environment must not decide who sees tokens.
        .no_proxy()
        .referer(false)
        .timeout(options.timeout)
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
}

impl HttpClient {
    /// Builds a client.
    ///
    /// # Errors
    ///
    /// As [`client`].
    pub fn new(options: &Options) -> Result<Self, HttpError> {
        Ok(Self {
            client: client(options)?,
            body_limit: options.body_limit,
            allow_insecure_http: options.allow_insecure_http,
        })
    }

    /// Sends a GET.
    ///
    /// # Errors
    ///
    /// Any [`HttpError`] but `Json`. An error status is an [`Answer`].
    pub async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Answer, HttpError> {
        self.send(self.request(Method::GET, url)?.headers(headers))
            .await
    }

    /// Sends a request of any method with this body; an empty one is none.
    ///
    /// # Errors
    ///
    /// Any [`HttpError`] but `Json`. An error status is an [`Answer`].
    pub async fn call(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Answer, HttpError> {
        let mut request = self.request(method, url)?.headers(headers);
        if !body.is_empty() {
            request = request.body(body);
        }
        self.send(request).await
    }

    /// Posts a form, authenticated as a client (RFC 6749 §2.3).
    ///
    /// # Errors
    ///
    /// Any [`HttpError`] but `Json`. An error status is an [`Answer`].
    pub async fn post_form(
        &self,
        url: &Url,
        authentication: &ClientAuthentication,
        form: &[(&str, &str)],
    ) -> Result<Answer, HttpError> {
        self.post_form_with_headers(url, authentication, form, HeaderMap::new())
            .await
    }

    /// Posts a form as [`HttpClient::post_form`] does, with more headers.
    ///
    /// # Errors
    ///
    /// Any [`HttpError`] but `Json`. An error status is an [`Answer`].
    pub async fn post_form_with_headers(
        &self,
        url: &Url,
        authentication: &ClientAuthentication,
        form: &[(&str, &str)],
        headers: HeaderMap,
    ) -> Result<Answer, HttpError> {
        let mut request = self.request(Method::POST, url)?.headers(headers);
        if let Some(value) = authentication.header()? {
            request = request.header(AUTHORIZATION, value);
        }
        let own = authentication.form_fields().await?;
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .extend_pairs(own)
            .finish();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.send(request.header(CONTENT_TYPE, form_type).body(body))
            .await
    }

    fn request(&self, method: Method, url: &Url) -> Result<reqwest::RequestBuilder, HttpError> {
        let is_allowed = is_secure(url) || (self.allow_insecure_http && url.scheme() == "http");
        if !is_allowed {
            return Err(HttpError::Insecure);
        }
        let json = HeaderValue::from_static("application/json");
        Ok(self
            .client
            .request(method, url.clone())
            .header(ACCEPT, json))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, HttpError> {
        let response = request.send().await.map_err(HttpError::from_reqwest)?;
        read(response, self.body_limit).await
    }
}

/// Reads a response to its end, or to `limit` bytes.
async fn read(mut response: reqwest::Response, limit: usize) -> Result<Answer, HttpError> {
    // The announced length may lie or be absent, so the stream is counted as well.
    let announced = response
        .content_length()
        .and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(HttpError::TooLarge(limit));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(HttpError::from_reqwest)? {
        if chunk.len() > limit - body.len() {
            return Err(HttpError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status(),
        headers: std::mem::take(response.headers_mut()),
        body: body.freeze(),
    })
}

/// Whether the URL is `https:`, or `http:` to this very machine.
#[must_use]
pub fn is_secure(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn plain_http_is_for_loopback() {
        for secure in [
            "https://a.example",
            "http://127.0.0.1:1",
            "http://[::1]/",
            "http://localhost",
        ] {
            assert!(is_secure(&url(secure)), "{secure}");
        }
        for insecure in [
            "http://a.example",
            "http://localhost.a.example",
            "file:///etc/passwd",
        ] {
            assert!(!is_secure(&url(insecure)), "{insecure}");
        }
    }

    #[tokio::test]
    async fn only_http_can_be_allowed_additionally() {
        let strict = HttpClient::new(&Options::default()).unwrap();
        let refused = strict.get(&url("http://a.example"), HeaderMap::new()).await;
        assert!(matches!(refused, Err(HttpError::Insecure)));
        let lax = HttpClient::new(&Options {
            allow_insecure_http: true,
            ..Options::default()
        })
        .unwrap();
        let refused = lax.get(&url("file:///etc/passwd"), HeaderMap::new()).await;
        assert!(matches!(refused, Err(HttpError::Insecure)));
        assert!(lax.request(Method::GET, &url("http://a.example")).is_ok());
    }

    #[test]
    fn a_parse_error_does_not_quote_the_body() {
        let answer = Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(br#"{"expires_in":"secret"}"#),
        };
        let error = answer.json::<crate::oauth::TokenResponse>().unwrap_err();
        assert!(!format!("{error:?}{error}").contains("secret"));
        assert!(!format!("{answer:?}").contains("secret"));
    }
}
