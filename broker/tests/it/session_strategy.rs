//! Strategy `session`: the IdP's own token of this login, kept sealed, renewed once for all, and gone
//! with the session.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use broker::domain::{AuditKind, Catalog, EndReason, GrantId, Outcome, Strategy};
use broker_client::oauth::ErrorCode;
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::browser::{Browser, planned};
use crate::harness::{Answer, Broker, Plan, Tokens, claims};
use crate::idp::{Idp, RefreshTokens};

/// Nextcloud's tokens come from the login; the others are minted.
fn session(plan: &mut Plan) {
    plan.encryption = vec![("key".to_owned(), [7; 32])];
    let downstreams = plan.catalog.downstreams().iter().cloned().map(|mut entry| {
        if entry.name.as_str() == "nextcloud" {
            entry.strategy = Strategy::Session;
        }
        entry
    });
    plan.catalog = Catalog::new(plan.catalog.resources().to_vec(), downstreams.collect());
}

/// A broker, its IdP, and the tokens of a login that went through the pages.
async fn logged_in() -> (Broker, Idp, Tokens) {
    let (broker, idp) = planned(session).await;
    let tokens = log_in(&broker, &idp).await;
    (broker, idp, tokens)
}

async fn log_in(broker: &Broker, idp: &Idp) -> Tokens {
    let code = Browser::new(broker).log_in(idp, &[]).await.code();
    broker.redeem(&code).await.tokens()
}

fn grant(tokens: &Tokens) -> GrantId {
    GrantId::parse(claims(&tokens.access)["sid"].as_str().unwrap()).unwrap()
}

/// The token that the gateway got, and its life in seconds.
fn token(answer: &Answer) -> (String, u64) {
    let json = answer.json();
    assert_eq!(answer.status, 200, "{json}");
    (
        json["access_token"].as_str().unwrap().to_owned(),
        json["expires_in"].as_u64().unwrap(),
    )
}

/// The MCP client renews its access token, which is shorter than a test's leap in time.
async fn renewed(broker: &Broker, tokens: &Tokens) -> Tokens {
    broker.refresh(&tokens.refresh).await.tokens()
}

async fn end_reason(broker: &Broker, tokens: &Tokens) -> Option<EndReason> {
    let stored = broker.store().grant(&grant(tokens)).await.unwrap();
    stored.unwrap().ended.map(|(_, reason)| reason)
}

#[tokio::test]
async fn the_gateway_gets_the_providers_token_of_this_login_and_nobody_else_does() {
    let (broker, idp, tokens) = logged_in().await;
    let answer = broker.exchange(&tokens.access).await;
    assert_eq!(token(&answer), ("upstream-access-token-1".to_owned(), 300));
    assert!(answer.json().get("refresh_token").is_none());
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ExchangeGranted);
    assert_eq!(row.details["strategy"], "session");

    // Another login, another token.
    let other = log_in(&broker, &idp).await;
    let answer = broker.exchange(&other.access).await;
    assert_eq!(token(&answer).0, "upstream-access-token-2");
    assert_eq!(
        token(&broker.exchange(&tokens.access).await).0,
        "upstream-access-token-1"
    );
    assert_eq!(idp.refreshes(), 0);
}

#[tokio::test]
async fn what_is_handed_out_never_outlives_the_subject_token() {
    let (broker, idp) = planned(|plan| {
        session(plan);
        plan.settings.access_token = Duration::from_mins(1);
    })
    .await;
    let tokens = log_in(&broker, &idp).await;
    broker.advance(Duration::from_secs(20)).await;
    assert_eq!(token(&broker.exchange(&tokens.access).await).1, 40);
}

#[tokio::test]
async fn many_callers_on_two_replicas_cause_one_renewal() {
    // Many callers at once take a while on a slow machine.
    let patient = |plan: &mut Plan| {
        session(plan);
        plan.patience = Duration::from_mins(1);
    };
    let (broker, idp) = planned(patient).await;
    let tokens = log_in(&broker, &idp).await;
    let issuer = idp.issuer().to_owned();
    let replica = broker
        .replica(|plan| {
            patient(plan);
            plan.upstream.issuer = issuer;
        })
        .await;
    broker.advance(Duration::from_secs(269)).await;
    replica.parts.live.refresh().await.unwrap();
    assert_eq!(
        token(&broker.exchange(&tokens.access).await),
        ("upstream-access-token-1".to_owned(), 31)
    );

    broker.advance(Duration::from_secs(1)).await;
    replica.parts.live.refresh().await.unwrap();
    let (broker, replica) = (Arc::new(broker), Arc::new(replica));
    let mut calls = JoinSet::new();
    for number in 0..40 {
        let at = Arc::clone(if number % 2 == 0 { &broker } else { &replica });
        let access = tokens.access.clone();
        calls.spawn(async move { token(&at.exchange(&access).await) });
    }
    for answer in calls.join_all().await {
        assert_eq!(answer, ("upstream-access-token-2".to_owned(), 300));
    }
    assert_eq!(idp.refreshes(), 1);
    let trail = broker.trail().await;
    let renewals: Vec<_> = trail
        .iter()
        .filter(|row| row.kind == AuditKind::UpstreamRenewed)
        .collect();
    assert_eq!(renewals.len(), 1);
    assert_eq!(renewals[0].outcome, Outcome::Ok);
    assert_eq!(renewals[0].grant, Some(grant(&tokens)));
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_lose_the_renewed_token() {
    let (broker, idp, tokens) = logged_in().await;
    broker.advance(Duration::from_secs(280)).await;
    let gate = Arc::new(Semaphore::new(0));
    idp.faults().gate = Some(Arc::clone(&gate));
    let broker = Arc::new(broker);
    let caller = tokio::spawn({
        let (broker, access) = (Arc::clone(&broker), tokens.access.clone());
        async move { broker.exchange(&access).await.status }
    });
    while idp.refreshes() == 0 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    idp.faults().gate = None;

    // The provider has spent the old refresh token; the answer was not lost with the caller.
    let answer = broker.exchange(&tokens.access).await;
    assert_eq!(token(&answer).0, "upstream-access-token-2");
    assert_eq!(idp.refreshes(), 1);
}

#[tokio::test]
async fn the_tokens_end_with_the_session() {
    let (broker, _idp, tokens) = logged_in().await;
    let id = grant(&tokens);
    let kept = || broker.store().upstream_tokens(&id);
    assert!(kept().await.unwrap().is_some());
    let fields = [("token", tokens.refresh.as_str()), ("client_id", "agent")];
    assert_eq!(broker.post("/oauth/revoke", &fields).await.status, 200);
    assert!(kept().await.unwrap().is_none());
    broker
        .exchange(&tokens.access)
        .await
        .assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn a_provider_that_ended_the_login_ends_the_session() {
    let (broker, idp, tokens) = logged_in().await;
    idp.forget();
    broker.advance(Duration::from_secs(280)).await;
    let answer = broker.exchange(&tokens.access).await;
    answer.assert_refused(400, "invalid_grant");
    assert!(answer.body.contains("log in again"), "{}", answer.body);
    assert_eq!(
        end_reason(&broker, &tokens).await,
        Some(EndReason::UpstreamEnded)
    );
    let trail = broker.trail().await;
    let row = |kind| trail.iter().find(|row| row.kind == kind).unwrap();
    let refused = Outcome::Refused(ErrorCode::InvalidGrant);
    assert_eq!(row(AuditKind::UpstreamRenewed).outcome, refused);
    assert_eq!(row(AuditKind::ExchangeRefused).outcome, refused);
    assert_eq!(
        row(AuditKind::GrantEnded).details["reason"],
        "upstream_ended"
    );

    // So the client starts a new login by itself, and the provider is not asked again.
    broker
        .refresh(&tokens.refresh)
        .await
        .assert_refused(400, "invalid_grant");
    broker
        .exchange(&tokens.access)
        .await
        .assert_refused(400, "invalid_request");
    assert_eq!(idp.refreshes(), 1);
}

#[tokio::test]
async fn without_a_refresh_token_the_session_lasts_as_long_as_the_access_token() {
    let (broker, idp) = planned(session).await;
    idp.faults().refresh_tokens = RefreshTokens::NotGiven;
    let tokens = log_in(&broker, &idp).await;
    broker.advance(Duration::from_secs(299)).await;
    assert_eq!(token(&broker.exchange(&tokens.access).await).1, 1);
    broker.advance(Duration::from_secs(1)).await;
    broker
        .exchange(&tokens.access)
        .await
        .assert_refused(400, "invalid_grant");
    assert_eq!(
        end_reason(&broker, &tokens).await,
        Some(EndReason::UpstreamEnded)
    );
}

#[tokio::test]
async fn a_provider_that_is_not_well_is_asked_again_and_ends_nothing() {
    let (broker, idp, tokens) = logged_in().await;
    idp.faults().down = Some(http::StatusCode::BAD_GATEWAY);
    broker.advance(Duration::from_secs(280)).await;
    let answer = broker.exchange(&tokens.access).await;
    assert_eq!(
        token(&answer),
        ("upstream-access-token-1".to_owned(), 20),
        "while it lasts"
    );

    broker.advance(Duration::from_secs(30)).await;
    let answer = broker.exchange(&tokens.access).await;
    answer.assert_refused(503, "temporarily_unavailable");
    assert_eq!(end_reason(&broker, &tokens).await, None);

    idp.faults().down = None;
    let answer = broker.exchange(&tokens.access).await;
    assert_eq!(token(&answer).0, "upstream-access-token-2");
    let fresh = renewed(&broker, &tokens).await;
    assert_eq!(
        token(&broker.exchange(&fresh.access).await).0,
        "upstream-access-token-2"
    );
}

#[tokio::test]
async fn a_provider_that_refuses_us_ends_nothing_and_is_the_administrators_matter() {
    let (broker, idp, tokens) = logged_in().await;
    idp.faults().token = Some((
        http::StatusCode::UNAUTHORIZED,
        json!({"error": "invalid_client"}),
    ));
    broker.advance(Duration::from_secs(280)).await;
    let answer = broker.exchange(&tokens.access).await;
    answer.assert_refused(500, "server_error");
    assert!(answer.body.contains("[upstream]"), "{}", answer.body);
    assert_eq!(end_reason(&broker, &tokens).await, None);
}

#[tokio::test]
async fn without_an_encryption_key_only_this_strategy_is_missing() {
    let (broker, idp) = planned(|plan| {
        session(plan);
        plan.encryption.clear();
    })
    .await;
    let tokens = log_in(&broker, &idp).await;
    let answer = broker.exchange(&tokens.access).await;
    answer.assert_refused(500, "server_error");
    assert!(answer.body.contains("keys.encryption"), "{}", answer.body);
    assert_eq!(end_reason(&broker, &tokens).await, None);
    assert!(
        broker
            .store()
            .upstream_tokens(&grant(&tokens))
            .await
            .unwrap()
            .is_none()
    );
    renewed(&broker, &tokens).await;
}

#[tokio::test]
async fn where_no_downstream_needs_them_no_tokens_are_kept() {
    let (broker, idp) = planned(|plan| plan.encryption = vec![("key".to_owned(), [7; 32])]).await;
    let tokens = log_in(&broker, &idp).await;
    assert!(
        broker
            .store()
            .upstream_tokens(&grant(&tokens))
            .await
            .unwrap()
            .is_none()
    );
    token(&broker.exchange(&tokens.access).await);
}

#[tokio::test]
async fn a_token_that_says_it_is_for_another_api_goes_nowhere() {
    type Shape = fn(String) -> String;
    fn jwt(claims: &serde_json::Value) -> String {
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!(
            "{}.{}.signature",
            part(&json!({"alg": "ES256"})),
            part(claims)
        )
    }
    let shapes: [(Shape, bool); 3] = [
        (|_| jwt(&json!({"aud": ["x", "nextcloud-audience"]})), true),
        (|_| jwt(&json!({"aud": "another"})), false),
        (|_| jwt(&json!({"iss": "https://evil.example"})), false),
    ];
    for (shape, fits) in shapes {
        let (broker, idp) = planned(session).await;
        idp.faults().access_token = shape;
        let tokens = log_in(&broker, &idp).await;
        let answer = broker.exchange(&tokens.access).await;
        if fits {
            token(&answer);
        } else {
            answer.assert_refused(400, "invalid_target");
            assert_eq!(end_reason(&broker, &tokens).await, None);
        }
    }
}

#[tokio::test]
async fn a_token_moved_to_another_session_or_user_does_not_open() {
    let (broker, idp, tokens) = logged_in().await;
    let victim = log_in(&broker, &idp).await;
    let url = format!("sqlite:{}", broker.database().display());
    let connection = sea_orm::Database::connect(url).await.unwrap();
    let run = async |sql: String| {
        connection.execute_unprepared(&sql).await.unwrap();
    };
    let (mine, his) = (grant(&tokens), grant(&victim));
    // The sealed value of one row in another one.
    run(format!(
        "UPDATE upstream_tokens SET access_token = (SELECT access_token FROM upstream_tokens \
         WHERE grant_id = '{his}') WHERE grant_id = '{mine}'"
    ))
    .await;
    let answer = broker.exchange(&tokens.access).await;
    answer.assert_refused(500, "server_error");
    assert!(!answer.body.contains("upstream-access-token"));
    // A whole row, made somebody else's.
    run(format!(
        "UPDATE upstream_tokens SET sub = 'mallory' WHERE grant_id = '{his}'"
    ))
    .await;
    broker
        .exchange(&victim.access)
        .await
        .assert_refused(400, "invalid_grant");
}
