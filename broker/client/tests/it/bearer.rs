//! RFC 6750 §3, RFC 9728 §5.1: who passes, and what the others are told. Driven through the
//! example server, so that it is known to work.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use broker_client::bearer::{Caller, ProtectedResource};
use broker_client::http::ClientAuthentication;
use broker_client::testing::FakeServer;
use http::{Request, StatusCode};
use serde_json::json;

use crate::support::{header, json, send};

const RESOURCE: &str = "http://127.0.0.1:4290/mcp";
const ASK: &str = "scope=\"notes.read\", resource_metadata=\
                   \"http://127.0.0.1:4290/.well-known/oauth-protected-resource/mcp\"";

async fn example() -> (FakeServer, Router) {
    let server = FakeServer::start().await;
    let credentials = ClientAuthentication::Basic {
        client_id: "example".to_owned(),
        client_secret: "secret".into(),
    };
    let app = crate::protected_server::app(RESOURCE, server.issuer().issuer(), credentials);
    (server, app.unwrap())
}

/// Calls the example's tool with these `Authorization` headers.
async fn call(app: &Router, authorization: &[&str]) -> Response {
    let mut request = Request::post("/mcp").header("content-type", "application/json");
    for value in authorization {
        request = request.header("authorization", *value);
    }
    let body = Body::from(json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call"}).to_string());
    send(app, request.body(body).unwrap()).await
}

#[tokio::test]
async fn a_good_token_passes_and_is_exchanged() {
    let (server, app) = example().await;
    let token = server.issuer().access_token(RESOURCE, "notes.read");
    for scheme in ["Bearer", "bearer"] {
        let response = call(&app, &[&format!("{scheme} {token}")]).await;
        assert_eq!(response.status(), StatusCode::OK);
        let body = json(response).await;
        assert_eq!(
            body["result"]["content"][0]["text"],
            "alice may read for 60 s"
        );
    }
    let asked = server.token_requests();
    assert_eq!(asked[0].form["subject_token"], token);
    assert_eq!(asked[0].form["audience"], "nextcloud");
}

#[tokio::test]
async fn without_a_token_there_is_a_challenge_without_an_error() {
    let (_server, app) = example().await;
    for authorization in [&[][..], &["Basic YTpi"], &["Bearer"], &["Bearer "]] {
        let response = call(&app, authorization).await;
        assert_eq!(
            response.status(),
            StatusCode::UNAUTHORIZED,
            "{authorization:?}"
        );
        assert_eq!(
            header(&response, "www-authenticate"),
            format!("Bearer {ASK}")
        );
    }
}

#[tokio::test]
async fn a_bad_token_is_told_why() {
    let (server, app) = example().await;
    let issuer = server.issuer();
    let mut expired = issuer.claims(RESOURCE, "notes.read");
    expired["exp"] = json!(1);
    for (token, sentence) in [
        (issuer.sign(&expired), "The token has expired."),
        (
            issuer.access_token("https://other.example", "a"),
            "The token is for another audience.",
        ),
        ("junk".to_owned(), "The token is not a well-formed JWT."),
    ] {
        let response = call(&app, &[&format!("Bearer {token}")]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let expected =
            format!("Bearer error=\"invalid_token\", error_description=\"{sentence}\", {ASK}");
        assert_eq!(header(&response, "www-authenticate"), expected);
        let body = json(response).await;
        assert_eq!(
            body,
            json!({"error": "invalid_token", "error_description": sentence})
        );
    }
}

#[tokio::test]
async fn too_little_scope_is_forbidden_before_anything_runs() {
    let (server, app) = example().await;
    for scope in ["notes.write", ""] {
        let token = server.issuer().access_token(RESOURCE, scope);
        let response = call(&app, &[&format!("Bearer {token}")]).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{scope:?}");
        let challenge = header(&response, "www-authenticate");
        assert!(
            challenge.starts_with("Bearer error=\"insufficient_scope\""),
            "{challenge}"
        );
        assert!(challenge.ends_with(ASK), "{challenge}");
    }
    assert!(server.token_requests().is_empty());
}

#[tokio::test]
async fn two_authorization_headers_are_refused() {
    let (server, app) = example().await;
    let token = server.issuer().access_token(RESOURCE, "notes.read");
    let good = format!("Bearer {token}");
    for authorization in [
        [good.as_str(), good.as_str()],
        [good.as_str(), "Basic YTpi"],
    ] {
        let response = call(&app, &authorization).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json(response).await["error"], "invalid_request");
    }
}

#[tokio::test]
async fn a_token_anywhere_else_is_no_token() {
    let (server, app) = example().await;
    let token = server.issuer().access_token(RESOURCE, "notes.read");
    let query = Request::post(format!("/mcp?access_token={token}"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(&app, query).await.status(), StatusCode::UNAUTHORIZED);
    let form = Request::post("/mcp")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("access_token={token}")))
        .unwrap();
    assert_eq!(send(&app, form).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_metadata_is_open() {
    let (_server, app) = example().await;
    let request = Request::get("/.well-known/oauth-protected-resource/mcp").body(Body::empty());
    let response = send(&app, request.unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(json(response).await["resource"], RESOURCE);
}

#[tokio::test]
async fn while_the_keys_cannot_be_had_no_token_is_called_bad() {
    let (server, app) = example().await;
    server.answer_jwks_requests_with(StatusCode::INTERNAL_SERVER_ERROR);
    let token = server.issuer().access_token(RESOURCE, "notes.read");
    let response = call(&app, &[&format!("Bearer {token}")]).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&response, "www-authenticate"), "");
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(json(response).await["error"], "temporarily_unavailable");
}

#[tokio::test]
async fn a_handler_without_the_layer_is_closed() {
    let app = Router::new().route("/", get(async |caller: Caller| caller.claims().sub.clone()));
    let response = send(&app, Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(header(&response, "www-authenticate"), "Bearer");
}

#[tokio::test]
async fn a_caller_shows_no_token_in_debug() {
    let server = FakeServer::start().await;
    let resource = ProtectedResource::builder(RESOURCE, server.issuer().issuer())
        .build()
        .unwrap();
    let app = Router::new()
        .route("/", get(async |caller: Caller| format!("{caller:?}")))
        .layer(resource.layer());
    let token = server.issuer().access_token(RESOURCE, "notes.read");
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    let response = send(&app, request.body(Body::empty()).unwrap()).await;
    let body = axum::body::to_bytes(response.into_body(), 10_000)
        .await
        .unwrap();
    let shown = String::from_utf8(body.to_vec()).unwrap();
    assert!(shown.contains("alice"), "{shown}");
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!shown.contains(signature), "{shown}");
}
