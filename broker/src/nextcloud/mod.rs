//! What the broker itself asks Nextcloud, as nobody or as the configured administrator, never as a
//! user: a minted token can make the very account that it asks about.
//!
//! Owns the requests and what is believed of the answers. Leaves to [`crate::accounts`] and
//! [`crate::webhooks`] what follows from them.

mod account;
mod hooks;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use broker_client::http::{Answer, HttpClient, HttpError};
use broker_client::secret::Secret;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

pub use account::Account;
pub use hooks::{Hook, NewHook};

/// An administrator's account there.
#[derive(Debug, Clone)]
pub struct AdminCredentials {
    /// The login name.
    pub user: String,
    /// An app password of it.
    pub password: Secret,
}

/// The Nextcloud of this installation. Cheap to clone.
#[derive(Clone)]
pub struct Nextcloud {
    base: Url,
    admin: Option<Arc<AdminCredentials>>,
    http: HttpClient,
}

/// Why an answer says nothing.
#[derive(Debug, thiserror::Error)]
pub enum NextcloudError {
    /// No answer came.
    #[error("Nextcloud does not answer")]
    Http(#[from] HttpError),
    /// The question needs an administrator, and none is configured.
    #[error("no administrator is configured (nextcloud.admin_user)")]
    NoAdministrator,
    /// The configured administrator is none, or his password is not good any more.
    #[error("Nextcloud refuses the configured administrator ({0})")]
    Refused(StatusCode),
    /// Neither what was asked nor a refusal.
    #[error("Nextcloud gives an unexpected answer ({0})")]
    Unexpected(StatusCode),
}

impl NextcloudError {
    /// Whether the next question will hardly fare better.
    #[must_use]
    pub const fn is_general(&self) -> bool {
        !matches!(self, Self::Unexpected(_))
    }
}

/// The envelope of an OCS answer.
#[derive(Deserialize)]
struct Envelope {
    ocs: Ocs,
}

#[derive(Deserialize)]
struct Ocs {
    meta: Meta,
    data: Value,
}

#[derive(Deserialize)]
struct Meta {
    statuscode: u16,
}

impl Nextcloud {
    /// The Nextcloud at `base`.
    #[must_use]
    pub fn new(base: Url, admin: Option<AdminCredentials>, http: HttpClient) -> Self {
        Self {
            base,
            admin: admin.map(Arc::new),
            http,
        }
    }

    /// Whether it can be asked as an administrator.
    #[must_use]
    pub const fn has_administrator(&self) -> bool {
        self.admin.is_some()
    }

    /// Asks below `ocs/v2.php` as the administrator; gives the answer's code of OCS and its data.
    async fn ocs(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<(u16, Value), NextcloudError> {
        let admin = self.admin.as_ref().ok_or(NextcloudError::NoAdministrator)?;
        let mut headers = HeaderMap::new();
        headers.insert("ocs-apirequest", HeaderValue::from_static("true"));
        headers.insert(AUTHORIZATION, basic(admin)?);
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            let json = HeaderValue::from_static("application/json");
            headers.insert(CONTENT_TYPE, json);
        }
        let mut url = self.address(&[&["ocs", "v2.php"], path].concat());
        url.query_pairs_mut()
            .append_pair("format", "json")
            .extend_pairs(query);
        let answer = self
            .http
            .call(method, &url, headers, body.into_bytes())
            .await?;
        if matches!(
            answer.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            return Err(NextcloudError::Refused(answer.status));
        }
        let unexpected = || NextcloudError::Unexpected(answer.status);
        let Envelope { ocs } = answer.json().map_err(|_| unexpected())?;
        Ok((ocs.meta.statuscode, ocs.data))
    }

    /// Gets as nobody.
    async fn get(&self, path: &[&str]) -> Result<Answer, NextcloudError> {
        let url = self.address(path);
        Ok(self.http.get(&url, HeaderMap::new()).await?)
    }

    /// A URL below the base, each segment encoded.
    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // An http URL always has segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

fn basic(admin: &AdminCredentials) -> Result<HeaderValue, HttpError> {
    let pair = format!("{}:{}", admin.user, admin.password.expose());
    let mut header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)))
        .map_err(|_| HttpError::Header)?;
    header.set_sensitive(true);
    Ok(header)
}
