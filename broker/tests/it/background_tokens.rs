//! Background access with a refresh token of the identity provider: allowed there too, kept sealed,
//! renewed once for all, gone with its withdrawal; and what an attacker makes of it.

use std::sync::Arc;
use std::time::Duration;

use broker::domain::{
    AuditEvent, AuditKind, Catalog, DownstreamName, FailingReason, OfflineGrant, OfflineState,
    Outcome, Strategy,
};
use broker_client::oauth::ErrorCode;
use http::StatusCode;
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::accounts::watch;
use crate::administrator::Administrator;
use crate::browser::{Browser, parameters, planned};
use crate::harness::{Answer, Broker, OFFLINE_CLIENT, Plan};
use crate::idp::{Idp, RefreshTokens};
use crate::nextcloud::FakeNextcloud;
use crate::provisioning::{ASK, JOB, alice, with_a_job};

/// Nextcloud's tokens are the provider's, in sessions and in the background.
fn with_strategy(plan: &mut Plan, strategy: Strategy) {
    with_a_job(plan);
    plan.encryption = vec![("key".to_owned(), [7; 32])];
    let mut downstreams = plan.catalog.downstreams().to_vec();
    for downstream in &mut downstreams {
        downstream.strategy = strategy;
    }
    plan.catalog = Catalog::new(plan.catalog.resources().to_vec(), downstreams);
}

fn session(plan: &mut Plan) {
    with_strategy(plan, Strategy::Session);
}

/// Many callers at once take a while on a slow machine.
fn patient(plan: &mut Plan) {
    session(plan);
    plan.patience = Duration::from_mins(1);
}

async fn broker_and_idp() -> (Broker, Idp) {
    planned(session).await
}

/// A browser that has said yes on our page, and where the provider is asked.
async fn on_the_way<'a>(broker: &'a Broker, idp: &Idp) -> (Browser<'a>, String) {
    let browser = Browser::new(broker);
    let arrived = browser.sign_in(idp, ASK).await;
    let page = browser.get(arrived.location()).await;
    page.assert_page(200, "Allow background access?");
    let sent = browser.answer(&page, "allow").await;
    let to = sent.location().to_owned();
    (browser, to)
}

/// The whole way; returns alice's grant.
async fn allowed(broker: &Broker, idp: &Idp) -> OfflineGrant {
    let (browser, to) = on_the_way(broker, idp).await;
    let back = browser.get(&idp.log_in(&to)).await;
    assert_eq!(back.location(), "/oauth/callback-nextcloud");
    grant(broker, idp).await.unwrap()
}

async fn grant(broker: &Broker, idp: &Idp) -> Option<OfflineGrant> {
    broker.offline_grants(&alice(idp)).await.pop()
}

async fn state(broker: &Broker, idp: &Idp) -> OfflineState {
    let nextcloud = DownstreamName::parse("nextcloud").unwrap();
    let alice = alice(idp);
    let found = broker
        .store()
        .offline_state(&alice, &nextcloud, broker.now());
    found.await.unwrap().0
}

/// The token that the job got, and its life in seconds.
fn token(answer: &Answer) -> (String, u64) {
    let json = answer.json();
    assert_eq!(answer.status, 200, "{json}");
    (
        json["access_token"].as_str().unwrap().to_owned(),
        json["expires_in"].as_u64().unwrap(),
    )
}

async fn exchanged(broker: &Broker, grant: &OfflineGrant) -> Answer {
    broker.exchange_offline(grant.id.as_str(), &[]).await
}

/// The rows of a kind, newest first.
async fn rows(broker: &Broker, kind: AuditKind) -> Vec<AuditEvent> {
    let mut trail = broker.trail().await;
    trail.retain(|row| row.kind == kind);
    trail
}

/// Waits for a row that is written after the answer.
async fn row(broker: &Broker, kind: AuditKind) -> AuditEvent {
    loop {
        if let Some(row) = rows(broker, kind).await.pop() {
            return row;
        }
        tokio::task::yield_now().await;
    }
}

/// Asserts that nothing came of it but a page and an audit row with this reason.
async fn assert_nothing(broker: &Broker, idp: &Idp, reason: Option<&str>, code: ErrorCode) {
    let row = rows(broker, AuditKind::OfflineGranted).await.remove(0);
    assert_eq!(row.outcome, Outcome::Refused(code));
    let noted = row.details.get("reason");
    assert_eq!(noted.and_then(|noted| noted.as_str()), reason);
    assert_eq!(grant(broker, idp).await, None);
}

async fn replica(broker: &Broker, idp: &Idp) -> Broker {
    let issuer = idp.issuer().to_owned();
    broker
        .replica(|plan| {
            patient(plan);
            plan.upstream.issuer = issuer;
        })
        .await
}

#[tokio::test]
async fn a_user_allows_it_at_the_provider_too_and_a_job_gets_its_token() {
    let (broker, idp) = broker_and_idp().await;
    let (browser, to) = on_the_way(&broker, &idp).await;
    assert!(to.starts_with(idp.issuer()), "{to}");
    assert!(
        to.contains(&format!("client_id={}", OFFLINE_CLIENT.0)),
        "{to}"
    );
    assert_eq!(state(&broker, &idp).await, OfflineState::Pending);
    let account = browser.get("/account").await;
    assert!(account.body.contains("not completed"), "{}", account.body);
    assert!(
        grant(&broker, &idp).await.is_none(),
        "nobody can use it yet"
    );

    let back = browser.get(&idp.log_in(&to)).await;
    assert_eq!(back.location(), "/oauth/callback-nextcloud");
    browser
        .get(back.location())
        .await
        .assert_page(200, "Background access is on");
    let granted = rows(&broker, AuditKind::OfflineGranted).await.remove(0);
    assert_eq!(granted.outcome, Outcome::Ok);
    assert_eq!(granted.sub, Some(alice(&idp)));

    let list = broker.post_as(JOB, "/oauth/offline-grants", &[]).await;
    let list = list.json();
    assert_eq!(list["offline_grants"][0]["state"], "active");
    let grant = grant(&broker, &idp).await.unwrap();
    assert_eq!(list["offline_grants"][0]["id"], grant.id.as_str());
    assert_eq!(granted.details["offline_grant"], grant.id.as_str());
    let answer = exchanged(&broker, &grant).await;
    // The first is the sign-in's, which is dropped.
    assert_eq!(token(&answer), ("upstream-access-token-2".to_owned(), 300));
    assert!(answer.json().get("refresh_token").is_none());
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ExchangeGranted);
    assert_eq!(row.details["strategy"], "offline");
    assert_eq!(idp.refreshes(), 0);
}

#[tokio::test]
async fn a_job_is_told_five_minutes_at_most() {
    let (broker, idp) = broker_and_idp().await;
    idp.faults().lifetime = 3600;
    let grant = allowed(&broker, &idp).await;
    assert_eq!(token(&exchanged(&broker, &grant).await).1, 300);
    broker.advance(Duration::from_secs(3400)).await;
    assert_eq!(token(&exchanged(&broker, &grant).await).1, 200);
    assert_eq!(idp.refreshes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_callers_on_two_replicas_cause_one_refresh() {
    let (broker, idp) = planned(patient).await;
    let grant = allowed(&broker, &idp).await;
    let replica = replica(&broker, &idp).await;
    broker.advance(Duration::from_secs(290)).await;
    replica.parts.live.refresh().await.unwrap();
    let (broker, replica) = (Arc::new(broker), Arc::new(replica));
    let mut calls = JoinSet::new();
    for number in 0..200 {
        let at = Arc::clone(if number % 2 == 0 { &broker } else { &replica });
        let grant = grant.clone();
        calls.spawn(async move { token(&exchanged(&at, &grant).await) });
    }
    for answer in calls.join_all().await {
        assert_eq!(answer, ("upstream-access-token-3".to_owned(), 300));
    }
    assert_eq!(idp.refreshes(), 1);
    let renewals = rows(&broker, AuditKind::UpstreamRenewed).await;
    assert_eq!(renewals.len(), 1);
    assert_eq!(renewals[0].details["offline_grant"], grant.id.as_str());
    assert_eq!(renewals[0].downstream, Some(grant.downstream));
}

#[tokio::test]
async fn an_answer_counts_only_in_the_browser_that_began_it() {
    let (broker, idp) = broker_and_idp().await;
    let (mallory, to) = on_the_way(&broker, &idp).await;
    let callback = idp.log_in(&to);

    // Somebody who is not signed in.
    let stranger = Browser::new(&broker).get(&callback).await;
    stranger.assert_page(400, "Please allow it once more");
    assert_nothing(&broker, &idp, None, ErrorCode::InvalidRequest).await;
    // Somebody who is signed in, even as the same user, in another browser.
    let victim = Browser::new(&broker);
    victim.sign_in(&idp, "/account").await;
    victim
        .get(&callback)
        .await
        .assert_page(400, "Please allow it once more");
    assert_nothing(&broker, &idp, None, ErrorCode::InvalidRequest).await;
    // The right browser, another way.
    for forged in [
        callback.replace("state=", "state=0"),
        callback.replace("state=", "nothing="),
    ] {
        mallory
            .get(&forged)
            .await
            .assert_page(400, "Please allow it once more");
        assert_nothing(&broker, &idp, None, ErrorCode::InvalidRequest).await;
    }
    // It was not used up by that.
    assert_eq!(
        mallory.get(&callback).await.location(),
        "/oauth/callback-nextcloud"
    );
}

#[tokio::test]
async fn an_answer_counts_once_and_in_time() {
    let (broker, idp) = broker_and_idp().await;
    let (browser, to) = on_the_way(&broker, &idp).await;
    let callback = idp.log_in(&to);
    browser.get(&callback).await.location();
    let first = grant(&broker, &idp).await.unwrap();
    browser
        .get(&callback)
        .await
        .assert_page(400, "Please allow it once more");
    assert_eq!(grant(&broker, &idp).await, Some(first));

    let (browser, to) = on_the_way(&broker, &idp).await;
    broker.advance(Duration::from_mins(10)).await;
    let late = browser.get(&idp.log_in(&to)).await;
    late.assert_page(400, "Please allow it once more");
    let row = broker.newest().await;
    assert_eq!(row.outcome, Outcome::Refused(ErrorCode::InvalidRequest));
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_not_believed() {
    let (broker, idp) = broker_and_idp().await;
    let (browser, to) = on_the_way(&broker, &idp).await;
    idp.faults().announces_iss = true;
    let good = idp.log_in(&to);
    let (without, _) = good.split_once("&iss=").unwrap();
    for mixed_up in [
        format!("{without}&iss=https%3A%2F%2Fevil.example"),
        format!("{good}&iss=https%3A%2F%2Fevil.example"),
    ] {
        browser
            .get(&mixed_up)
            .await
            .assert_page(400, "Please allow it once more");
        assert_nothing(&broker, &idp, None, ErrorCode::InvalidRequest).await;
    }
    assert!(
        idp.token_requests().iter().all(|form| form
            .get("redirect_uri")
            .is_none_or(|uri| !uri.ends_with("-nextcloud"))),
        "no code of another issuer is sent to ours"
    );
}

#[tokio::test]
async fn who_logs_in_as_somebody_else_there_stores_nothing() {
    let (broker, idp) = broker_and_idp().await;
    let (browser, to) = on_the_way(&broker, &idp).await;
    idp.faults().claims = |claims| claims["sub"] = json!("subject-of-bob");

    let answer = browser.get(&idp.log_in(&to)).await;

    answer.assert_page(403, "You logged in as somebody else");
    let denied = ErrorCode::AccessDenied;
    assert_nothing(&broker, &idp, Some("another_user"), denied).await;
    assert_eq!(state(&broker, &idp).await, OfflineState::None);
    let revoked = row(&broker, AuditKind::UpstreamRevoked).await;
    assert_eq!(revoked.outcome, Outcome::Ok);
    assert_eq!(idp.revoked(), ["upstream-refresh-token-2"]);
}

#[tokio::test]
async fn what_the_provider_does_not_give_is_explained() {
    for (reason, heading) in [
        ("access_denied", "Background access is not allowed"),
        ("nonce", "Background access is not allowed"),
        (
            "no_refresh_token",
            "The identity provider allows no background access",
        ),
    ] {
        let (broker, idp) = broker_and_idp().await;
        let (browser, to) = on_the_way(&broker, &idp).await;
        let callback = match reason {
            "access_denied" => idp.refuse(&to, reason),
            "nonce" => {
                idp.faults().claims = |claims| claims["nonce"] = json!("another");
                idp.log_in(&to)
            }
            _ => {
                idp.faults().refresh_tokens = RefreshTokens::NotGiven;
                idp.log_in(&to)
            }
        };
        browser.get(&callback).await.assert_page(403, heading);
        assert_nothing(&broker, &idp, Some(reason), ErrorCode::AccessDenied).await;
        assert_eq!(state(&broker, &idp).await, OfflineState::None);
    }
}

#[tokio::test]
async fn a_grant_that_the_provider_ended_is_failing_until_it_is_allowed_again() {
    let (broker, idp) = broker_and_idp().await;
    let before = allowed(&broker, &idp).await;
    idp.forget();
    broker.advance(Duration::from_secs(280)).await;

    let refused = exchanged(&broker, &before).await;

    refused.assert_refused(400, "invalid_request");
    let link = "http://127.0.0.1:4280/oauth/authorize-nextcloud?downstream=nextcloud";
    assert!(refused.body.contains(link), "{}", refused.body);
    let failing = rows(&broker, AuditKind::OfflineFailing).await.remove(0);
    assert_eq!(failing.outcome, Outcome::Refused(ErrorCode::InvalidGrant));
    assert_eq!(failing.details["reason"], "refused");
    assert_eq!(state(&broker, &idp).await, OfflineState::Failing);
    // Everybody who looks sees it, and the provider is not asked again.
    let again = exchanged(&broker, &before).await;
    again.assert_refused(400, "invalid_request");
    assert!(again.body.contains(link), "{}", again.body);
    assert_eq!(idp.refreshes(), 1);
    let list = broker.post_as(JOB, "/oauth/offline-grants", &[]).await;
    assert_eq!(list.json()["offline_grants"][0]["state"], "failing");
    let admin = Administrator::new(&broker).await;
    let item = admin.all("offline-grants").await.remove(0);
    assert_eq!(item["state"], "failing");
    assert_eq!(item["failing_reason"], "refused");
    let browser = Browser::new(&broker);
    browser.sign_in(&idp, "/account").await;
    let account = browser.get("/account").await;
    assert!(account.body.contains("Allow again"), "{}", account.body);

    let after = allowed(&broker, &idp).await;
    assert_eq!(after.id, before.id, "jobs go on");
    assert_eq!(state(&broker, &idp).await, OfflineState::Active);
    token(&exchanged(&broker, &after).await);
}

#[tokio::test]
async fn a_provider_that_is_not_well_is_asked_again_and_ends_nothing() {
    let (broker, idp) = broker_and_idp().await;
    let grant = allowed(&broker, &idp).await;
    idp.faults().down = Some(StatusCode::BAD_GATEWAY);
    broker.advance(Duration::from_secs(280)).await;
    assert_eq!(
        token(&exchanged(&broker, &grant).await),
        ("upstream-access-token-2".to_owned(), 20),
        "while it lasts"
    );
    broker.advance(Duration::from_secs(30)).await;
    exchanged(&broker, &grant)
        .await
        .assert_refused(503, "temporarily_unavailable");
    assert_eq!(state(&broker, &idp).await, OfflineState::Active);

    idp.faults().down = None;
    let answer = exchanged(&broker, &grant).await;
    assert_eq!(token(&answer).0, "upstream-access-token-3");

    idp.faults().token = Some((StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"})));
    broker.advance(Duration::from_mins(5)).await;
    let answer = exchanged(&broker, &grant).await;
    answer.assert_refused(500, "server_error");
    assert!(
        answer.body.contains("[upstream.offline]"),
        "{}",
        answer.body
    );
    assert_eq!(state(&broker, &idp).await, OfflineState::Active);
}

/// A process that asks the provider for new tokens and dies before it stores them.
fn dies_while_the_provider_answers(broker: &Broker, idp: &Idp, grant: &OfflineGrant) {
    let gate = Arc::new(Semaphore::new(0));
    let before = idp.refreshes();
    idp.faults().gate = Some(gate);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let process = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap();
            let started = process.block_on(async {
                let replica = Arc::new(replica(broker, idp).await);
                let (asked, grant) = (Arc::clone(&replica), grant.clone());
                tokio::spawn(async move { exchanged(&asked, &grant).await.status });
                while idp.refreshes() == before {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                replica
            });
            process.shutdown_background();
            drop(started);
        });
    });
    idp.faults().gate = None;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_died_before_it_stored_the_answer_is_noticed() {
    let (broker, idp) = broker_and_idp().await;
    let grant = allowed(&broker, &idp).await;
    broker.advance(Duration::from_secs(280)).await;
    dies_while_the_provider_answers(&broker, &idp, &grant);
    let offline_tokens = &broker.parts.offline_tokens;
    assert_eq!(
        offline_tokens.settle_interrupted().await.unwrap(),
        0,
        "it may be at work"
    );

    // The provider is not well: that something was lost is not forgotten over it.
    broker.advance(Duration::from_secs(30)).await;
    idp.faults().down = Some(StatusCode::BAD_GATEWAY);
    for _ in 0..2 {
        assert_eq!(offline_tokens.settle_interrupted().await.unwrap(), 1);
        assert_eq!(state(&broker, &idp).await, OfflineState::Active);
    }
    idp.faults().down = None;
    assert_eq!(offline_tokens.settle_interrupted().await.unwrap(), 1);

    assert_eq!(state(&broker, &idp).await, OfflineState::Failing);
    let failing = self::grant(&broker, &idp).await.unwrap().failing.unwrap();
    assert_eq!(failing, (broker.now(), FailingReason::Interrupted));
    let row = rows(&broker, AuditKind::OfflineFailing).await.remove(0);
    assert_eq!(row.details["reason"], "interrupted");
    exchanged(&broker, &grant)
        .await
        .assert_refused(400, "invalid_request");
    assert_eq!(offline_tokens.settle_interrupted().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_provider_takes_the_old_token_once_more_nothing_was_lost() {
    let (broker, idp) = broker_and_idp().await;
    idp.faults().refresh_tokens = RefreshTokens::Lasting;
    let grant = allowed(&broker, &idp).await;
    broker.advance(Duration::from_secs(280)).await;
    dies_while_the_provider_answers(&broker, &idp, &grant);
    broker.advance(Duration::from_secs(30)).await;

    let answer = exchanged(&broker, &grant).await;

    assert_eq!(token(&answer), ("upstream-access-token-4".to_owned(), 300));
    assert_eq!(state(&broker, &idp).await, OfflineState::Active);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_lose_the_renewed_token() {
    let (broker, idp) = broker_and_idp().await;
    let grant = allowed(&broker, &idp).await;
    broker.advance(Duration::from_secs(280)).await;
    let gate = Arc::new(Semaphore::new(0));
    idp.faults().gate = Some(Arc::clone(&gate));
    let broker = Arc::new(broker);
    let caller = tokio::spawn({
        let (broker, grant) = (Arc::clone(&broker), grant.clone());
        async move { exchanged(&broker, &grant).await.status }
    });
    while idp.refreshes() == 0 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.add_permits(1);
    idp.faults().gate = None;
    let answer = exchanged(&broker, &grant).await;
    assert_eq!(token(&answer).0, "upstream-access-token-3");
    assert_eq!(idp.refreshes(), 1);
}

#[tokio::test]
async fn withdrawing_revokes_at_the_provider_and_deletes() {
    for way in ["user", "administrator", "everything of the user", "account"] {
        let nextcloud = FakeNextcloud::start().await;
        let (broker, idp) = planned(|plan| {
            session(plan);
            nextcloud.administered(plan);
        })
        .await;
        let grant = allowed(&broker, &idp).await;
        let browser = Browser::new(&broker);
        let admin = Administrator::new(&broker).await;
        match way {
            "user" => {
                browser.sign_in(&idp, "/account").await;
                let fields = [("downstream", "nextcloud")];
                let done = browser.press_in_account("/account/withdraw", &fields).await;
                assert_eq!(done.location(), "/account");
            }
            "administrator" => {
                let path = format!("offline-grants/{}/withdraw", grant.id);
                assert_eq!(admin.post(&path).await.status, 200);
            }
            "account" => {
                nextcloud.set("alice", false);
                watch(&broker).turn().await.unwrap();
            }
            _ => {
                let path = format!("users/{}/revoke", alice(&idp));
                assert_eq!(admin.post(&path).await.status, 200);
            }
        }
        let store = broker.store();
        assert!(
            store.offline_tokens(&grant.id).await.unwrap().is_none(),
            "{way}"
        );
        let revoked = row(&broker, AuditKind::UpstreamRevoked).await;
        assert_eq!(revoked.outcome, Outcome::Ok, "{way}");
        assert_eq!(revoked.details["offline_grant"], grant.id.as_str());
        assert_eq!(idp.revoked(), ["upstream-refresh-token-2"], "{way}");
        exchanged(&broker, &grant)
            .await
            .assert_refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_provider_that_does_not_revoke_keeps_nobody_from_withdrawing() {
    for (offered, result, code) in [
        (false, "not_offered", ErrorCode::UnsupportedTokenType),
        (true, "unwell", ErrorCode::TemporarilyUnavailable),
    ] {
        let (broker, idp) = broker_and_idp().await;
        idp.faults().revokes = offered;
        let grant = allowed(&broker, &idp).await;
        idp.faults().down = Some(StatusCode::BAD_GATEWAY);
        let admin = Administrator::new(&broker).await;
        let path = format!("offline-grants/{}/withdraw", grant.id);
        assert_eq!(admin.post(&path).await.json()["state"], "withdrawn");
        let revoked = row(&broker, AuditKind::UpstreamRevoked).await;
        assert_eq!(revoked.outcome, Outcome::Refused(code));
        assert_eq!(revoked.details["result"], result);
        let store = broker.store();
        assert!(store.offline_tokens(&grant.id).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn what_comes_while_it_is_withdrawn_is_given_back() {
    let (broker, idp) = broker_and_idp().await;
    let grant = allowed(&broker, &idp).await;
    broker.advance(Duration::from_secs(280)).await;
    let gate = Arc::new(Semaphore::new(0));
    idp.faults().gate = Some(Arc::clone(&gate));
    let broker = Arc::new(broker);
    let caller = tokio::spawn({
        let (broker, grant) = (Arc::clone(&broker), grant.clone());
        async move { exchanged(&broker, &grant).await }
    });
    while idp.refreshes() == 0 {
        tokio::task::yield_now().await;
    }
    let admin = Administrator::new(&broker).await;
    let path = format!("offline-grants/{}/withdraw", grant.id);
    assert_eq!(admin.post(&path).await.status, 200);
    gate.add_permits(1);

    caller.await.unwrap().assert_refused(400, "invalid_request");
    while idp.revoked() != ["upstream-refresh-token-3"] {
        tokio::task::yield_now().await;
    }
    let store = broker.store();
    assert!(store.offline_tokens(&grant.id).await.unwrap().is_none());
    assert_eq!(state(&broker, &idp).await, OfflineState::Withdrawn);
}

#[tokio::test]
async fn what_is_withdrawn_on_the_way_does_not_come_about() {
    let (broker, idp) = broker_and_idp().await;
    allowed(&broker, &idp).await;
    let (browser, to) = on_the_way(&broker, &idp).await;
    let fields = [("downstream", "nextcloud")];
    browser
        .press_in_account("/account/withdraw", &fields)
        .await
        .location();
    let back = browser.get(&idp.log_in(&to)).await;
    back.assert_page(400, "Please allow it once more");
    assert_eq!(state(&broker, &idp).await, OfflineState::Withdrawn);
}

#[tokio::test]
async fn without_key_or_client_only_this_is_missing() {
    for (change, words) in [
        (
            (|plan| plan.encryption.clear()) as fn(&mut Plan),
            "keys.encryption",
        ),
        (|plan| plan.offline_client = None, "upstream.offline"),
    ] {
        let (broker, idp) = planned(|plan| {
            session(plan);
            change(plan);
        })
        .await;
        let browser = Browser::new(&broker);
        let arrived = browser.sign_in(&idp, ASK).await;
        let page = browser.get(arrived.location()).await;
        page.assert_page(503, "Background access is not possible yet");
        assert!(page.body.contains(words), "{}", page.body);
        browser
            .get("/account")
            .await
            .assert_page(200, "Your account");
        let code = browser.log_in(&idp, &[]).await.code();
        let tokens = broker.redeem(&code).await.tokens();
        broker.refresh(&tokens.refresh).await.tokens();
    }
}

type Spoil = fn(&mut serde_json::Value);

#[tokio::test]
async fn the_provider_exchanges_the_background_token_for_the_audience() {
    let (broker, idp) = planned(|plan| with_strategy(plan, Strategy::UpstreamExchange)).await;
    let grant = allowed(&broker, &idp).await;
    let answer = exchanged(&broker, &grant).await;
    let claims = crate::harness::claims(&token(&answer).0);
    assert_eq!(claims["aud"], "nextcloud-audience");
    let asked = idp.token_requests().pop().unwrap();
    assert_eq!(asked["subject_token"], "upstream-access-token-2");
    assert!(!asked.contains_key("scope"));

    let spoilt: [(Spoil, u16, &str); 4] = [
        (
            |claims| claims["aud"] = json!("elsewhere"),
            400,
            "invalid_target",
        ),
        (|claims| claims["aud"] = json!(null), 400, "invalid_target"),
        (
            |claims| claims["iss"] = json!("https://evil.example"),
            400,
            "invalid_target",
        ),
        (
            |claims| claims["exp"] = json!(1),
            503,
            "temporarily_unavailable",
        ),
    ];
    for (spoil, status, error) in spoilt {
        idp.faults().exchanged = spoil;
        let answer = exchanged(&broker, &grant).await;
        answer.assert_refused(status, error);
        assert_eq!(state(&broker, &idp).await, OfflineState::Active);
    }
}

#[tokio::test]
async fn the_tokens_of_sessions_and_jobs_never_meet() {
    let (broker, idp) = broker_and_idp().await;
    let browser = Browser::new(&broker);
    let code = browser.log_in(&idp, &[]).await.code();
    let session = broker.redeem(&code).await.tokens();
    let of_session = token(&broker.exchange(&session.access).await).0;
    assert_eq!(of_session, "upstream-access-token-1");
    let grant = allowed(&broker, &idp).await;
    let of_job = token(&exchanged(&broker, &grant).await).0;
    assert_eq!(of_job, "upstream-access-token-3");
    assert_eq!(token(&broker.exchange(&session.access).await).0, of_session);

    // Each ends for itself.
    let fields = [("token", session.refresh.as_str()), ("client_id", "agent")];
    assert_eq!(broker.post("/oauth/revoke", &fields).await.status, 200);
    assert_eq!(token(&exchanged(&broker, &grant).await).0, of_job);
    let code = browser.log_in(&idp, &[]).await.code();
    let session = broker.redeem(&code).await.tokens();
    let admin = Administrator::new(&broker).await;
    let path = format!("offline-grants/{}/withdraw", grant.id);
    assert_eq!(admin.post(&path).await.status, 200);
    token(&broker.exchange(&session.access).await);
}

#[tokio::test]
async fn a_row_in_another_place_does_not_open_and_none_shows_a_token() {
    let (broker, idp) = broker_and_idp().await;
    let grant = allowed(&broker, &idp).await;
    let url = format!("sqlite:{}", broker.database().display());
    let connection = sea_orm::Database::connect(url).await.unwrap();
    let file = std::fs::read(broker.database()).unwrap();
    let wal = std::fs::read(broker.database().with_extension("db-wal")).unwrap_or_default();
    for secret in ["upstream-access-token", "upstream-refresh-token"] {
        for bytes in [&file, &wal] {
            let mut windows = bytes.windows(secret.len());
            assert!(
                !windows.any(|window| window == secret.as_bytes()),
                "{secret}"
            );
        }
    }
    // The refresh token in the access token's column: it would be handed out.
    connection
        .execute_unprepared("UPDATE offline_tokens SET access_token = refresh_token")
        .await
        .unwrap();
    let answer = exchanged(&broker, &grant).await;
    answer.assert_refused(500, "server_error");
    assert!(!answer.body.contains("upstream-"), "{}", answer.body);
    // A grant made somebody else's.
    connection
        .execute_unprepared("UPDATE offline_grants SET sub = 'mallory'")
        .await
        .unwrap();
    exchanged(&broker, &grant)
        .await
        .assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn the_way_is_bound_to_state_nonce_and_verifier_of_its_own() {
    let (broker, idp) = broker_and_idp().await;
    let (browser, first) = on_the_way(&broker, &idp).await;
    let page = browser.get(ASK).await;
    let second = browser.answer(&page, "allow").await;
    let first = Answer {
        headers: std::iter::once((http::header::LOCATION, first.parse().unwrap())).collect(),
        status: StatusCode::SEE_OTHER,
        body: String::new(),
    };
    let [one, other] = [&first, &second].map(parameters);
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(one[name], other[name], "{name}");
        assert!(one[name].len() >= 43);
    }
    // The later way counts, the earlier one is over.
    browser
        .get(&idp.log_in(first.location()))
        .await
        .assert_page(400, "Please allow it once more");
    assert_eq!(
        browser.get(&idp.log_in(second.location())).await.location(),
        "/oauth/callback-nextcloud"
    );
}
