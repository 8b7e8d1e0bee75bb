//! Strategy `upstream_exchange`: the IdP exchanges its own token of this login (RFC 8693).

use std::time::Duration;

use broker::domain::{AuditKind, Catalog, Outcome, Strategy};
use broker_client::oauth::{ErrorCode, Scope, grant_type, token_type};
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::{Browser, planned};
use crate::harness::{Broker, NOW, Plan, Tokens, claims};
use crate::idp::Idp;

/// Nextcloud's tokens are exchanged at the IdP, with this scope.
fn exchanging(plan: &mut Plan, scope: &str) {
    plan.encryption = vec![("key".to_owned(), [7; 32])];
    let downstreams = plan.catalog.downstreams().iter().cloned().map(|mut entry| {
        if entry.name.as_str() == "nextcloud" {
            entry.strategy = Strategy::UpstreamExchange;
            entry.exchange_scope = Scope::from_tokens(scope.split_whitespace()).unwrap();
        }
        entry
    });
    plan.catalog = Catalog::new(plan.catalog.resources().to_vec(), downstreams.collect());
}

async fn logged_in() -> (Broker, Idp, Tokens) {
    logged_in_with("").await
}

async fn logged_in_with(scope: &str) -> (Broker, Idp, Tokens) {
    let (broker, idp) = planned(|plan| exchanging(plan, scope)).await;
    let code = Browser::new(&broker).log_in(&idp, &[]).await.code();
    let tokens = broker.redeem(&code).await.tokens();
    (broker, idp, tokens)
}

/// Makes claims wrong.
type Spoil = fn(&mut Value);

/// Asserts that the exchange is refused so, with its audit row.
async fn assert_refused(broker: &Broker, tokens: &Tokens, status: u16, code: ErrorCode) {
    let answer = broker.exchange(&tokens.access).await;
    answer.assert_refused(status, code.as_str());
    assert!(!answer.body.contains("eyJ"), "{}", answer.body);
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ExchangeRefused);
    assert_eq!(row.outcome, Outcome::Refused(code));
    assert_eq!(row.downstream.unwrap().as_str(), "nextcloud");
}

#[tokio::test]
async fn the_idp_is_asked_with_its_own_token_and_what_it_gives_is_handed_on() {
    let (broker, idp, tokens) = logged_in().await;
    let answer = broker.exchange(&tokens.access).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    let token = claims(body["access_token"].as_str().unwrap());
    assert_eq!(token["iss"], idp.issuer());
    assert_eq!(token["aud"], "nextcloud-audience");
    assert_eq!(body["expires_in"], 300);
    assert_eq!(body["token_type"], "Bearer");
    assert!(body.get("refresh_token").is_none());

    let requests = idp.token_requests();
    let asked = requests.last().unwrap();
    assert_eq!(asked["grant_type"], grant_type::TOKEN_EXCHANGE);
    assert_eq!(asked["subject_token"], "upstream-access-token-1");
    assert_eq!(asked["subject_token_type"], token_type::ACCESS_TOKEN);
    assert_eq!(asked["audience"], "nextcloud-audience");
    // The provider's scopes are other words than ours.
    assert_eq!(asked.get("scope"), None);
    assert!(
        !requests
            .iter()
            .any(|form| { form.values().any(|value| value.contains(&tokens.access)) })
    );
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ExchangeGranted);
    assert_eq!(row.details["strategy"], "upstream_exchange");
}

#[tokio::test]
async fn a_configured_scope_is_asked_for() {
    let (broker, idp, tokens) = logged_in_with("nextcloud profile").await;
    assert_eq!(broker.exchange(&tokens.access).await.status, 200);
    let requests = idp.token_requests();
    assert_eq!(requests.last().unwrap()["scope"], "nextcloud profile");
}

#[tokio::test]
async fn a_token_that_is_not_what_was_asked_for_is_not_handed_on() {
    let spoilt: [(Spoil, ErrorCode); 5] = [
        (
            |claims| claims["aud"] = json!("other"),
            ErrorCode::InvalidTarget,
        ),
        (
            |claims| claims["aud"] = Value::Null,
            ErrorCode::InvalidTarget,
        ),
        (
            |claims| claims["iss"] = json!("https://elsewhere.example"),
            ErrorCode::InvalidTarget,
        ),
        (
            |claims| claims["exp"] = json!(NOW),
            ErrorCode::InvalidRequest,
        ),
        (
            |claims| claims["exp"] = json!(NOW - 1),
            ErrorCode::InvalidRequest,
        ),
    ];
    let (broker, idp, tokens) = logged_in().await;
    for (spoil, code) in spoilt {
        idp.faults().exchanged = spoil;
        assert_refused(&broker, &tokens, 400, code).await;
    }
}

#[tokio::test]
async fn an_opaque_token_is_believed_for_as_long_as_the_idp_says() {
    let (broker, idp, tokens) = logged_in().await;
    idp.faults().exchange_answer = |body| body["access_token"] = json!("opaque");
    let answer = broker.exchange(&tokens.access).await.json();
    assert_eq!(answer["access_token"], "opaque");
    assert_eq!(answer["expires_in"], 300);
    idp.faults().exchange_answer = |body| {
        body["access_token"] = json!("opaque");
        body["expires_in"] = Value::Null;
    };
    assert_refused(&broker, &tokens, 500, ErrorCode::ServerError).await;
    idp.faults().exchange_answer = |body| body["token_type"] = json!("N_A");
    assert_refused(&broker, &tokens, 500, ErrorCode::ServerError).await;
    idp.faults().exchange_answer =
        |body| body["issued_token_type"] = json!("urn:ietf:params:oauth:token-type:refresh_token");
    assert_refused(&broker, &tokens, 500, ErrorCode::ServerError).await;
}

#[tokio::test]
async fn a_refusal_of_the_idp_is_the_callers_and_no_other_strategy_takes_over() {
    let (broker, idp, tokens) = logged_in().await;
    for (status, error, expected, code) in [
        (400, "invalid_grant", 400, ErrorCode::InvalidRequest),
        (400, "invalid_request", 400, ErrorCode::InvalidRequest),
        (403, "access_denied", 400, ErrorCode::AccessDenied),
        (400, "invalid_target", 400, ErrorCode::InvalidTarget),
        (401, "invalid_client", 500, ErrorCode::ServerError),
        (400, "unauthorized_client", 500, ErrorCode::ServerError),
        (503, "whatever", 503, ErrorCode::TemporarilyUnavailable),
        (429, "slow_down", 503, ErrorCode::TemporarilyUnavailable),
    ] {
        let refusal = (
            StatusCode::from_u16(status).unwrap(),
            json!({"error": error}),
        );
        idp.faults().token = Some(refusal);
        assert_refused(&broker, &tokens, expected, code).await;
    }
    // None of it ended the session.
    idp.faults().token = None;
    assert_eq!(broker.exchange(&tokens.access).await.status, 200);
}

#[tokio::test]
async fn a_login_that_the_idp_does_not_renew_ends_the_session() {
    let (broker, idp, tokens) = logged_in().await;
    idp.forget();
    broker.advance(Duration::from_secs(280)).await;
    assert_refused(&broker, &tokens, 400, ErrorCode::InvalidGrant).await;
    let trail = broker.trail().await;
    let ended = trail.iter().find(|row| row.kind == AuditKind::GrantEnded);
    assert_eq!(ended.unwrap().details["reason"], "upstream_ended");
    // So the client starts a new login by itself.
    broker
        .refresh(&tokens.refresh)
        .await
        .assert_refused(400, "invalid_grant");
    let again = broker.exchange(&tokens.access).await;
    again.assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn without_an_encryption_key_it_says_what_is_missing() {
    let (broker, idp) = planned(|plan| {
        exchanging(plan, "");
        plan.encryption.clear();
    })
    .await;
    let code = Browser::new(&broker).log_in(&idp, &[]).await.code();
    let tokens = broker.redeem(&code).await.tokens();
    let answer = broker.exchange(&tokens.access).await;
    answer.assert_refused(500, "server_error");
    assert!(answer.body.contains("keys.encryption"), "{}", answer.body);
}
