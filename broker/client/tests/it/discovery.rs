//! RFC 8414 §3, OpenID Connect Discovery §4: finding an issuer's metadata.

use std::sync::Arc;

use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use broker_client::discovery::{Discovery, DiscoveryError};
use broker_client::testing::FakeClock;
use serde_json::{Value, json};
use url::Url;

use crate::support::{NOW, http_client, serve};

const ISSUER: &str = "https://issuer.example/realms/x";

fn document(issuer: &str) -> Json<Value> {
    Json(json!({"issuer": issuer, "token_endpoint": "https://issuer.example/token?a=b"}))
}

/// Discovery of `ISSUER`, reached at the address where `app` is served.
async fn discovery(app: Router) -> Discovery {
    let back_channel = serve(app).await;
    Discovery::new(
        http_client(),
        ISSUER,
        Some(back_channel),
        Arc::new(FakeClock::at(NOW)),
    )
}

#[tokio::test]
async fn every_well_known_form_is_found() {
    for path in [
        "/.well-known/oauth-authorization-server/realms/x",
        "/realms/x/.well-known/openid-configuration",
        "/.well-known/openid-configuration/realms/x",
    ] {
        let app = Router::new().route(path, get(async || document(ISSUER)));
        let metadata = discovery(app).await.metadata().await.unwrap();
        assert_eq!(metadata.issuer, ISSUER, "{path}");
    }
}

#[tokio::test]
async fn a_page_with_status_200_is_no_metadata() {
    let app = Router::new()
        .route(
            "/realms/x/.well-known/openid-configuration",
            get(async || document(ISSUER)),
        )
        .fallback(async || Html("<p>Welcome</p>"));
    assert!(discovery(app).await.metadata().await.is_ok());
    let app = Router::new().fallback(async || Html("<p>Welcome</p>"));
    let error = discovery(app).await.metadata().await.unwrap_err();
    assert!(matches!(*error, DiscoveryError::NotFound(_)), "{error}");
}

#[tokio::test]
async fn the_metadata_of_another_issuer_is_refused() {
    for other in ["https://issuer.example/realms/x/", "https://evil.example"] {
        let app = Router::new().fallback(async move || document(other));
        let error = discovery(app).await.metadata().await.unwrap_err();
        assert!(
            matches!(*error, DiscoveryError::OtherIssuer { .. }),
            "{other}: {error}"
        );
    }
}

#[tokio::test]
async fn our_own_requests_use_the_back_channel() {
    let discovery = discovery(Router::new().fallback(async || document(ISSUER))).await;
    let metadata = discovery.metadata().await.unwrap();
    let endpoint = metadata.token_endpoint.as_ref().unwrap();
    let reachable = discovery.reachable(endpoint);
    assert_eq!(reachable.host_str(), Some("127.0.0.1"));
    assert_eq!(
        (reachable.path(), reachable.query()),
        ("/token", Some("a=b"))
    );
    assert_eq!(endpoint.host_str(), Some("issuer.example"));
}

#[tokio::test]
async fn an_issuer_that_is_no_url_is_told() {
    let clock = Arc::new(FakeClock::at(NOW));
    let discovery = Discovery::new(http_client(), "not a url", None::<Url>, clock);
    let error = discovery.metadata().await.unwrap_err();
    assert!(matches!(*error, DiscoveryError::Issuer), "{error}");
}
