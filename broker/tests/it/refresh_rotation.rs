//! Refresh tokens: RFC 6749 §6, rotation and reuse as in RFC 9700 §4.14.

use std::collections::BTreeSet;
use std::time::Duration;

use broker::domain::{AuditKind, ClientStatus, EndReason, Outcome};
use broker_client::oauth::ErrorCode;
use futures_util::future::join_all;
use http::StatusCode;

use crate::harness::{AGENT, Broker, NOW, OTHER_AGENT, OTHER_RESOURCE, RESOURCE, claims};

const DAY: u64 = 86_400;

fn days(days: u64) -> Duration {
    Duration::from_secs(days * DAY)
}

#[tokio::test]
async fn a_refresh_yields_new_tokens_of_the_same_session() {
    let broker = Broker::start().await;
    let first = broker.session().await;
    broker.advance(Duration::from_mins(5)).await;

    let answer = broker.refresh(&first.refresh).await;

    let next = answer.tokens();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_ne!(next.refresh, first.refresh);
    let (before, after) = (claims(&first.access), claims(&next.access));
    assert_eq!(after["sid"], before["sid"]);
    assert_eq!(after["sub"], before["sub"]);
    assert_eq!(after["aud"], before["aud"]);
    assert_ne!(after["jti"], before["jti"]);
    assert_eq!(after["exp"], NOW + 300 + 600);
    assert_eq!(broker.newest().await.kind, AuditKind::TokenRefreshed);
    assert_eq!(broker.refresh(&next.refresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_hundred_refreshes_of_one_token_at_once_all_get_the_same_successor() {
    let broker = Broker::start().await;
    let session = broker.session().await;

    let answers = join_all((0..100).map(|_| broker.refresh(&session.refresh))).await;

    let successors: BTreeSet<_> = answers
        .iter()
        .map(|answer| answer.tokens().refresh)
        .collect();
    assert_eq!(successors.len(), 1);
    let access: BTreeSet<_> = answers
        .iter()
        .map(|answer| answer.tokens().access)
        .collect();
    assert_eq!(access.len(), 100, "each its own access token");
    let trail = broker.trail().await;
    let rows: Vec<_> = trail
        .iter()
        .filter(|event| event.kind == AuditKind::TokenRefreshed)
        .collect();
    assert_eq!(rows.len(), 100);
    let repeated = rows
        .iter()
        .filter(|event| event.details.contains_key("repeated"));
    assert_eq!(repeated.count(), 99);
    // One branch lives on.
    let successor = successors.first().unwrap();
    assert_eq!(broker.refresh(successor).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_repetition_gets_the_same_successor_for_a_minute_on_any_replica() {
    let broker = Broker::start().await;
    let other = broker.replica(|_| {}).await;
    let session = broker.session().await;
    let successor = broker.refresh(&session.refresh).await.tokens().refresh;

    broker.advance(Duration::from_mins(1)).await;
    assert_eq!(
        other.refresh(&session.refresh).await.tokens().refresh,
        successor
    );

    broker.advance(Duration::from_millis(1)).await;
    broker
        .refresh(&session.refresh)
        .await
        .assert_refused(400, "invalid_grant");
    assert_eq!(broker.newest().await.kind, AuditKind::TokenRefused);
    // Late, but no sign of theft: whoever has the successor goes on.
    assert_eq!(broker.refresh(&successor).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_spent_token_after_its_successor_was_used_ends_the_session() {
    let broker = Broker::start().await;
    let first = broker.session().await;
    let second = broker.refresh(&first.refresh).await.tokens();
    let third = broker.refresh(&second.refresh).await.tokens();

    broker
        .refresh(&first.refresh)
        .await
        .assert_refused(400, "invalid_grant");

    let trail = broker.trail().await;
    assert_eq!(trail[0].kind, AuditKind::RefreshReused);
    assert_eq!(trail[0].outcome, Outcome::Refused(ErrorCode::InvalidGrant));
    assert_eq!(trail[0].client_id.as_ref().unwrap().as_str(), AGENT);
    assert_eq!(trail[1].kind, AuditKind::GrantEnded);
    assert_eq!(
        trail[1].details["reason"],
        EndReason::RefreshReused.as_str()
    );
    broker
        .refresh(&third.refresh)
        .await
        .assert_refused(400, "invalid_grant");
    broker
        .exchange(&third.access)
        .await
        .assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn a_narrower_scope_holds_for_one_access_token() {
    let broker = Broker::start().await;
    let session = broker.session_with("notes.read notes.write").await;

    let narrow = broker
        .refresh_with(&session.refresh, &[("scope", "notes.read")])
        .await;
    assert_eq!(narrow.json()["scope"], "notes.read");
    assert_eq!(claims(&narrow.tokens().access)["scope"], "notes.read");

    let full = broker.refresh(&narrow.tokens().refresh).await;
    assert_eq!(full.json()["scope"], "notes.read notes.write");
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_the_token_not_lost() {
    let broker = Broker::start().await;
    let cases = [
        (
            "a wider scope",
            "scope",
            "notes.read files.read",
            "invalid_scope",
        ),
        ("no scope at all", "scope", "notes\"read", "invalid_scope"),
        ("another client", "client_id", OTHER_AGENT, "invalid_grant"),
        (
            "another resource",
            "resource",
            OTHER_RESOURCE,
            "invalid_target",
        ),
        (
            "another token",
            "refresh_token",
            "AAAAAAAA",
            "invalid_grant",
        ),
        ("no token", "refresh_token", "", "invalid_request"),
    ];
    for (name, field, value, error) in cases {
        let session = broker.session_with("notes.read").await;
        let answer = broker
            .refresh_with(&session.refresh, &[(field, value)])
            .await;
        assert_eq!(answer.json()["error"], error, "{name}: {}", answer.body);
        answer.assert_refused(400, error);
        assert_eq!(
            broker.newest().await.kind,
            AuditKind::TokenRefused,
            "{name}"
        );
        let honest = broker
            .refresh_with(&session.refresh, &[("resource", RESOURCE)])
            .await;
        assert_eq!(honest.status, StatusCode::OK, "{name}: {}", honest.body);
        assert!(
            broker.newest().await.details.get("repeated").is_none(),
            "{name}: the token was spent"
        );
    }
}

#[tokio::test]
async fn an_unused_token_ends_after_thirty_days_a_used_one_starts_anew() {
    let broker = Broker::start().await;
    let (unused, used) = (broker.session().await, broker.session().await);
    broker.advance(days(29)).await;
    let renewed = broker.refresh(&used.refresh).await.tokens();
    broker.advance(days(1)).await;
    broker
        .refresh(&unused.refresh)
        .await
        .assert_refused(400, "invalid_grant");
    broker.advance(days(28)).await;
    assert_eq!(
        broker.refresh(&renewed.refresh).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn no_session_lasts_longer_than_ninety_days() {
    let broker = Broker::start().await;
    let mut tokens = broker.session().await;
    for _ in 0..4 {
        broker.advance(days(22)).await;
        tokens = broker.refresh(&tokens.refresh).await.tokens();
    }
    broker.advance(Duration::from_secs(2 * DAY - 100)).await;
    let last = broker.refresh(&tokens.refresh).await;
    assert_eq!(
        last.json()["expires_in"],
        100,
        "the access token ends with the session"
    );
    broker.advance(Duration::from_secs(100)).await;
    broker
        .refresh(&last.tokens().refresh)
        .await
        .assert_refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_client_that_was_blocked_cannot_refresh() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    let id = broker::domain::ClientId::parse(AGENT).unwrap();
    let stored = broker.store().client(&id).await.unwrap().unwrap();
    let version = stored.version;
    let blocked = broker::domain::Client {
        status: ClientStatus::Blocked,
        version: version + 1,
        ..stored
    };
    assert!(
        broker
            .store()
            .update_client(&blocked, version)
            .await
            .unwrap()
    );

    broker
        .refresh(&session.refresh)
        .await
        .assert_refused(400, "unauthorized_client");
}
