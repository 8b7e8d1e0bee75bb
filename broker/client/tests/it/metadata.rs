//! RFC 9728: the protected resource's metadata.

use axum::Router;
use axum::body::Body;
use broker_client::bearer::ProtectedResource;
use http::{Method, Request, StatusCode};
use serde_json::json;
use url::Url;

use crate::support::{header, json, send};

const BARE: &str = "/.well-known/oauth-protected-resource";
const INSERTED: &str = "/.well-known/oauth-protected-resource/mcp";

fn app(resource: &str) -> Router {
    ProtectedResource::builder(resource, "https://issuer.example")
        .scopes("notes.write notes.read offline_access".parse().unwrap())
        .name("Example tools")
        .documentation(Url::parse("https://mcp.example/docs").unwrap())
        .build()
        .unwrap()
        .metadata_router()
}

fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn the_document_is_at_both_well_known_urls() {
    let app = app("https://mcp.example/mcp");
    for path in [BARE, INSERTED] {
        let response = send(&app, request(Method::GET, path)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, "content-type"), "application/json");
        assert_eq!(header(&response, "access-control-allow-origin"), "*");
        assert_eq!(
            json(response).await,
            json!({
                "resource": "https://mcp.example/mcp",
                "authorization_servers": ["https://issuer.example"],
                "scopes_supported": ["notes.read", "notes.write"],
                "bearer_methods_supported": ["header"],
                "resource_name": "Example tools",
                "resource_documentation": "https://mcp.example/docs",
            })
        );
    }
}

#[tokio::test]
async fn browsers_may_ask_with_the_protocol_version_header() {
    let app = app("https://mcp.example/mcp");
    let response = send(&app, request(Method::OPTIONS, INSERTED)).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    assert!(header(&response, "access-control-allow-headers").contains("mcp-protocol-version"));
    assert!(header(&response, "access-control-allow-methods").contains("GET"));
}

#[tokio::test]
async fn other_methods_are_answered_as_http_says() {
    let app = app("https://mcp.example/mcp");
    let head = send(&app, request(Method::HEAD, INSERTED)).await;
    assert_eq!(head.status(), StatusCode::OK);
    let post = send(&app, request(Method::POST, INSERTED)).await;
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(header(&post, "allow").contains("GET"));
}

#[tokio::test]
async fn a_resource_without_path_has_one_url() {
    let app = app("https://mcp.example");
    let response = send(&app, request(Method::GET, BARE)).await;
    assert_eq!(json(response).await["resource"], "https://mcp.example");
    let response = send(&app, request(Method::GET, INSERTED)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_path_that_looks_like_a_pattern_is_only_a_path() {
    let app = app("https://mcp.example/:tools/*all");
    let path = format!("{BARE}/:tools/*all");
    assert_eq!(
        send(&app, request(Method::GET, &path)).await.status(),
        StatusCode::OK
    );
    let path = format!("{BARE}/x/y");
    assert_eq!(
        send(&app, request(Method::GET, &path)).await.status(),
        StatusCode::NOT_FOUND
    );
}
