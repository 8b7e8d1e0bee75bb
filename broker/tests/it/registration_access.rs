//! Initial access tokens (RFC 7591 §1.2): clients that an administrator wants, registered without him.

use std::time::Duration;

use broker::crypto::Handle;
use broker::domain::{ClientId, ClientStatus, Outcome, RegistrationPolicy};
use broker::storage::RegistrationToken;
use broker_client::oauth::ErrorCode;
use http::{Request, StatusCode};
use serde_json::json;

use crate::harness::{Answer, Broker, REDIRECT_URI};

use RegistrationPolicy::{Approval, Closed, Open};

async fn broker(policy: RegistrationPolicy) -> Broker {
    Broker::planned(|plan| plan.settings.registration = policy).await
}

/// Makes a token as the command line does.
async fn token(broker: &Broker, uses: Option<u32>, life: Option<Duration>) -> String {
    let handle = Handle::generate(&broker.parts.ambient);
    let token = RegistrationToken {
        name: "ci".to_owned(),
        hash: handle.hash(),
        created_at: broker.now(),
        expires_at: life.map(|life| broker.now().plus(life)),
        most_uses: uses,
        uses: 0,
    };
    broker
        .store()
        .insert_registration_token(&token)
        .await
        .unwrap();
    handle.expose().to_owned()
}

async fn register(broker: &Broker, token: &str, redirect_uri: &str) -> Answer {
    let document = json!({
        "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let request = Request::post("/oauth/register")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"));
    let request = request.body(document.to_string().into()).unwrap();
    broker.send(request).await
}

#[tokio::test]
async fn whoever_has_a_token_registers_a_client_that_is_approved() {
    for policy in [Open, Approval, Closed] {
        let broker = broker(policy).await;
        let token = token(&broker, None, None).await;

        let answer = register(&broker, &token, REDIRECT_URI).await;

        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        let id = answer.json()["client_id"].as_str().unwrap().to_owned();
        let stored = broker.store().client(&ClientId::parse(&*id).unwrap()).await;
        assert_eq!(stored.unwrap().unwrap().status, ClientStatus::Approved);
        let event = broker.newest().await;
        assert_eq!(event.details["registration_token"], "ci");
        assert_eq!(event.details["status"], "approved");
        let code = broker.code(&id).await;
        assert_eq!(broker.redeem(&code).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_is_refused_even_where_none_is_needed() {
    for policy in [Open, Approval, Closed] {
        let broker = broker(policy).await;
        let answer = register(&broker, "unknown", REDIRECT_URI).await;
        answer.assert_refused(401, "invalid_token");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"registration\", error=\"invalid_token\"")
        );
        let event = broker.newest().await;
        assert_eq!(event.outcome, Outcome::Refused(ErrorCode::InvalidToken));
    }
}

#[tokio::test]
async fn a_token_works_as_often_as_it_may_and_a_refused_document_does_not_count() {
    let broker = broker(Closed).await;
    let token = token(&broker, Some(2), None).await;
    let refused = register(&broker, &token, "http://evil.example/cb").await;
    refused.assert_refused(400, "invalid_redirect_uri");
    for _ in 0..2 {
        let answer = register(&broker, &token, REDIRECT_URI).await;
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    register(&broker, &token, REDIRECT_URI)
        .await
        .assert_refused(401, "invalid_token");
}

#[tokio::test]
async fn a_token_expires_and_can_be_revoked() {
    let broker = broker(Approval).await;
    let token = token(&broker, None, Some(Duration::from_hours(1))).await;
    let registered = register(&broker, &token, REDIRECT_URI).await;
    assert_eq!(registered.status, StatusCode::CREATED);
    broker.advance(Duration::from_hours(1)).await;
    register(&broker, &token, REDIRECT_URI)
        .await
        .assert_refused(401, "invalid_token");

    assert!(
        broker
            .store()
            .delete_registration_token("ci")
            .await
            .unwrap()
    );
    let endless = self::token(&broker, None, None).await;
    assert!(
        broker
            .store()
            .delete_registration_token("ci")
            .await
            .unwrap()
    );
    register(&broker, &endless, REDIRECT_URI)
        .await
        .assert_refused(401, "invalid_token");
    // Who registered with it stays.
    let id = registered.json()["client_id"].as_str().unwrap().to_owned();
    let code = broker.code(&id).await;
    assert_eq!(broker.redeem(&code).await.status, StatusCode::OK);
}
