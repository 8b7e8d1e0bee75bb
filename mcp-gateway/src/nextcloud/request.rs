//! A request to Nextcloud and its answer, before anyone judges them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};

use super::{error::Error, path::Route};

/// What happens to an answer beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// It is an error.
    Whole,
    /// It is cut, and says so.
    Cut,
}

/// A request to Nextcloud.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: Method,
    pub(super) route: Route,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) size: Size,
    pub(super) patience: Option<Duration>,
}

impl Request {
    /// A request without query or body.
    #[must_use]
    pub fn new(method: Method, route: Route) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self {
            method,
            route,
            query: Vec::new(),
            headers,
            body: Bytes::new(),
            size: Size::Whole,
            patience: None,
        }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn body(self, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        let mut request = self.header(header::CONTENT_TYPE, content_type);
        request.body = body.into();
        request
    }

    /// Sets a JSON body.
    ///
    /// # Errors
    ///
    /// [`Error::Request`] when the value has no JSON form.
    pub fn json(self, body: &impl Serialize) -> Result<Self, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Request(Box::new(error)))?;
        Ok(self.body(HeaderValue::from_static("application/json"), body))
    }

    /// Sets a body as a form of the web (`application/x-www-form-urlencoded`).
    #[must_use]
    pub fn form<'a>(self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.body(form, body)
    }

    /// Waits this long for the answer, whatever the configuration says: for what is known to take
    /// its time.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Lets an answer beyond the limit be cut instead of refused.
    #[must_use]
    pub fn may_be_cut(mut self) -> Self {
        self.size = Size::Cut;
        self
    }
}

/// An answer of Nextcloud.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most the configured limit.
    pub body: Bytes,
    /// Whether there was more body than the limit allows.
    pub is_cut: bool,
}

impl Answer {
    /// A header as text.
    #[must_use]
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The media type without parameters, in lower case.
    #[must_use]
    pub fn media_type(&self) -> Option<String> {
        let value = self.header(header::CONTENT_TYPE)?;
        Some(
            value
                .split(';')
                .next()
                .unwrap_or(value)
                .trim()
                .to_ascii_lowercase(),
        )
    }

    /// The body as JSON. The type is asked for first: behind some failures Nextcloud answers 200
    /// with an empty page.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] when it is no JSON or not of this shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        if self.media_type().as_deref() != Some("application/json") {
            return Err(Error::Malformed("no JSON"));
        }
        serde_json::from_slice(&self.body).map_err(|_| Error::Malformed("JSON of another shape"))
    }

    pub(super) fn is_html(&self) -> bool {
        self.media_type().as_deref() == Some("text/html")
    }

    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}
