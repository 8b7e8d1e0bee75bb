//! Clients that sign their authentication: `private_key_jwt` (RFC 7523, OIDC Core §9).

use std::time::Duration;

use broker::domain::{AuditKind, Client, GrantType, TokenEndpointAuthMethod};
use broker_client::testing::FakeIssuer;
use http::StatusCode;
use serde_json::{Value, json};

use crate::administrator::{Administrator, assert_problem};
use crate::documents::{DocumentServer, Published};
use crate::harness::{AGENT, Answer, Broker, ISSUER, NOW, VERIFIER, WEB_APP, client};

const TOKEN: &str = "/oauth/token";
const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SIGNER: &str = "signer";

/// A client that signs with the keys that `metadata` names.
fn signer(metadata: &Value) -> Client {
    Client {
        auth_method: TokenEndpointAuthMethod::PrivateKeyJwt,
        metadata: metadata.as_object().unwrap().clone(),
        ..client(SIGNER, None, &[GrantType::AuthorizationCode])
    }
}

/// A broker that knows [`SIGNER`], and what signs for it.
async fn set_up() -> (Broker, FakeIssuer) {
    let signs = FakeIssuer::new(SIGNER);
    let jwks = json!({ "jwks": signs.jwks() });
    let broker = Broker::planned(|plan| plan.clients.push(signer(&jwks))).await;
    (broker, signs)
}

/// Good claims, each time with another `jti`.
fn assertion_claims(client_id: &str) -> Value {
    let jti = uuid::Uuid::now_v7().to_string();
    json!({
        "iss": client_id, "sub": client_id, "aud": ISSUER, "iat": NOW, "exp": NOW + 60, "jti": jti,
    })
}

fn sign(signs: &FakeIssuer, claims: &Value) -> String {
    signs.mint(&json!({ "typ": "JWT" }), claims)
}

/// A request whose code is unknown: whoever passes authentication gets `invalid_grant`.
async fn present(broker: &Broker, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", "unknown"),
        ("code_verifier", VERIFIER),
        ("client_assertion_type", KIND),
        ("client_assertion", assertion),
    ];
    broker.post(TOKEN, &[&fields, more].concat()).await
}

#[track_caller]
fn assert_authenticated(answer: &Answer) {
    answer.assert_refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_client_signs_instead_of_sending_a_secret() {
    let (broker, signs) = set_up().await;
    for audience in [
        json!(ISSUER),
        json!([ISSUER]),
        json!(format!("{ISSUER}/oauth/token")),
    ] {
        let mut claims = assertion_claims(SIGNER);
        claims["aud"] = audience;
        assert_authenticated(&present(&broker, &sign(&signs, &claims), &[]).await);
    }
    let named = [("client_id", SIGNER)];
    let assertion = sign(&signs, &assertion_claims(SIGNER));
    assert_authenticated(&present(&broker, &assertion, &named).await);
    // A `typ` may be left out, and `iat` too.
    let mut claims = assertion_claims(SIGNER);
    claims.as_object_mut().unwrap().remove("iat");
    let bare = signs.mint(&json!({}), &claims);
    assert_authenticated(&present(&broker, &bare, &[]).await);
    let event = broker.newest().await;
    assert_eq!(event.actor.id(), Some(SIGNER));
    assert!(!format!("{event:?}").contains(&bare));
}

#[tokio::test]
async fn an_assertion_is_the_clients_own_for_us_alone_short_and_fresh() {
    let (broker, signs) = set_up().await;
    let wrong: [(&str, Value); 14] = [
        ("iss", json!("someone")),
        ("iss", json!(null)),
        ("sub", json!("someone")),
        ("aud", json!("https://other.example")),
        ("aud", json!([ISSUER, "https://other.example"])),
        ("aud", json!(null)),
        ("exp", json!(NOW - 31)),
        ("exp", json!(NOW + 631)),
        ("exp", json!(1e300)),
        ("exp", json!(null)),
        ("nbf", json!(NOW + 60)),
        ("iat", json!(NOW + 60)),
        ("jti", json!("")),
        ("jti", json!(7)),
    ];
    for (claim, value) in wrong {
        let mut claims = assertion_claims(SIGNER);
        claims[claim] = value.clone();
        let named = [("client_id", SIGNER)];
        let answer = present(&broker, &sign(&signs, &claims), &named).await;
        answer.assert_refused(401, "invalid_client");
        assert_eq!(broker.newest().await.kind, AuditKind::TokenRefused);
        assert_eq!(answer.header("www-authenticate"), None, "{claim}: {value}");
    }
    let claims = assertion_claims(SIGNER);
    let named = [("client_id", SIGNER)];
    for forged in [
        signs.mint_with_another_key(&claims),
        signs.mint_unsigned(&claims),
        signs.mint_hs256_with_public_key(&claims),
        signs.mint(&json!({ "typ": "at+jwt" }), &claims),
        signs.mint(&json!({ "typ": "JWT", "kid": "unknown" }), &claims),
        sign(&FakeIssuer::new(SIGNER), &claims),
        "not.a.jwt".to_owned(),
    ] {
        let answer = present(&broker, &forged, &named).await;
        answer.assert_refused(401, "invalid_client");
    }
    // After all this the claims are still good: nothing of it spent them.
    assert_authenticated(&present(&broker, &sign(&signs, &claims), &named).await);
}

#[tokio::test]
async fn an_assertion_is_good_once_at_whichever_replica() {
    let (broker, signs) = set_up().await;
    let jwks = json!({ "jwks": signs.jwks() });
    let other = broker
        .replica(|plan| plan.clients.push(signer(&jwks)))
        .await;
    let assertion = sign(&signs, &assertion_claims(SIGNER));
    let (one, two) = tokio::join!(
        present(&broker, &assertion, &[]),
        present(&other, &assertion, &[])
    );
    let statuses = [one.status, two.status];
    assert!(statuses.contains(&StatusCode::BAD_REQUEST), "{statuses:?}");
    assert!(statuses.contains(&StatusCode::UNAUTHORIZED), "{statuses:?}");
    for broker in [&broker, &other] {
        let again = present(broker, &assertion, &[]).await;
        again.assert_refused(401, "invalid_client");
        assert!(again.body.contains("jti"), "{}", again.body);
    }
}

#[tokio::test]
async fn a_client_that_registered_an_algorithm_uses_no_other() {
    let signs = FakeIssuer::new(SIGNER);
    for (algorithm, status) in [("ES256", 400), ("EdDSA", 401), ("HS256", 401)] {
        let metadata = json!({
            "jwks": signs.jwks(), "token_endpoint_auth_signing_alg": algorithm,
        });
        let broker = Broker::planned(|plan| plan.clients.push(signer(&metadata))).await;
        let assertion = sign(&signs, &assertion_claims(SIGNER));
        let answer = present(&broker, &assertion, &[]).await;
        assert_eq!(answer.status.as_u16(), status, "{algorithm}");
    }
}

#[tokio::test]
async fn a_method_is_held_to() {
    let (broker, signs) = set_up().await;
    for (id, secret) in [(SIGNER, "a secret"), (SIGNER, "")] {
        let code = [("grant_type", "authorization_code"), ("code", "x")];
        let answer = broker.post_as((id, secret), TOKEN, &code).await;
        answer.assert_refused(401, "invalid_client");
    }
    for other in [WEB_APP.0, AGENT, "nobody"] {
        let assertion = sign(&signs, &assertion_claims(other));
        let answer = present(&broker, &assertion, &[]).await;
        answer.assert_refused(401, "invalid_client");
    }
    let assertion = sign(&signs, &assertion_claims(SIGNER));
    let with_secret = present(&broker, &assertion, &[("client_secret", "s")]).await;
    with_secret.assert_refused(400, "invalid_request");
    let of_another = present(&broker, &assertion, &[("client_id", AGENT)]).await;
    of_another.assert_refused(401, "invalid_client");
}

#[tokio::test]
async fn a_public_client_with_keys_signs_or_not_as_it_likes() {
    let signs = FakeIssuer::new(SIGNER);
    let metadata = json!({ "jwks": signs.jwks() });
    let broker = Broker::planned(|plan| {
        plan.clients.push(Client {
            auth_method: TokenEndpointAuthMethod::None,
            ..signer(&metadata)
        });
    })
    .await;
    let assertion = sign(&signs, &assertion_claims(SIGNER));
    assert_authenticated(&present(&broker, &assertion, &[]).await);
    // One that it sends has to be right all the same.
    let forged = sign(&FakeIssuer::new(SIGNER), &assertion_claims(SIGNER));
    let answer = present(&broker, &forged, &[]).await;
    answer.assert_refused(401, "invalid_client");
}

#[tokio::test]
async fn keys_behind_a_url_are_fetched_once_and_again_for_a_new_one() {
    let signs = FakeIssuer::new(SIGNER);
    let documents = DocumentServer::start().await;
    let publish = || documents.publish("/jwks", Published::document(&signs.jwks()));
    let metadata = json!({ "jwks_uri": documents.url("/jwks") });
    let broker = Broker::planned(|plan| {
        plan.settings.url_clients.allows_loopback = true;
        plan.clients.push(signer(&metadata));
    })
    .await;
    let attempt = || {
        let mut claims = assertion_claims(SIGNER);
        claims["exp"] = (NOW + 300).into();
        let assertion = sign(&signs, &claims);
        let broker = &broker;
        async move { present(broker, &assertion, &[]).await }
    };

    let unavailable = attempt().await;
    unavailable.assert_refused(503, "temporarily_unavailable");
    publish();
    broker.advance(Duration::from_secs(1)).await;
    for _ in 0..3 {
        assert_authenticated(&attempt().await);
    }
    assert_eq!(documents.hits(), 2);

    signs.rotate();
    publish();
    // Not more than once a minute, however many unknown keys are tried.
    for _ in 0..3 {
        attempt().await.assert_refused(401, "invalid_client");
    }
    assert_eq!(documents.hits(), 2);
    broker.advance(Duration::from_mins(1)).await;
    assert_authenticated(&attempt().await);
    assert_eq!(documents.hits(), 3);
}

#[tokio::test]
async fn keys_inside_are_not_fetched() {
    let documents = DocumentServer::start().await;
    let metadata = json!({ "jwks_uri": documents.url("/jwks") });
    let broker = Broker::planned(|plan| {
        plan.settings.url_clients.allows_loopback = false;
        plan.clients.push(signer(&metadata));
    })
    .await;
    let signs = FakeIssuer::new(SIGNER);
    let assertion = sign(&signs, &assertion_claims(SIGNER));
    let answer = present(&broker, &assertion, &[]).await;
    answer.assert_refused(503, "temporarily_unavailable");
    assert_eq!(documents.hits(), 0);
}

#[tokio::test]
async fn a_client_registers_with_its_keys_and_redeems_a_code() {
    let broker = Broker::start().await;
    let signs = FakeIssuer::new(SIGNER);
    let document = json!({
        "redirect_uris": ["http://127.0.0.1:33418/callback"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": signs.jwks(),
    });
    let registered = broker.post_json("/oauth/register", &document).await;
    assert_eq!(
        registered.status,
        StatusCode::CREATED,
        "{}",
        registered.body
    );
    let registered = registered.json();
    assert_eq!(registered.get("client_secret"), None);
    assert_eq!(registered["jwks"], signs.jwks());
    let id = registered["client_id"].as_str().unwrap();

    let code = broker.code(id).await;
    let unsigned = broker.redeem(&code).await;
    unsigned.assert_refused(401, "invalid_client");
    let assertion = sign(&signs, &assertion_claims(id));
    let signed = [
        ("client_assertion_type", KIND),
        ("client_assertion", assertion.as_str()),
    ];
    broker.redeem_with(&code, &signed).await.tokens();

    for wrong in [
        json!({ "jwks": null }),
        json!({ "jwks_uri": "https://a.example/jwks" }),
        json!({ "jwks": { "keys": [] } }),
        json!({ "token_endpoint_auth_method": "service_account_jwt" }),
    ] {
        let mut document = document.clone();
        let members = document.as_object_mut().unwrap();
        members.extend(wrong.as_object().unwrap().clone());
        let answer = broker.post_json("/oauth/register", &document).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(answer.json()["error"], "invalid_client_metadata");
    }
}

/// What an administrator enters of a client that signs.
fn entered(change: &Value) -> Value {
    let mut body = json!({
        "client_id": SIGNER,
        "redirect_uris": ["http://127.0.0.1:33418/callback"],
        "token_endpoint_auth_method": "private_key_jwt",
    });
    let members = body.as_object_mut().unwrap();
    members.extend(change.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn an_administrator_enters_a_client_that_signs_and_changes_its_keys() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let signs = FakeIssuer::new(SIGNER);
    let body = entered(&json!({ "jwks": signs.jwks() }));
    let created = admin.create("clients", &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    let created = created.json();
    assert_eq!(created.get("client_secret"), None, "it has none to send");
    assert_eq!(created["secrets"], json!([]));
    assert_eq!(created["metadata"], json!({ "jwks": signs.jwks() }));
    let row = broker.newest().await;
    assert_eq!(row.details["after"]["metadata"]["jwks"], signs.jwks());
    let attempt = || async {
        let assertion = sign(&signs, &assertion_claims(SIGNER));
        present(&broker, &assertion, &[]).await
    };
    assert_authenticated(&attempt().await);

    let path = format!("clients/{SIGNER}");
    let update = |change: Value| {
        let mut body = entered(&change);
        body.as_object_mut().unwrap().remove("client_id");
        let (admin, path) = (&admin, &path);
        async move {
            let any = [("if-match", "*")];
            admin.call("PUT", path, &any, Some(&body)).await
        }
    };
    let renamed = update(json!({ "client_name": "Notes" })).await;
    assert_eq!(renamed.status, StatusCode::OK, "{}", renamed.body);
    assert_eq!(renamed.json()["metadata"]["jwks"], signs.jwks(), "it stays");
    assert_authenticated(&attempt().await);

    let elsewhere = json!({ "jwks_uri": "https://a.example/jwks" });
    let moved = update(elsewhere.clone()).await;
    assert_eq!(moved.json()["metadata"], elsewhere, "in one place only");
    let other = FakeIssuer::new(SIGNER);
    update(json!({ "jwks": other.jwks() })).await;
    attempt().await.assert_refused(401, "invalid_client");
    update(json!({ "jwks": signs.jwks() })).await;
    assert_authenticated(&attempt().await);

    let secret = json!({ "token_endpoint_auth_method": "client_secret_post" });
    let secret = update(secret).await;
    assert_eq!(secret.json()["metadata"], json!({}), "a secret instead");
    attempt().await.assert_refused(401, "invalid_client");
}

#[tokio::test]
async fn keys_that_an_administrator_enters_are_judged_as_those_of_a_registration() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let signs = FakeIssuer::new(SIGNER);
    let mut private = signs.jwks()["keys"][0].clone();
    private["d"] = "AA".into();
    for (change, named) in [
        (json!({}), "jwks"),
        (json!({ "jwks": { "keys": [] } }), "1 to 20 public keys"),
        (json!({ "jwks": { "keys": [private] } }), "private key"),
        (json!({ "jwks_uri": "file:///etc/passwd" }), "web address"),
        (
            json!({ "jwks": signs.jwks(), "jwks_uri": "https://a.example/jwks" }),
            "exclude each other",
        ),
        (
            json!({ "jwks": signs.jwks(), "token_endpoint_auth_method": "none" }),
            "private_key_jwt",
        ),
        (
            json!({ "jwks": signs.jwks(), "token_endpoint_auth_method": "client_secret_basic" }),
            "private_key_jwt",
        ),
        (
            json!({ "token_endpoint_auth_method": "service_account_jwt" }),
            "configured",
        ),
    ] {
        let answer = admin.create("clients", &entered(&change)).await;
        assert_problem(&answer, 400, "invalid-body");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(named), "{change}: {detail}");
        assert!(!detail.contains(".."), "{detail}");
    }
    assert_problem(
        &admin.get(&format!("clients/{SIGNER}")).await,
        404,
        "not-found",
    );
}
