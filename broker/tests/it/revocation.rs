//! Token revocation: RFC 7009.

use broker::domain::{AuditKind, EndReason, Outcome};
use broker_client::oauth::ErrorCode;
use http::StatusCode;

use crate::harness::{AGENT, Broker, OTHER_AGENT, WEB_APP, claims};

const REVOKE: &str = "/oauth/revoke";

#[tokio::test]
async fn either_token_ends_the_whole_session() {
    let broker = Broker::start().await;
    for hint in ["", "access_token", "refresh_token", "something_else"] {
        for which in ["access", "refresh"] {
            let session = broker.session().await;
            let token = if which == "access" {
                &session.access
            } else {
                &session.refresh
            };
            let fields = [
                ("token", token.as_str()),
                ("client_id", AGENT),
                ("token_type_hint", hint),
            ];

            let answer = broker.post(REVOKE, &fields).await;

            assert_eq!(
                (answer.status, answer.body.as_str()),
                (StatusCode::OK, ""),
                "{which}"
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let trail = broker.trail().await;
            assert_eq!(trail[0].kind, AuditKind::TokenRevoked);
            assert_eq!(trail[0].outcome, Outcome::Ok);
            assert_eq!(trail[1].kind, AuditKind::GrantEnded);
            assert_eq!(trail[1].details["reason"], EndReason::Revoked.as_str());
            let sid = claims(&session.access)["sid"].as_str().unwrap().to_owned();
            assert_eq!(trail[1].grant.as_ref().unwrap().as_str(), sid);
            broker
                .refresh(&session.refresh)
                .await
                .assert_refused(400, "invalid_grant");
            broker
                .exchange(&session.access)
                .await
                .assert_refused(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn revoking_again_or_what_nobody_knows_is_fine() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    for token in [
        session.refresh.as_str(),
        &session.refresh,
        &session.access,
        "unknown",
        "a.b.c",
    ] {
        let answer = broker
            .post(REVOKE, &[("token", token), ("client_id", AGENT)])
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{token}: {}", answer.body);
    }
    let trail = broker.trail().await;
    assert_eq!(
        trail
            .iter()
            .filter(|event| event.kind == AuditKind::GrantEnded)
            .count(),
        1
    );
}

#[tokio::test]
async fn one_session_ends_and_the_others_go_on() {
    let broker = Broker::start().await;
    let (first, second) = (broker.session().await, broker.session().await);
    broker
        .post(REVOKE, &[("token", &first.refresh), ("client_id", AGENT)])
        .await;
    assert_eq!(broker.refresh(&second.refresh).await.status, StatusCode::OK);
    assert_eq!(broker.exchange(&second.access).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_of_another_client_is_not_revoked() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    for token in [&session.access, &session.refresh] {
        let answer = broker
            .post(REVOKE, &[("token", token), ("client_id", OTHER_AGENT)])
            .await;
        answer.assert_refused(400, "invalid_grant");
        let event = broker.newest().await;
        assert_eq!(event.kind, AuditKind::TokenRevoked);
        assert_eq!(event.outcome, Outcome::Refused(ErrorCode::InvalidGrant));
    }
    assert_eq!(
        broker.refresh(&session.refresh).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_client_authenticates_first() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    let nobody = broker.post(REVOKE, &[("token", &session.refresh)]).await;
    nobody.assert_refused(401, "invalid_client");
    let impostor = broker
        .post_as((WEB_APP.0, "wrong"), REVOKE, &[("token", "x")])
        .await;
    impostor.assert_refused(401, "invalid_client");
    assert!(impostor.header("www-authenticate").is_some());
    broker
        .post(REVOKE, &[("client_id", AGENT)])
        .await
        .assert_refused(400, "invalid_request");
    broker
        .post(
            REVOKE,
            &[("token", "a"), ("token", "b"), ("client_id", AGENT)],
        )
        .await
        .assert_refused(400, "invalid_request");
    assert_eq!(
        broker.refresh(&session.refresh).await.status,
        StatusCode::OK
    );
}
