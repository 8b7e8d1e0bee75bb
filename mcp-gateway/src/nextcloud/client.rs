//! The one HTTP client for Nextcloud.
//!
//! Owns what every request has in common: `OCS-APIRequest: true`, no cookies, no redirects, the
//! deny list, the size limit, one retry with a fresh credential after a 401. What the answers
//! mean is `error`'s matter, how the APIs differ `ocs`' and `webdav`'s.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use broker_client::ambient::Clock;
use bytes::BytesMut;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    deny,
    error::{Error, NoAccess, classify},
    path::Route,
    progress::Progress,
    request::{Answer, Request, Size},
    trace::Trace,
};
use crate::metrics::{self, Metrics};

/// Unlocks every API family for a bearer token, DAV included; the value does not matter.
const OCS_API_REQUEST: HeaderName = HeaderName::from_static("ocs-apirequest");
/// W3C Trace Context: the web server's log and Nextcloud's own can show it.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// How many users' ids are remembered, and for how long.
const KNOWN_USERS: u64 = 10_000;
const KNOWN_FOR: Duration = Duration::from_mins(10);

/// What all calls share: connections, the base URL, limits, the ids of users seen.
pub struct Transport {
    http: reqwest::Client,
    /// Without a trailing slash.
    base: String,
    read_limit: usize,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// Caller to Nextcloud uid. Only ever a path segment: the credential decides whose data it
    /// is, so a stale entry can at worst miss.
    pub(super) users: moka::future::Cache<String, Arc<str>>,
    /// Caller to whether there is a trash bin for them.
    pub(super) trash_bins: moka::future::Cache<String, bool>,
}

impl Transport {
    /// A transport to the Nextcloud at `base`; an answer may bring `read_limit` bytes.
    ///
    /// `http` must not follow redirects nor keep cookies.
    #[must_use]
    pub fn new(
        http: reqwest::Client,
        base: &Url,
        read_limit: usize,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        Self {
            http,
            base: base.as_str().trim_end_matches('/').to_owned(),
            read_limit,
            clock,
            metrics,
            users: known(),
            trash_bins: known(),
        }
    }

    /// Counts and measures.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether Nextcloud answers at all, whatever it says about the account.
    pub async fn is_up(&self) -> bool {
        let answer = self
            .http
            .get(format!("{}/status.php", self.base))
            .send()
            .await;
        answer.is_ok_and(|answer| !answer.status().is_server_error())
    }
}

/// What is remembered of each user.
fn known<T: Clone + Send + Sync + 'static>() -> moka::future::Cache<String, T> {
    moka::future::Cache::builder()
        .max_capacity(KNOWN_USERS)
        .time_to_live(KNOWN_FOR)
        .build()
}

/// The value of an `Authorization` header; its `Debug` hides it.
#[derive(Clone)]
pub struct Authorization(HeaderValue);

impl Authorization {
    /// `Bearer` with this token; `None` when it has characters that no header may have.
    #[must_use]
    pub fn bearer(token: &str) -> Option<Self> {
        Self::from_text(&format!("Bearer {token}"))
    }

    /// `Basic` (RFC 7617) with this account.
    #[must_use]
    pub fn basic(username: &str, password: &str) -> Option<Self> {
        let credentials = BASE64_STANDARD.encode(format!("{username}:{password}"));
        Self::from_text(&format!("Basic {credentials}"))
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(..)")
    }
}

/// Gets a fresh credential for the same call.
#[async_trait]
pub trait Renew: Send + Sync {
    /// A credential that was not used before.
    async fn renew(&self) -> Result<Authorization, NoAccess>;
}

/// A client that acts as one user, for the length of one tool call.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    trace: Option<HeaderValue>,
    progress: Progress,
}

struct Inner {
    transport: Arc<Transport>,
    account: String,
    authorization: Mutex<Authorization>,
    /// Taken by a 401 and given back once the fresh credential was good: a second 401 is an answer,
    /// while a long call may outlive more than one credential.
    renew: Mutex<Option<Arc<dyn Renew>>>,
}

impl Client {
    /// A client for the caller known as `account`, which is a key of a cache and never sent.
    #[must_use]
    pub fn new(
        transport: Arc<Transport>,
        account: String,
        authorization: Authorization,
        renew: Option<Arc<dyn Renew>>,
    ) -> Self {
        let inner = Inner {
            transport,
            account,
            authorization: Mutex::new(authorization),
            renew: Mutex::new(renew),
        };
        Self {
            inner: Arc::new(inner),
            trace: None,
            progress: Progress::default(),
        }
    }

    /// The same client for a call in this trace, whose progress is told there.
    #[must_use]
    pub fn for_call(mut self, trace: &Trace, progress: Progress) -> Self {
        self.trace = HeaderValue::from_str(trace.header()).ok();
        self.progress = progress;
        self
    }

    /// Where a long call says how far it is.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The most bytes that one answer may bring.
    #[must_use]
    pub fn read_limit(&self) -> usize {
        self.inner.transport.read_limit
    }

    /// The current time, for what depends on it: which events are next, when a task was done.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.inner.transport.clock.now()
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.inner.transport
    }

    pub(super) fn account(&self) -> &str {
        &self.inner.account
    }

    /// The absolute URL of a route, as the `Destination` header wants it.
    pub(super) fn url(&self, route: &Route) -> String {
        format!("{}{}", self.inner.transport.base, route.as_str())
    }

    /// Sends a request and returns the successful answer.
    ///
    /// # Errors
    ///
    /// Every other outcome, see [`Error`].
    pub async fn send(&self, request: &Request) -> Result<Answer, Error> {
        if !request.route.is_sound() {
            return Err(Error::Request("a segment of the path is no name".into()));
        }
        if deny::is_denied(request.route.as_str()) {
            return Err(Error::Denied);
        }
        let authorization = lock(&self.inner.authorization).clone();
        let answer = self.once(request, authorization).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            let outcome = classify(answer);
            if matches!(outcome, Err(Error::AccountDisabled)) {
                self.report().await;
            }
            return outcome;
        }
        let Some(renew) = lock(&self.inner.renew).take() else {
            return classify(answer);
        };
        let fresh = renew.renew().await?;
        *lock(&self.inner.authorization) = fresh.clone();
        let answer = self.once(request, fresh).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            *lock(&self.inner.renew) = Some(renew);
        }
        classify(answer)
    }

    /// Lets whoever gave the credential know that it was refused. A fresh one would fare no better.
    async fn report(&self) {
        let renew = lock(&self.inner.renew).take();
        if let Some(renew) = renew
            && let Err(error) = renew.renew().await
        {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a refused credential could not be reported"
            );
        }
    }

    /// Sends a request to an app's API and reads the JSON of the answer.
    ///
    /// # Errors
    ///
    /// As [`Client::send`]; [`Error::Malformed`] when the answer is not the JSON expected.
    pub async fn json<T: DeserializeOwned>(&self, request: &Request) -> Result<T, Error> {
        self.send(request).await?.json()
    }

    async fn once(&self, request: &Request, authorization: Authorization) -> Result<Answer, Error> {
        let started = Instant::now();
        let outcome = self.exchange(request, authorization).await;
        let word = match &outcome {
            Ok(answer) => metrics::class(answer.status),
            Err(Error::TimedOut(_)) => "timed_out",
            Err(Error::Unreachable(_)) => "unreachable",
            Err(_) => "other",
        };
        let metrics = self.transport().metrics();
        metrics.nextcloud_asked(word, started.elapsed());
        outcome
    }

    async fn exchange(
        &self,
        request: &Request,
        authorization: Authorization,
    ) -> Result<Answer, Error> {
        let mut url = self.url(&request.route);
        if !request.query.is_empty() {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(&request.query);
            url.push('?');
            url.push_str(&query.finish());
        }
        let mut headers = request.headers.clone();
        headers.insert(OCS_API_REQUEST, HeaderValue::from_static("true"));
        headers.extend(self.trace.clone().map(|trace| (TRACEPARENT, trace)));
        let mut asked = self
            .inner
            .transport
            .http
            .request(request.method.clone(), url)
            .headers(headers)
            .header(header::AUTHORIZATION, authorization.0)
            .body(request.body.clone());
        if let Some(patience) = request.patience {
            asked = asked.timeout(patience);
        }
        let response = asked.send().await.map_err(transport_error)?;
        self.receive(response, request.size).await
    }

    async fn receive(&self, mut response: reqwest::Response, size: Size) -> Result<Answer, Error> {
        let limit = self.inner.transport.read_limit;
        let too_large = response
            .content_length()
            .is_some_and(|length| length > limit as u64);
        if too_large && size == Size::Whole {
            return Err(Error::TooLarge { limit });
        }
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let mut body = BytesMut::new();
        let mut is_cut = false;
        while let Some(chunk) = response.chunk().await.map_err(transport_error)? {
            let room = limit - body.len();
            if chunk.len() > room {
                if size == Size::Whole {
                    return Err(Error::TooLarge { limit });
                }
                body.extend_from_slice(chunk.get(..room).unwrap_or_default());
                is_cut = true;
                break;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            headers,
            body: body.freeze(),
            is_cut,
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.inner.transport.base)
            .finish_non_exhaustive()
    }
}

/// A poisoned lock still guards a whole value: each is replaced in one step.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn transport_error(error: reqwest::Error) -> Error {
    // The URL carries names of files and of users: not for the log.
    let error = error.without_url();
    if error.is_timeout() {
        Error::TimedOut(Box::new(error))
    } else if error.is_builder() {
        Error::Request(Box::new(error))
    } else {
        Error::Unreachable(Box::new(error))
    }
}
