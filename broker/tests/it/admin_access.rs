//! Who may use the admin API, and what is left of the attempts of others.

use std::time::Duration;

use axum::body::Body;
use broker::domain::{Actor, AuditKind, Outcome};
use broker_client::oauth::ErrorCode;
use http::{Request, StatusCode, header};

use crate::administrator::{Administrator, assert_problem};
use crate::harness::{AGENT, Answer, Broker};

#[tokio::test]
async fn a_reader_changes_nothing_and_the_attempt_is_recorded() {
    let broker = Broker::start().await;
    let reader = Administrator::reading(&broker).await;
    for (method, path) in [
        ("POST", "clients"),
        ("PUT", "clients/agent"),
        ("DELETE", "clients/agent"),
        ("POST", "clients/agent/approve"),
        ("POST", "clients/agent/block"),
    ] {
        let answer = reader.call(method, path, &[], None).await;
        assert_problem(&answer, 403, "forbidden");
        let row = broker.newest().await;
        assert_eq!(row.kind, AuditKind::AdminRefused, "{method} {path}");
        assert_eq!(row.actor, Actor::Administrator("auditor".to_owned()));
        assert_eq!(row.outcome, Outcome::Refused(ErrorCode::InsufficientScope));
    }
    let client = reader.get(&format!("clients/{AGENT}")).await.json();
    assert_eq!(
        (&client["status"], &client["version"]),
        (&"approved".into(), &1.into())
    );
}

#[tokio::test]
async fn guesses_leave_some_rows_and_not_one_each() {
    let broker = Broker::start().await;
    let refusals = async || {
        let rows = broker.trail().await;
        rows.into_iter()
            .filter(|row| row.kind == AuditKind::AdminRefused)
            .collect::<Vec<_>>()
    };
    for guess in 0..100 {
        let request = Request::get("/admin/v1/clients")
            .header(header::AUTHORIZATION, format!("Bearer guess-{guess}"))
            .body(Body::empty())
            .unwrap();
        let answer = Answer::of(broker.administration.clone(), request).await;
        assert_problem(&answer, 401, "unauthenticated");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
    }
    let recorded = refusals().await.len();
    assert!((1..100).contains(&recorded), "{recorded}");

    broker.advance(Duration::from_mins(1)).await;
    let request = Request::get("/admin/v1/clients")
        .body(Body::empty())
        .unwrap();
    let answer = Answer::of(broker.administration.clone(), request).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let rows = refusals().await;
    assert_eq!(rows.len(), recorded + 1);
    assert_eq!(rows[0].details["unrecorded_before"], 100 - recorded);
    assert_eq!(rows[0].outcome, Outcome::Refused(ErrorCode::InvalidToken));
    assert_eq!(rows[0].actor, Actor::Anonymous);
}

#[tokio::test]
async fn the_last_use_of_a_token_is_known_to_the_minute() {
    let broker = Broker::start().await;
    let reader = Administrator::reading(&broker).await;
    let used = async || broker.store().admin_tokens().await.unwrap()[0].last_used_at;
    assert_eq!(used().await, None);
    reader.get("clients").await;
    let first = broker.now();
    assert_eq!(used().await, Some(first));
    broker.advance(Duration::from_secs(59)).await;
    reader.get("clients").await;
    assert_eq!(used().await, Some(first), "not a write for every request");
    broker.advance(Duration::from_secs(1)).await;
    reader.get("clients").await;
    assert_eq!(used().await, Some(broker.now()));
}
