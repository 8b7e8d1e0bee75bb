//! The audit trail as administrators read it, and that it holds no secret.

use std::sync::Arc;

use axum::body::Body;
use broker::domain::{Actor, AuditEvent, AuditKind, Timestamp};
use broker::storage::AdminRole;
use http::{Request, StatusCode, header};
use tokio::task::JoinSet;

use crate::administrator::admin_token;
use crate::harness::{AGENT, Answer, Broker, GATEWAY, OTHER_AGENT, alice};

async fn list(broker: &Broker, token: Option<&str>, query: &str) -> Answer {
    let mut request = Request::get(format!("/admin/v1/audit{query}"));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    Answer::of(
        broker.administration.clone(),
        request.body(Body::empty()).unwrap(),
    )
    .await
}

#[tokio::test]
async fn the_trail_says_who_did_what_for_whom_with_what_outcome() {
    let broker = Broker::start().await;
    let token = admin_token(&broker, "ops", AdminRole::Read).await;
    let session = broker.session_with("notes.read").await;
    broker
        .exchange_with(
            &session.access,
            &[("scope", "notes.write"), ("tool", "nc_notes_create_note")],
        )
        .await
        .assert_refused(400, "invalid_scope");

    let answer = list(&broker, Some(&token), "?limit=1").await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let row = answer.json()["items"][0].clone();
    assert_eq!(row["event"], "exchange.refused");
    assert_eq!(row["outcome"], "refused");
    assert_eq!(row["error"], "invalid_scope");
    assert_eq!(
        row["actor"],
        serde_json::json!({"kind": "client", "id": GATEWAY.0})
    );
    assert_eq!(row["client_id"], GATEWAY.0);
    assert_eq!(row["sub"], alice().as_str());
    assert_eq!(row["tool"], "nc_notes_create_note");
    assert_eq!(row["downstream"], "nextcloud");
    assert_eq!(row["at"], "2027-01-15T08:00:00Z");
    assert_eq!(row["request_id"].as_str().unwrap().len(), 32);
    assert!(row["id"].is_i64());
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let broker = Broker::start().await;
    let token = admin_token(&broker, "ops", AdminRole::Write).await;
    for _ in 0..5 {
        broker.session().await;
    }
    let mut seen = Vec::new();
    let mut query = "?limit=2&event=token.issued".to_owned();
    loop {
        let page = list(&broker, Some(&token), &query).await.json();
        for item in page["items"].as_array().unwrap() {
            seen.push(item["id"].as_i64().unwrap());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&event=token.issued&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|newer, older| newer > older), "{seen:?}");
}

#[tokio::test]
async fn the_trail_can_be_filtered() {
    let broker = Broker::start().await;
    let token = admin_token(&broker, "ops", AdminRole::Read).await;
    let session = broker.session().await;
    broker.exchange(&session.access).await;
    let code = broker.code(OTHER_AGENT).await;
    broker.redeem(&code).await;
    for (query, expected) in [
        (
            format!("?client_id={}", GATEWAY.0),
            vec!["exchange.granted", "client.seeded"],
        ),
        (
            format!("?client_id={OTHER_AGENT}"),
            vec!["token.issued", "client.seeded"],
        ),
        (
            format!("?sub={}", alice().as_str()),
            vec!["token.issued", "exchange.granted", "token.issued"],
        ),
        (
            format!("?sub={}&client_id={AGENT}", alice().as_str()),
            vec!["token.issued"],
        ),
        ("?sub=nobody".to_owned(), vec![]),
        ("?until=2027-01-15T08:00:00Z".to_owned(), vec![]),
        (
            "?event=token.issued&from=2027-01-15T08:00:00%2B00:00&until=2027-01-15T08:00:01Z"
                .to_owned(),
            vec!["token.issued", "token.issued"],
        ),
        ("?from=2027-01-15T08:00:01Z".to_owned(), vec![]),
    ] {
        let answer = list(&broker, Some(&token), &query).await.json();
        let events: Vec<_> = answer["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| &item["event"])
            .collect();
        assert_eq!(events, expected, "{query}");
    }
}

#[tokio::test]
async fn a_parameter_that_does_not_fit_is_a_problem() {
    let broker = Broker::start().await;
    let token = admin_token(&broker, "ops", AdminRole::Read).await;
    for query in [
        "?limit=0",
        "?limit=501",
        "?limit=x",
        "?cursor=x",
        "?event=nonsense",
        "?from=yesterday",
        "?sub=a%00",
        "?unknown=1",
    ] {
        let answer = list(&broker, Some(&token), query).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.json()["status"], 400);
    }
}

#[tokio::test]
async fn only_an_admin_token_opens_the_trail() {
    let broker = Broker::start().await;
    let token = admin_token(&broker, "ops", AdminRole::Read).await;
    let session = broker.session().await;
    for wrong in [
        None,
        Some("nonsense"),
        Some(session.access.as_str()),
        Some(&session.refresh),
    ] {
        let answer = list(&broker, wrong, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    assert_eq!(list(&broker, Some(&token), "").await.status, StatusCode::OK);
    assert!(broker.store().delete_admin_token("ops").await.unwrap());
    assert_eq!(
        list(&broker, Some(&token), "").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn no_file_of_the_database_holds_a_token_or_a_secret() {
    let broker = Broker::start().await;
    let code = broker.code(AGENT).await;
    let session = broker.redeem(&code).await.tokens();
    let exchanged = broker.exchange(&session.access).await.tokens().access;
    let next = broker.refresh(&session.refresh).await.tokens();
    broker.refresh(&session.refresh).await;
    broker.redeem(&code).await;

    let secrets = [
        &code.code,
        &session.access,
        &session.refresh,
        &exchanged,
        &next.access,
        &next.refresh,
        &GATEWAY.1.to_owned(),
    ];
    let mut found_the_id_of_the_client = false;
    for file in std::fs::read_dir(broker.database().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        found_the_id_of_the_client |= holds(AGENT.as_bytes());
        for secret in secrets {
            // The signature says enough of a JWT, and is found even where a part of it is kept.
            let needle = secret.rsplit('.').next().unwrap().as_bytes();
            assert!(!holds(needle), "{secret}");
        }
    }
    assert!(
        found_the_id_of_the_client,
        "the search looks at the right files"
    );
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_handed_out() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    let url = format!("sqlite:{}", broker.database().display());
    let database = sea_orm::Database::connect(url).await.unwrap();
    let away = "ALTER TABLE audit_events RENAME TO audit_events_away";
    sea_orm::ConnectionTrait::execute_unprepared(&database, away)
        .await
        .unwrap();

    broker
        .exchange(&session.access)
        .await
        .assert_refused(500, "server_error");
    broker
        .refresh(&session.refresh)
        .await
        .assert_refused(500, "server_error");

    let back = "ALTER TABLE audit_events_away RENAME TO audit_events";
    sea_orm::ConnectionTrait::execute_unprepared(&database, back)
        .await
        .unwrap();
    assert_eq!(
        broker.exchange(&session.access).await.status,
        StatusCode::OK
    );
    assert_eq!(
        broker.refresh(&session.refresh).await.status,
        StatusCode::OK
    );
    assert!(
        broker.newest().await.details.get("repeated").is_none(),
        "the failure spent nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn under_more_load_than_the_database_bears_each_answer_has_its_row() {
    const REQUESTS: usize = 300;
    let broker = Arc::new(Broker::planned(|plan| plan.connections = 1).await);
    let session = broker.session().await;
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        let (broker, access) = (Arc::clone(&broker), session.access.clone());
        requests.spawn(async move { broker.exchange(&access).await.status });
    }
    let answers = requests.join_all().await;
    let granted = answers.iter().filter(|status| **status == StatusCode::OK);
    let granted = granted.count();
    assert_eq!(rows(&broker, AuditKind::ExchangeGranted).await, granted);
    assert!(granted > 0, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_queue_is_full_writers_wait_and_no_row_is_lost() {
    // More than the queue and the batch in progress hold.
    const ROWS: usize = 2_000;
    let broker = Broker::planned(|plan| plan.connections = 1).await;
    let audit = &broker.parts.audit;
    let busy = broker.parts.store.begin().await.unwrap();
    let mut writers = JoinSet::new();
    for _ in 0..ROWS {
        let audit = audit.clone();
        let event = AuditEvent::new(
            Timestamp::from_millis(1),
            AuditKind::TokenRefused,
            Actor::Broker,
        );
        writers.spawn(async move { audit.record(event).await.is_ok() });
    }
    while audit.waiting() < 1_024 {
        tokio::task::yield_now().await;
    }
    busy.commit().await.unwrap();
    // The orderly end of a process writes what is in the queue; who comes later is told so.
    audit.close().await;
    let written = writers.join_all().await;
    let written = written.iter().filter(|written| **written).count();
    assert!(written >= 1_024, "{written}");
    assert_eq!(rows(&broker, AuditKind::TokenRefused).await, written);
}

async fn rows(broker: &Broker, kind: AuditKind) -> usize {
    let rows = broker.parts.store.audit_after(0, None, None, 10_000).await;
    let rows = rows.unwrap();
    rows.iter().filter(|row| row.event.kind == kind).count()
}
