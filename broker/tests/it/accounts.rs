//! The account watch: a Nextcloud account that is disabled or gone takes everything of its user with
//! it, once, and nothing else does.

use std::time::Duration;

use broker::accounts::{AccountWatch, WatchError};
use broker::domain::{Actor, AuditKind, DownstreamName, OfflineGrant, OfflineGrantId, User};
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{AGENT, Broker, Plan, alice};
use crate::nextcloud::FakeNextcloud;

const INTERVAL: Duration = Duration::from_mins(5);

pub(crate) fn watch(broker: &Broker) -> AccountWatch {
    AccountWatch::new(
        broker.store().clone(),
        broker.parts.live.clone(),
        broker.parts.nextcloud.clone().unwrap(),
        broker.parts.offline_tokens.clone(),
        broker.parts.ambient.clone(),
        INTERVAL,
    )
}

/// A Nextcloud and a broker that asks it as its administrator.
async fn installation() -> (Broker, FakeNextcloud) {
    let nextcloud = FakeNextcloud::start().await;
    let broker = Broker::planned(|plan| nextcloud.administered(plan)).await;
    (broker, nextcloud)
}

impl Broker {
    /// Alice lets background jobs act for her.
    async fn offline_grant(&self) -> OfflineGrantId {
        let grant = OfflineGrant {
            id: OfflineGrantId::parse("offline-1").unwrap(),
            sub: alice(),
            downstream: DownstreamName::parse("nextcloud").unwrap(),
            scope: "notes.read".parse().unwrap(),
            granted_at: self.now(),
            failing: None,
            withdrawn_at: None,
        };
        self.store().record_offline_grant(&grant).await.unwrap();
        grant.id
    }

    /// Alice logs in once more.
    async fn alice_logs_in(&self) {
        let alice = User {
            last_login_at: self.now(),
            ..self.store().user(&alice()).await.unwrap().unwrap()
        };
        self.store().record_login(&alice).await.unwrap();
    }

    /// The audit rows about accounts that ended.
    async fn endings(&self) -> Vec<Value> {
        let trail = self.trail().await;
        trail
            .into_iter()
            .filter(|event| event.kind == AuditKind::AccountEnded)
            .map(|event| {
                assert_eq!((event.actor, event.sub), (Actor::Broker, Some(alice())));
                Value::Object(event.details)
            })
            .collect()
    }
}

#[tokio::test]
async fn a_disabled_account_takes_sessions_logins_and_background_access_with_it() {
    let (broker, nextcloud) = installation().await;
    let session = broker.session().await;
    let code = broker.code(AGENT).await;
    let offline = broker.offline_grant().await;
    nextcloud.set("alice", false);

    watch(&broker).turn().await.unwrap();

    broker
        .exchange(&session.access)
        .await
        .assert_refused(400, "invalid_request");
    broker
        .refresh(&session.refresh)
        .await
        .assert_refused(400, "invalid_grant");
    broker
        .redeem(&code)
        .await
        .assert_refused(400, "invalid_grant");
    let offline = broker.store().offline_grant(&offline).await.unwrap();
    assert!(offline.unwrap().withdrawn_at.is_some());
    let [ended] = broker.endings().await.try_into().unwrap();
    assert_eq!(
        ended,
        json!({
            "reason": "disabled", "nextcloud_uid": "alice", "ended_sessions": 1, "ended_logins": 1,
            "withdrawn_offline_grants": 1,
        })
    );
}

#[tokio::test]
async fn a_deleted_account_is_never_minted_for_until_its_user_signs_in_anew() {
    for change in [
        (|_, _| {}) as fn(&FakeNextcloud, &mut Plan),
        FakeNextcloud::administered,
    ] {
        let nextcloud = FakeNextcloud::start().await;
        let broker = Broker::planned(|plan| {
            plan.nextcloud = nextcloud.url.clone();
            change(&nextcloud, plan);
        })
        .await;
        let replica = broker.replica(|_| {}).await;
        let watch = watch(&broker);
        let session = broker.session().await;
        watch.turn().await.unwrap();
        let token = broker.exchange(&session.access).await;
        assert_eq!(token.status, StatusCode::OK, "{}", token.body);

        nextcloud.delete("alice");
        broker.advance(INTERVAL).await;
        watch.turn().await.unwrap();
        broker
            .exchange(&session.access)
            .await
            .assert_refused(400, "invalid_request");
        assert_eq!(broker.endings().await[0]["reason"], "gone");
        // Not by a session that some race leaves behind, either.
        replica.parts.live.refresh().await.unwrap();
        let stray = replica.session().await;
        replica
            .exchange(&stray.access)
            .await
            .assert_refused(400, "invalid_request");

        // The identity provider still knows her: she may be given a new account.
        broker.advance(Duration::from_secs(1)).await;
        broker.alice_logs_in().await;
        let session = broker.session().await;
        let token = broker.exchange(&session.access).await;
        assert_eq!(token.status, StatusCode::OK, "{}", token.body);
        broker.advance(INTERVAL).await;
        watch.turn().await.unwrap();
        assert_eq!(broker.endings().await.len(), 1, "never seen, so not gone");
        assert_eq!(broker.exchange(&session.access).await.status, 200);
    }
}

#[tokio::test]
async fn every_replica_refuses_what_another_found_out() {
    let (broker, nextcloud) = installation().await;
    let replica = broker.replica(|plan| nextcloud.administered(plan)).await;
    let session = broker.session().await;
    assert_eq!(replica.exchange(&session.access).await.status, 200);
    nextcloud.set("alice", false);
    watch(&broker).turn().await.unwrap();
    replica.parts.live.refresh().await.unwrap();
    replica
        .exchange(&session.access)
        .await
        .assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn an_account_is_asked_about_once_in_an_interval_and_by_one_replica() {
    let (broker, nextcloud) = installation().await;
    let replica = broker.replica(|plan| nextcloud.administered(plan)).await;
    let (here, there) = (watch(&broker), watch(&replica));
    here.turn().await.unwrap();
    assert_eq!(nextcloud.asked(), 0, "nobody is here");

    broker.session().await;
    broker.session().await;
    for _ in 0..3 {
        here.turn().await.unwrap();
        there.turn().await.unwrap();
    }
    assert_eq!(nextcloud.asked(), 1);
    broker.advance(INTERVAL).await;
    there.turn().await.unwrap();
    here.turn().await.unwrap();
    assert_eq!(nextcloud.asked(), 2, "another replica takes over");

    // For background access alone, too; not once nothing is left.
    broker
        .store()
        .end_sessions_of_user(&alice(), broker::domain::EndReason::User, broker.now())
        .await
        .unwrap();
    broker.offline_grant().await;
    broker.advance(INTERVAL).await;
    there.turn().await.unwrap();
    assert_eq!(nextcloud.asked(), 3);
    broker
        .store()
        .withdraw_offline_grants(&alice(), None, broker.now())
        .await
        .unwrap();
    broker.advance(INTERVAL).await;
    there.turn().await.unwrap();
    assert_eq!(nextcloud.asked(), 3);
}

#[tokio::test]
async fn an_answer_that_is_none_ends_nothing() {
    let (broker, nextcloud) = installation().await;
    let watch = watch(&broker);
    broker.session().await;
    watch.turn().await.unwrap();
    let not_ours = json!({"message": "nothing here"});
    let elsewhere = json!({"ocs": {"meta": {"statuscode": 998}, "data": []}});
    for (status, body) in [(404, not_ours), (404, elsewhere), (503, json!({}))] {
        nextcloud.set_broken(Some((status, body)));
        broker.advance(INTERVAL).await;
        watch.turn().await.unwrap();
    }
    for status in [401, 403] {
        nextcloud.set_broken(Some((status, json!({}))));
        broker.advance(INTERVAL).await;
        let refused = watch.turn().await;
        assert!(matches!(refused, Err(WatchError::Nextcloud(_))), "{status}");
    }
    assert_eq!(broker.endings().await.len(), 0);
    nextcloud.set_broken(None);
    nextcloud.delete("alice");
    watch.turn().await.unwrap();
    assert_eq!(broker.endings().await.len(), 1, "it was still due");
}

#[tokio::test]
async fn who_has_signed_in_meanwhile_keeps_his_session() {
    let (broker, _nextcloud) = installation().await;
    broker.session().await;
    let store = broker.store();
    let due = store
        .accounts_to_check(broker.now(), broker.now(), 10)
        .await
        .unwrap();
    broker.advance(Duration::from_secs(1)).await;
    broker.alice_logs_in().await;
    assert!(!store.end_account(&due[0], broker.now()).await.unwrap());
}

#[tokio::test]
async fn a_refused_token_makes_the_watch_look_at_once_and_not_too_often() {
    let (broker, nextcloud) = installation().await;
    let watch = watch(&broker);
    let session = broker.session().await;
    watch.turn().await.unwrap();
    let asked = nextcloud.asked();

    let report = [("previous_token", "refused")];
    let token = broker.exchange_with(&session.access, &report).await;
    assert_eq!(token.status, StatusCode::OK);
    assert_eq!(broker.newest().await.details["previous_token"], "refused");
    watch.turn().await.unwrap();
    assert_eq!(nextcloud.asked(), asked, "it has just been looked at");

    broker.advance(Duration::from_secs(5)).await;
    broker.exchange_with(&session.access, &report).await;
    watch.turn().await.unwrap();
    assert_eq!(nextcloud.asked(), asked + 1);
    // Nextcloud says that she is fine, whatever was reported.
    assert_eq!(broker.exchange(&session.access).await.status, 200);

    let odd = [("previous_token", "stolen")];
    broker
        .exchange_with(&session.access, &odd)
        .await
        .assert_refused(400, "invalid_request");
}
