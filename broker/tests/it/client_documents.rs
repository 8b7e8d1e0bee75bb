//! Client ids that are URLs (OAuth Client ID Metadata Document; MCP authorization, 2026-07-28).
//!
//! Which URLs can be client ids is beside the rule, in `domain/client_url.rs`; which addresses are
//! fetched, in `broker_client::http`.

use std::time::Duration;

use broker::domain::{
    AuditEvent, AuditKind, Client, ClientDocument, ClientId, ClientKind, ClientStatus, Domain,
    GrantType, Outcome, RedirectUri, RegistrationPolicy,
};
use broker_client::oauth::ErrorCode;
use broker_client::testing::FakeIssuer;
use http::header;
use serde_json::{Value, json};

use crate::browser::{Browser, authorize_path, planned};
use crate::documents::{DocumentServer, Published};
use crate::harness::{Answer, Broker, Code, ISSUER, NOW, Plan, claims, client};
use crate::idp::Idp;

const PATH: &str = "/oauth/client.json";
const UNAVAILABLE: &str = "The program cannot be checked now";
const REFUSED: &str = "The program cannot be checked";
const UNTRUSTED: &str = "This program is not accepted here";

/// A broker that fetches documents from this machine, its IdP, and a server of documents.
async fn set_up(change: impl FnOnce(&mut Plan)) -> (Broker, Idp, DocumentServer) {
    let (broker, idp) = planned(|plan| {
        plan.settings.url_clients.allows_loopback = true;
        change(plan);
    })
    .await;
    (broker, idp, DocumentServer::start().await)
}

/// Another process on the same database.
async fn replica(broker: &Broker, idp: &Idp) -> Broker {
    let issuer = idp.issuer().to_owned();
    broker
        .replica(|plan| {
            plan.upstream.issuer = issuer;
            plan.settings.url_clients.allows_loopback = true;
        })
        .await
}

async fn authorize(broker: &Broker, client_id: &str) -> Answer {
    broker
        .get(&authorize_path(&[("client_id", client_id)]))
        .await
}

async fn stored(broker: &Broker, client_id: &str) -> Option<Client> {
    let id = ClientId::parse(client_id).unwrap();
    broker.store().client(&id).await.unwrap()
}

async fn log_in(broker: &Broker, idp: &Idp, client_id: &str) -> Code {
    let browser = Browser::new(broker);
    let answer = browser.log_in(idp, &[("client_id", client_id)]).await;
    Code {
        client_id: client_id.to_owned(),
        ..answer.code()
    }
}

async fn set_status(broker: &Broker, client_id: &str, status: ClientStatus) {
    let mut client = stored(broker, client_id).await.unwrap();
    client.status = status;
    let version = client.version;
    client.version += 1;
    assert!(
        broker
            .store()
            .update_client(&client, version)
            .await
            .unwrap()
    );
}

async fn rows(broker: &Broker, kind: AuditKind) -> Vec<AuditEvent> {
    let mut trail = broker.trail().await;
    trail.retain(|event| event.kind == kind);
    trail
}

#[tokio::test]
async fn a_client_is_known_by_its_document_and_logs_in() {
    let (broker, idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);

    let code = log_in(&broker, &idp, &id).await;
    let tokens = broker.redeem(&code).await.tokens();

    assert_eq!(claims(&tokens.access)["client_id"], id);
    assert!(!tokens.refresh.is_empty());
    let client = stored(&broker, &id).await.unwrap();
    assert_eq!(
        (client.kind, client.status),
        (ClientKind::Url, ClientStatus::Pending)
    );
    assert!(client.serves.is_empty() && client.exchange.is_empty());
    assert_eq!(documents.hits(), 1, "one fetch for the whole login");
    let registered = rows(&broker, AuditKind::ClientRegistered).await;
    let [event] = registered.as_slice() else {
        panic!("{registered:?}");
    };
    assert_eq!(event.client_id.as_ref().unwrap().as_str(), id);
    assert_eq!(event.details["kind"], "url");
    assert_eq!(event.details["status"], "pending");
    assert_eq!(event.details["document"]["client_name"], "Desktop agent");
    assert!(event.request_id.is_some());

    let revoked = broker
        .post(
            "/oauth/revoke",
            &[("token", &tokens.refresh), ("client_id", &id)],
        )
        .await;
    assert_eq!(revoked.status, 200, "{}", revoked.body);
}

#[tokio::test]
async fn this_machine_is_asked_only_when_the_configuration_says_so() {
    let (broker, _idp) = planned(|_| {}).await;
    let documents = DocumentServer::start().await;
    let id = documents.publish_client(PATH);
    authorize(&broker, &id).await.assert_page(403, UNTRUSTED);
    assert_eq!(documents.hits(), 0);
    assert_eq!(stored(&broker, &id).await, None);
}

#[tokio::test]
async fn what_is_no_client_url_is_an_unknown_client_and_nobody_is_asked() {
    let (broker, _idp, documents) = set_up(|_| {}).await;
    for path in ["/", "/a/../client.json", "/%2e%2e/client.json", "/c#f"] {
        let id = documents.url(path);
        authorize(&broker, &id)
            .await
            .assert_page(400, "Unknown program");
    }
    let with_user = documents.url(PATH).replace("http://", "http://user@");
    authorize(&broker, &with_user)
        .await
        .assert_page(400, "Unknown program");
    assert_eq!(documents.hits(), 0);
}

#[tokio::test]
async fn a_document_that_breaks_a_rule_is_refused_on_a_page_with_the_reason_in_the_audit() {
    let (broker, _idp, documents) = set_up(|_| {}).await;
    let with = |member: &str, value: Value| {
        let mut document = documents.document(PATH);
        document[member] = value;
        Published::document(&document)
    };
    let good = || Published::document(&documents.document(PATH));
    let cases = [
        (
            with("client_id", documents.url("/other").into()),
            "document_invalid",
        ),
        (
            with("client_id", format!("{}/", documents.url(PATH)).into()),
            "document_invalid",
        ),
        (with("redirect_uris", json!(null)), "document_invalid"),
        (
            with("redirect_uris", json!(["http://app.example/cb"])),
            "document_invalid",
        ),
        (
            with("redirect_uris", json!(["javascript:alert(1)"])),
            "document_invalid",
        ),
        (
            with("grant_types", json!(["client_credentials"])),
            "document_invalid",
        ),
        (
            with("client_name", json!("x".repeat(101))),
            "document_invalid",
        ),
        (with("x", json!("x".repeat(5 * 1024))), "document_absent"),
        (
            good().with(header::CONTENT_TYPE, "text/html"),
            "document_absent",
        ),
        (
            good().status(302).with(header::LOCATION, "/elsewhere"),
            "document_absent",
        ),
        (good().status(404), "document_absent"),
        (good().status(201), "document_absent"),
        (
            Published {
                body: b"[]".to_vec(),
                ..good()
            },
            "document_invalid",
        ),
    ];
    for (number, (published, reason)) in cases.into_iter().enumerate() {
        let path = format!("{PATH}?{number}");
        let mut published = published;
        // Each case is a client of its own, so that no failure is remembered for the next.
        let id = documents.url(&path);
        let text = String::from_utf8(published.body).unwrap();
        let own = text.replace(
            &format!("\"{}\"", documents.url(PATH)),
            &format!("\"{id}\""),
        );
        published.body = own.into_bytes();
        documents.publish(PATH, published);
        let answer = authorize(&broker, &id).await;
        answer.assert_page(400, REFUSED);
        let event = broker.newest().await;
        assert_eq!(event.kind, AuditKind::AuthorizationStarted);
        assert!(matches!(event.outcome, Outcome::Refused(_)), "{number}");
        assert_eq!(event.details["reason"], reason, "{number}");
        assert_eq!(event.client_id.unwrap().as_str(), id);
        assert_eq!(stored(&broker, &id).await, None, "{number}");
    }
}

#[tokio::test]
async fn a_client_that_cannot_be_public_is_told_what_is_missing() {
    let (broker, _idp, documents) = set_up(|_| {}).await;
    for (number, (member, value)) in [
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!("client_secret_basic")),
        ("client_secret", json!("everybody can read this")),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/client-{number}.json");
        let mut document = documents.document(&path);
        document[member] = value;
        documents.publish(&path, Published::document(&document));
        let answer = authorize(&broker, &documents.url(&path)).await;
        answer.assert_page(400, "The program wants to prove itself in another way");
        let event = broker.newest().await;
        assert_eq!(
            event.outcome,
            Outcome::Refused(ErrorCode::InvalidClientMetadata)
        );
        assert_eq!(event.details["reason"], "document_auth_method");
    }
}

#[tokio::test]
async fn a_document_is_fetched_again_when_its_headers_say_so_within_floor_and_ceiling() {
    for (cache_control, seconds) in [
        ("max-age=1800", 1800),
        ("max-age=0", 300),
        ("no-store", 300),
        ("max-age=31536000", 24 * 3600),
        ("public", 3600),
    ] {
        let (broker, _idp, documents) = set_up(|_| {}).await;
        let document = Published::document(&documents.document(PATH));
        documents.publish(PATH, document.with(header::CACHE_CONTROL, cache_control));
        let id = documents.url(PATH);
        authorize(&broker, &id).await.location();
        broker.advance(Duration::from_secs(seconds - 1)).await;
        authorize(&broker, &id).await.location();
        assert_eq!(documents.hits(), 1, "{cache_control}");
        broker.advance(Duration::from_secs(1)).await;
        authorize(&broker, &id).await.location();
        assert_eq!(documents.hits(), 2, "{cache_control}");
        // Fetched again, it said the same: the client has not changed.
        let client = stored(&broker, &id).await.unwrap();
        assert_eq!(client.version, 1);
        assert_eq!(client.created_at, client.updated_at);
        assert_eq!(
            rows(&broker, AuditKind::ClientDocumentChanged).await.len(),
            0
        );
    }
}

#[tokio::test]
async fn a_document_that_changes_changes_the_client_with_before_and_after_in_the_audit() {
    let (broker, idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);
    log_in(&broker, &idp, &id).await;
    set_status(&broker, &id, ClientStatus::Approved).await;
    let mut document = documents.document(PATH);
    document["redirect_uris"] = json!(["http://127.0.0.1/other"]);
    document["client_name"] = json!("Desktop agent 2");
    documents.publish(PATH, Published::document(&document));
    broker.advance(Duration::from_hours(1)).await;

    authorize(&broker, &id)
        .await
        .assert_page(400, "The way back does not match");
    let changed = [
        ("client_id", id.as_str()),
        ("redirect_uri", "http://127.0.0.1:33418/other"),
    ];
    broker.get(&authorize_path(&changed)).await.location();

    let client = stored(&broker, &id).await.unwrap();
    assert_eq!(client.status, ClientStatus::Approved, "not undone");
    let rows = rows(&broker, AuditKind::ClientDocumentChanged).await;
    let [event] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    assert_eq!(
        (
            &event.details["before"]["redirect_uris"],
            &event.details["after"]["redirect_uris"]
        ),
        (
            &json!(["http://127.0.0.1/callback"]),
            &json!(["http://127.0.0.1/other"])
        )
    );
    assert_eq!(event.details["after"]["client_name"], "Desktop agent 2");
}

#[tokio::test]
async fn while_its_host_is_down_the_old_document_is_used_for_a_week() {
    let (broker, _idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);
    authorize(&broker, &id).await.location();
    let down = Published::document(&documents.document(PATH)).status(503);
    documents.publish(PATH, down);

    broker.advance(Duration::from_hours(7 * 24 - 1)).await;
    authorize(&broker, &id).await.location();
    assert_eq!(documents.hits(), 2);
    // Its host is not asked again at once.
    authorize(&broker, &id).await.location();
    assert_eq!(documents.hits(), 2);
    broker.advance(Duration::from_secs(10)).await;
    authorize(&broker, &id).await.location();
    assert_eq!(documents.hits(), 3);

    broker.advance(Duration::from_hours(1)).await;
    authorize(&broker, &id).await.assert_page(503, UNAVAILABLE);
    let event = broker.newest().await;
    assert_eq!(event.details["reason"], "document_unavailable");

    documents.publish_client(PATH);
    broker.advance(Duration::from_secs(10)).await;
    authorize(&broker, &id).await.location();
}

#[tokio::test]
async fn a_client_that_its_host_has_withdrawn_begins_no_new_login() {
    let (broker, idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);
    let code = log_in(&broker, &idp, &id).await;
    let tokens = broker.redeem(&code).await.tokens();
    let gone = Published::document(&documents.document(PATH)).status(404);
    documents.publish(PATH, gone);
    broker.advance(Duration::from_hours(1)).await;
    authorize(&broker, &id).await.assert_page(400, REFUSED);
    // Its sessions are another matter.
    broker
        .refresh_with(&tokens.refresh, &[("client_id", &id)])
        .await
        .tokens();
}

#[tokio::test]
async fn sessions_live_on_without_the_host() {
    let (broker, idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);
    let code = log_in(&broker, &idp, &id).await;
    drop(documents);
    let restarted = replica(&broker, &idp).await;
    let tokens = restarted.redeem(&code).await.tokens();
    broker.advance(Duration::from_hours(20 * 24)).await;
    let refreshed = broker
        .refresh_with(&tokens.refresh, &[("client_id", &id)])
        .await;
    refreshed.tokens();
}

#[tokio::test]
async fn what_one_replica_fetched_every_replica_knows() {
    let (broker, idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);
    authorize(&broker, &id).await.location();
    let other = replica(&broker, &idp).await;
    authorize(&other, &id).await.location();
    assert_eq!(documents.hits(), 1);
}

#[tokio::test]
async fn many_logins_at_once_fetch_once() {
    let (broker, _idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);
    let answers = futures_util::future::join_all((0..8).map(|_| authorize(&broker, &id))).await;
    for answer in answers {
        answer.location();
    }
    assert_eq!(documents.hits(), 1);
    assert_eq!(rows(&broker, AuditKind::ClientRegistered).await.len(), 1);

    // The same of a document that is not there.
    let missing = documents.url("/missing.json");
    let answers =
        futures_util::future::join_all((0..8).map(|_| authorize(&broker, &missing))).await;
    for answer in answers {
        answer.assert_page(400, REFUSED);
    }
    assert_eq!(documents.hits(), 2);
}

#[tokio::test]
async fn two_replicas_that_fetch_at_once_register_once() {
    let (broker, idp, documents) = set_up(|_| {}).await;
    let other = replica(&broker, &idp).await;
    let id = documents.publish_client(PATH);
    let (one, two) = tokio::join!(authorize(&broker, &id), authorize(&other, &id));
    one.location();
    two.location();
    assert_eq!(rows(&broker, AuditKind::ClientRegistered).await.len(), 1);
    assert_eq!(stored(&broker, &id).await.unwrap().version, 1);
}

#[tokio::test]
async fn with_the_policy_approval_an_administrator_says_yes_first() {
    let (broker, idp, documents) =
        set_up(|plan| plan.settings.url_clients.policy = RegistrationPolicy::Approval).await;
    let id = documents.publish_client(PATH);
    for _ in 0..2 {
        let page = authorize(&broker, &id).await;
        page.assert_page(403, "Waiting for an administrator");
        for words in [
            &format!("<code>{id}</code>"),
            "Desktop agent",
            ">127.0.0.1<",
            "Check again",
        ] {
            assert!(page.body.contains(words), "{words}: {}", page.body);
        }
    }
    assert_eq!(documents.hits(), 1, "what waits is not fetched again");
    assert_eq!(rows(&broker, AuditKind::ClientRegistered).await.len(), 1);
    set_status(&broker, &id, ClientStatus::Approved).await;
    let code = log_in(&broker, &idp, &id).await;
    broker.redeem(&code).await.tokens();
}

#[tokio::test]
async fn with_the_policy_closed_only_those_that_an_administrator_entered_are_let_in() {
    let documents = DocumentServer::start().await;
    let known = documents.publish_client("/known.json");
    let unknown = documents.publish_client("/unknown.json");
    let (broker, idp) = planned(|plan| {
        plan.settings.url_clients.allows_loopback = true;
        plan.settings.url_clients.policy = RegistrationPolicy::Closed;
        plan.clients.push(Client {
            kind: ClientKind::Url,
            redirect_uris: Vec::new(),
            ..client(&known, None, &[GrantType::AuthorizationCode])
        });
    })
    .await;
    authorize(&broker, &unknown)
        .await
        .assert_page(403, UNTRUSTED);
    assert_eq!(documents.hits(), 0);
    assert_eq!(stored(&broker, &unknown).await, None);
    // Its document is fetched as any other's.
    let code = log_in(&broker, &idp, &known).await;
    broker.redeem(&code).await.tokens();
    assert_eq!(documents.hits(), 1);
    let client = stored(&broker, &known).await.unwrap();
    assert_eq!(client.status, ClientStatus::Approved);
    assert_eq!(client.name.as_deref(), Some("Desktop agent"));
}

#[tokio::test]
async fn a_blocked_client_is_refused_everywhere_and_its_host_not_asked() {
    let (broker, idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);
    let code = log_in(&broker, &idp, &id).await;
    let tokens = broker.redeem(&code).await.tokens();
    set_status(&broker, &id, ClientStatus::Blocked).await;
    broker.advance(Duration::from_hours(48)).await;
    authorize(&broker, &id)
        .await
        .assert_page(403, "This program is blocked");
    broker
        .refresh_with(&tokens.refresh, &[("client_id", &id)])
        .await
        .assert_refused(400, "unauthorized_client");
    assert_eq!(documents.hits(), 1);
}

#[tokio::test]
async fn only_trusted_domains_are_asked_and_distrust_counts_for_sessions_too() {
    let (broker, idp, documents) = set_up(|_| {}).await;
    documents.publish_client(PATH);
    let id = documents.url(PATH).replace("127.0.0.1", "localhost");
    let mut document = documents.document(PATH);
    document["client_id"] = json!(id);
    documents.publish(PATH, Published::document(&document));
    let code = log_in(&broker, &idp, &id).await;
    let tokens = broker.redeem(&code).await.tokens();

    let issuer = idp.issuer().to_owned();
    let distrusting = broker
        .replica(|plan| {
            plan.upstream.issuer = issuer;
            plan.settings.url_clients.allows_loopback = true;
            plan.settings.url_clients.deny = vec![Domain::parse("localhost").unwrap()];
        })
        .await;
    authorize(&distrusting, &id)
        .await
        .assert_page(403, UNTRUSTED);
    distrusting
        .refresh_with(&tokens.refresh, &[("client_id", &id)])
        .await
        .assert_refused(400, "unauthorized_client");

    // With a list of the allowed, the others' hosts are not even looked up.
    let (choosy, _idp) = planned(|plan| {
        plan.settings.url_clients.allow = vec![Domain::parse("claude.ai").unwrap()];
    })
    .await;
    for id in [
        "https://agent.invalid/client.json",
        "https://claude.ai.agent.invalid/client.json",
    ] {
        authorize(&choosy, id).await.assert_page(403, UNTRUSTED);
    }
}

#[tokio::test]
async fn a_token_request_fetches_nothing() {
    let (broker, _idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);
    for path in ["/oauth/token", "/oauth/revoke"] {
        let fields = [
            ("client_id", id.as_str()),
            ("grant_type", "refresh_token"),
            ("refresh_token", "r"),
            ("token", "t"),
        ];
        broker
            .post(path, &fields)
            .await
            .assert_refused(401, "invalid_client");
    }
    assert_eq!(documents.hits(), 0);
}

#[tokio::test]
async fn a_registered_client_may_have_a_url_as_its_id_and_needs_no_document() {
    let documents = DocumentServer::start().await;
    let id = documents.url(PATH);
    let (broker, idp) = planned(|plan| {
        let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken];
        plan.clients.push(client(&id, None, &grants));
    })
    .await;
    let code = log_in(&broker, &idp, &id).await;
    broker.redeem(&code).await.tokens();
    assert_eq!(documents.hits(), 0);
}

/// A broker that has fetched the document of Claude Code over https, a moment ago.
async fn with_claude_code(redirect_uris: &[&str]) -> (Broker, Idp, String) {
    let id = "https://claude.ai/oauth/claude-code-client-metadata";
    let (broker, idp) = planned(|plan| {
        plan.clients.push(Client {
            kind: ClientKind::Url,
            status: ClientStatus::Pending,
            name: Some("Claude Code".to_owned()),
            redirect_uris: redirect_uris
                .iter()
                .map(|uri| RedirectUri::parse(*uri).unwrap())
                .collect(),
            ..client(id, None, &[GrantType::AuthorizationCode])
        });
    })
    .await;
    let now = broker.now();
    let document = ClientDocument {
        fetched_at: now,
        fresh_until: now.plus(Duration::from_hours(1)),
    };
    let client_id = ClientId::parse(id).unwrap();
    broker
        .store()
        .record_client_document(&client_id, document)
        .await
        .unwrap();
    (broker, idp, id.to_owned())
}

async fn consent_page(broker: &Broker, client_id: &str, redirect_uri: &str) -> String {
    let browser = Browser::new(broker);
    let changes = [("client_id", client_id), ("redirect_uri", redirect_uri)];
    let flow = browser.begin_with(&changes).await;
    browser.page(&flow).await.body
}

#[tokio::test]
async fn the_consent_page_names_the_host_that_vouches_and_where_that_proves_little() {
    let redirect_uris = ["http://localhost/callback", "https://claude.ai/callback"];
    let (broker, _idp, id) = with_claude_code(&redirect_uris).await;
    let page = consent_page(&broker, &id, "https://claude.ai/callback").await;
    for text in [
        "<strong>claude.ai</strong> publishes this name; checked over https",
        "Published by",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("nobody has checked it"), "{page}");
    assert!(!page.contains("does not prove"), "{page}");

    // Anybody on this computer can listen there and say that he is Claude Code.
    let page = consent_page(&broker, &id, "http://localhost:50123/callback").await;
    for text in [
        "This is a program on this computer",
        "That claude.ai describes it does not prove that it is the one asking",
    ] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[tokio::test]
async fn a_document_from_this_machine_vouches_for_nothing() {
    let (broker, _idp, documents) = set_up(|_| {}).await;
    let id = documents.publish_client(PATH);
    let page = consent_page(&broker, &id, "http://127.0.0.1:33418/callback").await;
    assert!(page.contains("nobody has checked it"), "{page}");
    assert!(!page.contains("Published by"), "{page}");
}

#[tokio::test]
async fn a_client_whose_document_names_keys_signs() {
    let (broker, idp, documents) = set_up(|_| {}).await;
    let id = documents.url(PATH);
    let signs = FakeIssuer::new(&id);
    let mut document = documents.document(PATH);
    document["token_endpoint_auth_method"] = "private_key_jwt".into();
    document["jwks_uri"] = documents.url("/jwks").into();
    documents.publish(PATH, Published::document(&document));
    documents.publish("/jwks", Published::document(&signs.jwks()));
    let code = log_in(&broker, &idp, &id).await;
    broker
        .redeem(&code)
        .await
        .assert_refused(401, "invalid_client");
    let claims = json!({
        "iss": id, "sub": id, "aud": ISSUER, "exp": NOW + 60, "jti": "1",
    });
    let assertion = signs.mint(&json!({ "typ": "JWT" }), &claims);
    let signed = [
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion.as_str()),
    ];
    broker.redeem_with(&code, &signed).await.tokens();
}
