//! Protected resource metadata (RFC 9728): how clients find our authorization server.
//!
//! Served at the well-known URL with the resource's path inserted, which is the one that a
//! challenge names, and at the bare one, which clients try last. Open to all origins: it is public
//! and browsers ask for it before they have any token.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE,
};
use http::{HeaderName, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::oauth::Scope;

/// The well-known path of RFC 9728 §3.
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata document (RFC 9728 §2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceMetadata {
    /// The resource's identifier.
    pub resource: String,
    /// The issuers whose tokens are accepted.
    pub authorization_servers: Vec<String>,
    /// The scopes that mean something here; never `offline_access`, which is between the client
    /// and the authorization server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// How tokens are sent: `header` only.
    pub bearer_methods_supported: Vec<String>,
    /// The name that is shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// A page for developers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_documentation: Option<Url>,
}

/// The scopes that belong into the document.
pub(crate) fn announced(scopes: &Scope) -> Vec<String> {
    scopes
        .iter()
        .filter(|token| *token != "offline_access")
        .map(str::to_owned)
        .collect()
}

/// The URL of a resource's document: the well-known path goes between host and path
/// (RFC 9728 §3.1).
#[must_use]
pub fn location(resource: &Url) -> Url {
    let mut url = resource.clone();
    url.set_path(&format!(
        "{WELL_KNOWN}{}",
        resource.path().trim_end_matches('/')
    ));
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Serves the document at its well-known URLs, with CORS for any origin.
pub fn router<S: Clone + Send + Sync + 'static>(metadata: &ResourceMetadata) -> Router<S> {
    let document: Arc<str> = serde_json::to_string(metadata).unwrap_or_default().into();
    let inserted = Url::parse(&metadata.resource)
        .ok()
        .map(|url| location(&url).path().to_owned());
    let mut paths = vec![WELL_KNOWN.to_owned()];
    paths.extend(inserted.filter(|path| path != WELL_KNOWN));
    // The path is the operator's and may look like a pattern of an older router.
    paths
        .iter()
        .fold(Router::new().without_v07_checks(), |router, path| {
            let document = Arc::clone(&document);
            let show = move || async move { show(&document) };
            router.route(path, get(show).options(preflight))
        })
}

const ANY_ORIGIN: (HeaderName, &str) = (ACCESS_CONTROL_ALLOW_ORIGIN, "*");

fn show(document: &str) -> Response {
    let headers = [
        ANY_ORIGIN,
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=300"),
    ];
    (headers, document.to_owned()).into_response()
}

async fn preflight() -> Response {
    let headers = [
        ANY_ORIGIN,
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
        // MCP clients add MCP-Protocol-Version to discovery, which makes browsers ask first.
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            "accept, authorization, content-type, mcp-protocol-version",
        ),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_path_goes_between_host_and_path() {
        let of = |text: &str| location(&Url::parse(text).unwrap()).to_string();
        assert_eq!(
            of("https://a.example:8443/mcp"),
            "https://a.example:8443/.well-known/oauth-protected-resource/mcp"
        );
        assert_eq!(
            of("https://a.example/"),
            "https://a.example/.well-known/oauth-protected-resource"
        );
    }

    #[test]
    fn offline_access_is_not_announced() {
        assert_eq!(
            announced(&"b offline_access a".parse().unwrap()),
            ["a", "b"]
        );
    }
}
