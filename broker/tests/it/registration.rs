//! Dynamic client registration: RFC 7591, with the documents that MCP clients really send.

use broker::domain::{
    AuditKind, Catalog, ClientId, ClientKind, ClientStatus, Outcome, RegistrationPolicy,
};
use broker_client::oauth::ErrorCode;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Answer, Broker, ISSUER, NOW};

const REGISTER: &str = "/oauth/register";

async fn register(broker: &Broker, document: &Value) -> Answer {
    broker.post_json(REGISTER, document).await
}

#[tokio::test]
async fn a_public_client_gets_its_registration_with_all_defaults() {
    let broker = Broker::start().await;
    let document = json!({
        "client_name": "Claude Code",
        "redirect_uris": ["http://localhost:3118/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });

    let answer = register(&broker, &document).await;

    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let registered = answer.json();
    let id = registered["client_id"].as_str().unwrap();
    let expected = json!({
        "client_id": id, "client_id_issued_at": NOW, "client_name": "Claude Code",
        "redirect_uris": ["http://localhost:3118/callback"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "token_endpoint_auth_method": "none", "scope": "notes.read",
        "registration_access_token": registered["registration_access_token"],
        "registration_client_uri": format!("{ISSUER}/oauth/register/{id}"),
    });
    assert_eq!(registered, expected);

    let stored = broker
        .store()
        .client(&ClientId::parse(id).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (stored.kind, stored.status),
        (ClientKind::Dynamic, ClientStatus::Pending)
    );
    assert_eq!(stored.scope, None, "the default stays a default");
    assert!(stored.serves.is_empty() && stored.exchange.is_empty());
    let event = broker.newest().await;
    assert_eq!(
        (event.kind, event.outcome),
        (AuditKind::ClientRegistered, Outcome::Ok)
    );
    assert_eq!(event.client_id.unwrap().as_str(), id);
    assert_eq!(event.details["client_name"], "Claude Code");
}

#[tokio::test]
async fn a_confidential_client_gets_a_secret_that_works_and_never_expires() {
    let broker = Broker::start().await;
    // RFC 7591 §2: without a method it is client_secret_basic, without grants the code grant.
    let answer = register(
        &broker,
        &json!({"redirect_uris": ["https://app.example/cb"]}),
    )
    .await;
    let registered = answer.json();
    assert_eq!(
        registered["token_endpoint_auth_method"],
        "client_secret_basic"
    );
    assert_eq!(registered["grant_types"], json!(["authorization_code"]));
    assert_eq!(registered["client_secret_expires_at"], 0);
    let (id, secret) = (
        registered["client_id"].as_str().unwrap(),
        registered["client_secret"].as_str().unwrap(),
    );
    let code = broker.code(id).await;
    let fields = [("client_secret", secret)];
    assert_eq!(
        broker.redeem_with(&code, &fields).await.status,
        StatusCode::OK
    );
    let stored = broker
        .store()
        .client(&ClientId::parse(id).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert!(
        !format!("{stored:?}").contains(secret),
        "only its hash is kept"
    );
}

/// Documents as clients send them.
#[tokio::test]
async fn what_real_clients_send_is_accepted() {
    let broker = Broker::start().await;
    let documents = [
        // Cursor: three redirect URIs, one with a scheme of its own.
        json!({
            "client_name": "Cursor", "token_endpoint_auth_method": "none",
            "redirect_uris": [
                "cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost:8787/callback",
                "https://cursor.com/agents/mcp/oauth/callback",
            ],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        }),
        // VS Code.
        json!({
            "client_name": "Visual Studio Code", "client_uri": "https://code.visualstudio.com",
            "grant_types": ["authorization_code", "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code"],
            "response_types": ["code"], "token_endpoint_auth_method": "none",
            "application_type": "native",
            "redirect_uris": ["https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect",
                "http://127.0.0.1/", "http://127.0.0.1:33418/"],
        }),
        // Members that nobody knows, and a grant that is not offered.
        json!({
            "redirect_uris": ["http://[::1]:1234/cb"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "urn:ietf:params:oauth:grant-type:jwt-bearer",
                "urn:ietf:params:oauth:grant-type:token-exchange", "client_credentials"],
            "resource": "https://mcp.example", "token_endpoint_auth_methods_supported": ["none"],
            "software_statement": "eyJhbGciOiJub25lIn0.e30.", "client_name#de": "Agent",
            "x": {"y": [1, 2, 3]}, "logo_uri": null, "client_name": "",
        }),
        // The scope of a first challenge, which may name scopes that we do not know.
        json!({
            "redirect_uris": ["http://localhost/cb"], "scope": "notes.read openid offline_access",
            "token_endpoint_auth_method": "client_secret_post", "contacts": ["a@b.example"],
        }),
    ];
    for document in documents {
        let answer = register(&broker, &document).await;
        assert_eq!(
            answer.status,
            StatusCode::CREATED,
            "{document}: {}",
            answer.body
        );
        let registered = answer.json();
        assert_eq!(registered["redirect_uris"], document["redirect_uris"]);
        let offered = ["authorization_code", "refresh_token"];
        for grant in registered["grant_types"].as_array().unwrap() {
            assert!(offered.contains(&grant.as_str().unwrap()), "{registered}");
        }
        assert!(registered.get("x").is_none());
    }
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_with_the_code_of_the_rfc() {
    let broker = Broker::start().await;
    let redirect =
        |uri: &str| json!({"redirect_uris": [uri], "token_endpoint_auth_method": "none"});
    let with = |member: &str, value: Value| {
        let mut document = redirect("http://localhost/cb");
        document[member] = value;
        document
    };
    let cases = [
        (redirect("javascript:alert(1)"), "invalid_redirect_uri"),
        (redirect("data:text/html,x"), "invalid_redirect_uri"),
        (redirect("http://example.com/cb"), "invalid_redirect_uri"),
        (
            redirect("https://example.com/cb#fragment"),
            "invalid_redirect_uri",
        ),
        (redirect("https://*.example.com/cb"), "invalid_redirect_uri"),
        (redirect("/cb"), "invalid_redirect_uri"),
        (
            json!({"token_endpoint_auth_method": "none"}),
            "invalid_redirect_uri",
        ),
        (with("redirect_uris", json!([])), "invalid_redirect_uri"),
        (
            with("redirect_uris", json!(vec!["http://localhost/cb"; 21])),
            "invalid_redirect_uri",
        ),
        (
            with("redirect_uris", json!("http://localhost/cb")),
            "invalid_client_metadata",
        ),
        (with("redirect_uris", json!([1])), "invalid_client_metadata"),
        (
            with("grant_types", json!(["implicit"])),
            "invalid_client_metadata",
        ),
        (
            with("response_types", json!(["token"])),
            "invalid_client_metadata",
        ),
        (
            with("token_endpoint_auth_method", json!("magic")),
            "invalid_client_metadata",
        ),
        (
            with("client_name", json!("x".repeat(101))),
            "invalid_client_metadata",
        ),
        (
            with("client_name", json!("two\nlines")),
            "invalid_client_metadata",
        ),
        (with("client_name", json!(7)), "invalid_client_metadata"),
        (
            with("client_uri", json!("javascript:alert(1)")),
            "invalid_client_metadata",
        ),
        (with("scope", json!("no\\scope")), "invalid_client_metadata"),
        (
            with("application_type", json!("toaster")),
            "invalid_client_metadata",
        ),
        (
            with("application_type", json!("web")),
            "invalid_redirect_uri",
        ),
        (
            with("software_id", json!("x".repeat(1025))),
            "invalid_client_metadata",
        ),
        (json!([]), "invalid_client_metadata"),
        (json!("text"), "invalid_client_metadata"),
    ];
    for (document, error) in cases {
        let answer = register(&broker, &document).await;
        assert_eq!(answer.json()["error"], error, "{document}: {}", answer.body);
        answer.assert_refused(400, error);
        let event = broker.newest().await;
        assert_eq!(event.kind, AuditKind::ClientRegistered, "{document}");
        assert!(matches!(event.outcome, Outcome::Refused(_)), "{document}");
    }
}

#[tokio::test]
async fn a_bad_redirect_uri_is_named_in_words_that_an_answer_may_hold() {
    let broker = Broker::start().await;
    let document =
        json!({"redirect_uris": ["https://fine.example/cb", "http://bad.example/\"cb\\"]});
    let answer = register(&broker, &document).await;
    let description = answer.json()["error_description"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        description.contains("http://bad.example/?cb?"),
        "{description}"
    );
    // RFC 6749 §5.2.
    assert!(
        description
            .bytes()
            .all(|byte| (0x20..0x7f).contains(&byte) && !b"\"\\".contains(&byte))
    );
}

#[tokio::test]
async fn a_web_application_gets_its_answers_at_a_web_server() {
    let broker = Broker::start().await;
    for (application_type, redirect_uri, accepted) in [
        ("web", "https://app.example/cb", true),
        ("web", "https://localhost/cb", false),
        ("web", "http://127.0.0.1/cb", false),
        ("web", "com.example.app:/cb", false),
        ("native", "https://app.example/cb", true),
        ("native", "http://127.0.0.1/cb", true),
        ("native", "com.example.app:/cb", true),
    ] {
        let document = json!({
            "application_type": application_type, "redirect_uris": [redirect_uri],
            "token_endpoint_auth_method": "none",
        });
        let answer = register(&broker, &document).await;
        if accepted {
            assert_eq!(answer.json()["application_type"], application_type);
        } else {
            answer.assert_refused(400, "invalid_redirect_uri");
            assert!(answer.body.contains(redirect_uri), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn where_no_resource_is_the_default_the_scope_is_what_any_gives() {
    let broker = Broker::planned(|plan| {
        let mut resources = plan.catalog.resources().to_vec();
        resources[0].is_default = false;
        resources[1].default_scopes = "files.read".parse().unwrap();
        plan.catalog = Catalog::new(resources, plan.catalog.downstreams().to_vec());
    })
    .await;
    let document = json!({"redirect_uris": ["http://localhost/cb"]});
    let registered = register(&broker, &document).await.json();
    assert_eq!(registered["scope"], "files.read notes.read");
}

#[tokio::test]
async fn a_document_that_is_too_large_is_refused() {
    let broker = Broker::start().await;
    let document = json!({"redirect_uris": ["http://localhost/cb"], "x": "x".repeat(16 * 1024)});
    register(&broker, &document)
        .await
        .assert_refused(400, "invalid_client_metadata");
}

#[tokio::test]
async fn with_the_policy_approval_the_client_is_registered_but_not_usable() {
    let broker =
        Broker::planned(|plan| plan.settings.registration = RegistrationPolicy::Approval).await;
    let document =
        json!({"redirect_uris": ["http://localhost/cb"], "token_endpoint_auth_method": "none"});
    let answer = register(&broker, &document).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let id = answer.json()["client_id"].as_str().unwrap().to_owned();
    let code = broker.code(&id).await;
    broker
        .redeem(&code)
        .await
        .assert_refused(400, "unauthorized_client");
}

#[tokio::test]
async fn with_the_policy_closed_nobody_registers_himself() {
    let broker =
        Broker::planned(|plan| plan.settings.registration = RegistrationPolicy::Closed).await;
    let answer = register(&broker, &json!({"redirect_uris": ["http://localhost/cb"]})).await;
    answer.assert_refused(403, "access_denied");
    let event = broker.newest().await;
    assert_eq!(event.outcome, Outcome::Refused(ErrorCode::AccessDenied));
}
