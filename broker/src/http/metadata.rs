//! `/.well-known/…` and `/oauth/jwks`: the metadata documents and the public keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::keys::Keyring;
use crate::metadata::Metadata;

/// Five minutes. A new key is published hours before it signs, so this delays nothing.
const CACHEABLE: &str = "public, max-age=300";

/// What is published.
pub struct Published {
    /// The documents.
    pub metadata: Metadata,
    /// The keys.
    pub keys: Keyring,
}

/// The RFC 8414 document.
pub(super) async fn server(State(published): State<Arc<Published>>) -> impl IntoResponse {
    (
        [(header::CACHE_CONTROL, CACHEABLE)],
        Json(published.metadata.server()),
    )
}

/// The OIDC discovery document.
pub(super) async fn provider(State(published): State<Arc<Published>>) -> impl IntoResponse {
    let document = published.metadata.provider(published.keys.algorithm());
    ([(header::CACHE_CONTROL, CACHEABLE)], Json(document))
}

/// `GET /oauth/jwks`.
pub(super) async fn jwks(State(published): State<Arc<Published>>) -> impl IntoResponse {
    (
        [
            (header::CACHE_CONTROL, CACHEABLE),
            (header::CONTENT_TYPE, "application/json"),
        ],
        published.keys.jwks().to_string(),
    )
}
