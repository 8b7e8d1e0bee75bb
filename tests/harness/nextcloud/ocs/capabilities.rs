//! `cloud/capabilities`: what the server and its apps can do.
//!
//! Anonymous callers see less. Each family contributes what its app announces, so that an app
//! whose family is missing here is missing for clients too.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde_json::{Map, Value, json};

use super::super::families::FAMILIES;
use super::super::gate::PublicOcsRoute;
use super::super::server::{Server, Shared};
use super::super::text::digest;
use super::super::with_etag;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/ocs/{version}/cloud/capabilities", get(show))
}

async fn show(
    State(server): State<Shared>,
    headers: HeaderMap,
    PublicOcsRoute { session, ocs }: PublicOcsRoute,
) -> Response {
    let capabilities = if session.is_some() {
        announced(&server)
    } else {
        public(&server)
    };
    let data = json!({
        "version": {
            "major": 32, "minor": 0, "micro": 1, "string": "32.0.1",
            "edition": "", "extendedSupport": false,
        },
        "capabilities": capabilities,
    });
    let etag = digest(data.to_string().as_bytes());
    with_etag(ocs.ok(&data), &etag, &headers)
}

fn announced(server: &Server) -> Value {
    let mut all = Map::new();
    all.insert("bruteforce".to_owned(), brute_force());
    all.insert("theming".to_owned(), theming(server));
    for family in FAMILIES {
        if let Value::Object(announced) = (family.capabilities)(server) {
            all.extend(announced);
        }
    }
    Value::Object(all)
}

fn public(server: &Server) -> Value {
    json!({"bruteforce": brute_force(), "theming": theming(server)})
}

fn brute_force() -> Value {
    json!({"delay": 0, "allow-listed": false})
}

fn theming(server: &Server) -> Value {
    json!({
        "name": "Nextcloud",
        "productName": "Nextcloud",
        "url": "https://nextcloud.com",
        "slogan": "a safe home for all your data",
        "color": "#00679e",
        "color-text": "#ffffff",
        "logo": format!("{}/core/img/logo/logo.svg?v=0", server.url()),
    })
}
