//! `/oauth/userinfo`: OIDC Core §5.3, RFC 6750 §3.

use std::time::Duration;

use axum::body::Body;
use broker::domain::{Client, GrantType};
use http::{Method, Request};
use serde_json::json;

use crate::harness::{AGENT, Answer, Broker, OTHER_RESOURCE, alice, client, scope};

async fn ask(broker: &Broker, method: Method, authorization: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri("/oauth/userinfo")
        .header("authorization", authorization)
        .body(Body::empty())
        .unwrap();
    broker.send(request).await
}

#[track_caller]
fn assert_challenged(answer: &Answer) {
    answer.assert_refused(401, "invalid_token");
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(
        challenge.starts_with("Bearer error=\"invalid_token\""),
        "{challenge}"
    );
}

#[tokio::test]
async fn a_token_of_any_resource_tells_whom_it_acts_for() {
    let broker = Broker::start().await;
    let own = broker.session().await.access;
    let code = broker.code_for(AGENT, OTHER_RESOURCE, "notes.read").await;
    let other = broker.redeem(&code).await.tokens().access;
    for (method, token) in [
        (Method::GET, &own),
        (Method::POST, &own),
        (Method::GET, &other),
    ] {
        let answer = ask(&broker, method, &format!("bearer {token}")).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(
            answer.json(),
            json!({
                "sub": alice().as_str(), "name": "Alice", "preferred_username": "alice",
            })
        );
    }
}

#[tokio::test]
async fn without_a_token_it_says_how_to_authenticate_and_no_error() {
    let broker = Broker::start().await;
    for answer in [
        broker.get("/oauth/userinfo").await,
        ask(&broker, Method::GET, "Basic YTpi").await,
    ] {
        assert_eq!(answer.status, 401);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        assert_eq!(answer.body, "");
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_any_more_is_refused() {
    let broker = Broker::start().await;
    for token in ["", "abc", "a.b.c"] {
        assert_challenged(&ask(&broker, Method::GET, &format!("Bearer {token}")).await);
    }
    let session = broker.session().await;
    // A refresh token is no access token.
    assert_challenged(&ask(&broker, Method::GET, &format!("Bearer {}", session.refresh)).await);
    let bearer = format!("Bearer {}", session.access);
    let fields = [("token", session.access.as_str()), ("client_id", AGENT)];
    broker.post("/oauth/revoke", &fields).await;
    assert_challenged(&ask(&broker, Method::GET, &bearer).await);

    let expired = format!("Bearer {}", broker.session().await.access);
    broker.advance(Duration::from_secs(605)).await;
    assert_challenged(&ask(&broker, Method::GET, &expired).await);
}

#[tokio::test]
async fn a_machines_token_acts_for_nobody() {
    let machine = ("machine", "the machine's secret");
    let broker = Broker::planned(|plan| {
        plan.clients.push(Client {
            scope: Some(scope("notes.read")),
            ..client(machine.0, Some(machine.1), &[GrantType::ClientCredentials])
        });
    })
    .await;
    let grant = [("grant_type", "client_credentials")];
    let answer = broker.post_as(machine, "/oauth/token", &grant).await;
    let bearer = format!("Bearer {}", answer.tokens().access);
    assert_challenged(&ask(&broker, Method::GET, &bearer).await);
}
