//! Administrators by group: access tokens of the identity provider at the admin API.

use axum::body::Body;
use broker::admin::GroupPolicy;
use broker::domain::{Actor, AuditKind, Outcome};
use broker_client::oauth::ErrorCode;
use broker_client::testing::FakeIssuer;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::administrator::assert_problem;
use crate::harness::{AGENT, Answer, Broker};
use crate::idp::Idp;

const AUDIENCE: &str = "broker-admin";

async fn start(idp: &Idp) -> Broker {
    Broker::planned(|plan| {
        idp.issuer().clone_into(&mut plan.upstream.issuer);
        plan.settings.admin_groups = Some(GroupPolicy {
            audience: AUDIENCE.to_owned(),
            claim: "groups".to_owned(),
            read: vec!["auditors".to_owned()],
            write: vec!["ops".to_owned()],
        });
    })
    .await
}

/// What the provider says in the token of somebody in these groups.
fn claims(issuer: &FakeIssuer, groups: &Value) -> Value {
    let mut claims = issuer.claims(AUDIENCE, "openid");
    claims["sub"] = "dana".into();
    claims["groups"] = groups.clone();
    claims
}

async fn ask(broker: &Broker, method: Method, path: &str, token: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(format!("/admin/v1/{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    Answer::of(broker.administration.clone(), request).await
}

#[tokio::test]
async fn who_is_in_the_group_administers_and_is_named_in_the_audit() {
    let idp = Idp::start().await;
    let broker = start(&idp).await;
    let token = idp
        .keys()
        .sign(&claims(idp.keys(), &json!(["staff", "ops"])));
    let answer = ask(&broker, Method::GET, "clients", &token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let block = format!("clients/{AGENT}/block");
    let answer = ask(&broker, Method::POST, &block, &token).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ClientBlocked);
    assert_eq!(row.actor, Actor::Administrator("oidc:dana".to_owned()));
}

#[tokio::test]
async fn a_group_that_may_look_changes_nothing_and_no_group_sees_nothing() {
    let idp = Idp::start().await;
    let broker = start(&idp).await;
    let auditor = idp.keys().sign(&claims(idp.keys(), &json!(["auditors"])));
    let stranger = idp
        .keys()
        .sign(&claims(idp.keys(), &json!(["Ops", "staff"])));
    let block = format!("clients/{AGENT}/block");
    assert_eq!(
        ask(&broker, Method::GET, "clients", &auditor).await.status,
        200
    );
    for (method, path, token) in [
        (Method::POST, block.as_str(), &auditor),
        (Method::GET, "clients", &stranger),
        (Method::POST, block.as_str(), &stranger),
    ] {
        assert_problem(&ask(&broker, method, path, token).await, 403, "forbidden");
        let row = broker.newest().await;
        assert_eq!(row.kind, AuditKind::AdminRefused);
        assert_eq!(row.actor, Actor::Administrator("oidc:dana".to_owned()));
        assert_eq!(row.outcome, Outcome::Refused(ErrorCode::InsufficientScope));
    }
}

#[tokio::test]
async fn only_a_live_access_token_of_the_provider_for_this_api_counts() {
    let idp = Idp::start().await;
    let broker = start(&idp).await;
    let issuer = idp.keys();
    let good = claims(issuer, &json!(["ops"]));
    let with = |claim: &str, value: Value| {
        let mut changed = good.clone();
        changed[claim] = value;
        changed
    };
    let other = FakeIssuer::new(idp.issuer());
    for (what, token) in [
        (
            "another audience",
            issuer.sign(&with("aud", json!("nextcloud"))),
        ),
        ("no audience", issuer.sign(&with("aud", json!([])))),
        (
            "another issuer",
            issuer.sign(&with("iss", json!("https://evil.example"))),
        ),
        ("over", issuer.sign(&with("exp", json!(1)))),
        ("an ID token", issuer.sign(&with("nonce", json!("n")))),
        (
            "Keycloak's ID token",
            issuer.sign(&with("typ", json!("ID"))),
        ),
        (
            "Keycloak's refresh token",
            issuer.sign(&with("typ", json!("Refresh"))),
        ),
        ("no subject", issuer.sign(&with("sub", json!("")))),
        ("unsigned", issuer.mint_unsigned(&good)),
        (
            "the public key as secret",
            issuer.mint_hs256_with_public_key(&good),
        ),
        ("another key", issuer.mint_with_another_key(&good)),
        ("a key the provider does not have", other.sign(&good)),
        ("ours", broker.session().await.access),
        ("nonsense", "a.b.c".to_owned()),
    ] {
        let answer = ask(&broker, Method::GET, "clients", &token).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
    }
    let answer = ask(&broker, Method::GET, "clients", &issuer.sign(&good)).await;
    assert_eq!(
        answer.status, 200,
        "the same token unchanged: {}",
        answer.body
    );
}

#[tokio::test]
async fn without_configured_groups_no_token_of_the_provider_administers() {
    let idp = Idp::start().await;
    let broker = Broker::planned(|plan| idp.issuer().clone_into(&mut plan.upstream.issuer)).await;
    let token = idp.keys().sign(&claims(idp.keys(), &json!(["ops"])));
    let answer = ask(&broker, Method::GET, "clients", &token).await;
    assert_problem(&answer, 401, "unauthenticated");
}
