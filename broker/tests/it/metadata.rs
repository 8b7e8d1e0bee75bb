//! What the broker publishes about itself (RFC 8414, OpenID Connect Discovery, RFC 7517, RFC 9728).

use axum::body::Body;
use broker::domain::RegistrationPolicy;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{Broker, ISSUER, OTHER_RESOURCE, RESOURCE};

const SERVER: &str = "/.well-known/oauth-authorization-server";
const PROVIDER: &str = "/.well-known/openid-configuration";

#[tokio::test]
async fn the_server_document_lists_what_works() {
    let broker = Broker::start().await;
    let answer = broker.get(SERVER).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let algorithms = [
        "ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    ];
    assert_eq!(
        answer.json(),
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{ISSUER}/oauth/authorize"),
            "token_endpoint": format!("{ISSUER}/oauth/token"),
            "jwks_uri": format!("{ISSUER}/oauth/jwks"),
            "registration_endpoint": format!("{ISSUER}/oauth/register"),
            "revocation_endpoint": format!("{ISSUER}/oauth/revoke"),
            "introspection_endpoint": format!("{ISSUER}/oauth/introspect"),
            "userinfo_endpoint": format!("{ISSUER}/oauth/userinfo"),
            "scopes_supported": ["files.read", "notes.read", "notes.write"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": [
                "authorization_code", "refresh_token", "client_credentials",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ],
            "token_endpoint_auth_methods_supported":
                ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_methods_supported":
                ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"],
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_methods_supported":
                ["client_secret_basic", "client_secret_post", "private_key_jwt"],
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "client_id_metadata_document_supported": true,
            "protected_resources": [RESOURCE, OTHER_RESOURCE],
            "offline_grants_endpoint": format!("{ISSUER}/oauth/offline-grants"),
            "background_access_endpoint": format!("{ISSUER}/oauth/background-access"),
            "background_access_withdrawal_endpoint":
                format!("{ISSUER}/oauth/background-access/withdraw"),
        })
    );
}

#[tokio::test]
async fn the_provider_document_is_the_same_and_what_openid_requires() {
    let broker = Broker::start().await;
    let server = broker.get(SERVER).await.json();
    let mut provider = broker.get(PROVIDER).await.json();
    let members = provider.as_object_mut().unwrap();
    assert_eq!(
        members.remove("subject_types_supported"),
        Some(json!(["public"]))
    );
    assert_eq!(
        members.remove("id_token_signing_alg_values_supported"),
        Some(json!(["ES256"]))
    );
    assert_eq!(
        members.remove("request_uri_parameter_supported"),
        Some(json!(false))
    );
    assert_eq!(provider, server);
}

#[tokio::test]
async fn every_listed_endpoint_is_there() {
    let broker = Broker::start().await;
    let document = broker.get(PROVIDER).await.json();
    for (name, value) in document.as_object().unwrap() {
        let Some(path) = value.as_str().and_then(|url| url.strip_prefix(ISSUER)) else {
            continue;
        };
        if name == "issuer" {
            continue;
        }
        let request = Request::get(path).body(Body::empty()).unwrap();
        let status = broker.send(request).await.status;
        // Another method, or a request that lacks everything: but not nothing.
        assert_ne!(status, 404, "{name}");
    }
}

#[tokio::test]
async fn the_issuer_does_not_depend_on_the_request() {
    let broker = Broker::start().await;
    for path in [SERVER, PROVIDER] {
        for name in ["host", "x-forwarded-host", "forwarded"] {
            let request = Request::get(path)
                .header(name, "host=evil.example")
                .body(Body::empty())
                .unwrap();
            assert_eq!(broker.send(request).await.json()["issuer"], ISSUER);
        }
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_is_found_wherever_clients_look() {
    let issuer = "https://id.example/base";
    let broker = Broker::planned(|plan| plan.settings.issuer = issuer.to_owned()).await;
    for path in [
        "/.well-known/oauth-authorization-server/base",
        "/.well-known/openid-configuration/base",
        "/base/.well-known/openid-configuration",
        "/base/.well-known/oauth-authorization-server",
        SERVER,
        PROVIDER,
    ] {
        let document = broker.get(path).await.json();
        assert_eq!(document["issuer"], issuer, "{path}");
        assert_eq!(
            document["token_endpoint"],
            "https://id.example/base/oauth/token"
        );
    }
}

#[tokio::test]
async fn a_closed_registration_is_not_listed() {
    let broker =
        Broker::planned(|plan| plan.settings.registration = RegistrationPolicy::Closed).await;
    let document = broker.get(SERVER).await.json();
    assert_eq!(document.get("registration_endpoint"), None);
    assert_eq!(document["client_id_metadata_document_supported"], true);
}

#[tokio::test]
async fn client_ids_that_are_urls_are_announced_unless_closed() {
    let broker =
        Broker::planned(|plan| plan.settings.url_clients.policy = RegistrationPolicy::Closed).await;
    let document = broker.get(SERVER).await.json();
    assert_eq!(document.get("client_id_metadata_document_supported"), None);
    assert!(document["registration_endpoint"].is_string());
}

#[tokio::test]
async fn browsers_of_any_origin_may_read_all_of_it() {
    let broker = Broker::start().await;
    for path in [SERVER, PROVIDER, "/oauth/jwks"] {
        let request = Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", "https://inspector.example")
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "mcp-protocol-version")
            .body(Body::empty())
            .unwrap();
        let preflight = broker.send(request).await;
        assert!(preflight.status.is_success(), "{path}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        let allowed = preflight.header("access-control-allow-headers").unwrap();
        assert!(allowed.contains("mcp-protocol-version"), "{allowed}");

        let request = Request::get(path)
            .header("origin", "https://inspector.example")
            .body(Body::empty())
            .unwrap();
        let answer = broker.send(request).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test]
async fn the_key_set_holds_public_keys_only_and_may_be_cached() {
    let broker = Broker::start().await;
    let answer = broker.get("/oauth/jwks").await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let keys = answer.json();
    let keys = keys["keys"].as_array().unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        assert_eq!(key["use"], "sig");
        assert_eq!(key["alg"], "ES256");
        assert!(key["kid"].is_string());
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(key.get(private).unwrap_or(&Value::Null), &Value::Null);
        }
    }
}
