//! Offline grants, users on their way to allow one, and the tokens that the identity provider gave.

use std::time::Duration;

use broker::domain::{
    ClientId, DownstreamName, FailingReason, OfflineGrant, OfflineGrantId, OfflineRequest,
    OfflineRequestId, OfflineState,
};
use broker::storage::{Lease, SealedOfflineTokens, Store};

use super::accounts::user;
use super::database::Database;
use super::values::{at, client, subject};
use super::{KEEP, on_both, race};

on_both! {
    an_offline_grant_reads_back_in_every_state
    a_request_is_answered_once_by_its_user_and_in_time
    withdrawing_deletes_the_tokens_and_ends_what_is_under_way
    of_many_that_lease_offline_tokens_one_renews_them
    a_lease_that_was_never_given_back_stays_to_be_seen
    a_grant_fails_by_the_hand_of_whoever_holds_the_lease
    a_working_grant_is_found_by_its_users_nextcloud_uid
    what_is_over_is_purged
}

fn nextcloud() -> DownstreamName {
    DownstreamName::parse("nextcloud").unwrap()
}

fn id(text: &str) -> OfflineGrantId {
    OfflineGrantId::parse(text).unwrap()
}

fn grant(text: &str) -> OfflineGrant {
    OfflineGrant {
        id: id(text),
        sub: subject("alice"),
        downstream: nextcloud(),
        scope: "b a".parse().unwrap(),
        granted_at: at(1),
        failing: None,
        withdrawn_at: None,
    }
}

fn tokens(of: &OfflineGrant) -> SealedOfflineTokens {
    SealedOfflineTokens {
        grant: of.id.clone(),
        sub: of.sub.clone(),
        access_token: vec![1, 2],
        refresh_token: vec![3, 4],
        expires_at: Some(at(300)),
        renew_at: Some(at(270)),
        version: 0,
        leased_until: None,
    }
}

fn request(text: &str) -> OfflineRequest {
    OfflineRequest {
        id: OfflineRequestId::parse(text).unwrap(),
        sub: subject("alice"),
        downstream: nextcloud(),
        scope: "a".parse().unwrap(),
        expires_at: at(100),
    }
}

const fn lease(number: u8, until: i64) -> Lease {
    Lease {
        holder: [number; 16],
        until: at(until),
    }
}

async fn with_tokens(database: &Database) -> (Store, OfflineGrant) {
    let store = database.open().await;
    let grant = grant("grant");
    store.record_offline_grant(&grant).await.unwrap();
    store.record_offline_tokens(&tokens(&grant)).await.unwrap();
    (store, grant)
}

async fn state(store: &Store, now: i64) -> OfflineState {
    let alice = subject("alice");
    let found = store.offline_state(&alice, &nextcloud(), at(now)).await;
    found.unwrap().0
}

async fn an_offline_grant_reads_back_in_every_state(database: Database) {
    let store = database.open().await;
    assert_eq!(state(&store, 1).await, OfflineState::None);
    for (failing, withdrawn_at, expected) in [
        (None, None, OfflineState::Active),
        (
            Some((at(2), FailingReason::Interrupted)),
            None,
            OfflineState::Failing,
        ),
        (
            Some((at(2), FailingReason::Refused)),
            Some(at(3)),
            OfflineState::Withdrawn,
        ),
    ] {
        let grant = OfflineGrant {
            failing,
            withdrawn_at,
            ..grant("grant")
        };
        store.record_offline_grant(&grant).await.unwrap();
        assert_eq!(store.offline_grant(&grant.id).await.unwrap(), Some(grant));
        assert_eq!(state(&store, 1).await, expected);
    }
    store.record_offline_grant(&grant("again")).await.unwrap();
    assert_eq!(state(&store, 1).await, OfflineState::Active);
    assert_eq!(store.offline_grant(&id("grant")).await.unwrap(), None);
}

async fn a_request_is_answered_once_by_its_user_and_in_time(database: Database) {
    let store = database.open().await;
    let asked = request("asked");
    store
        .record_offline_request(&request("before"))
        .await
        .unwrap();
    store.record_offline_request(&asked).await.unwrap();
    let answer = |id: &OfflineRequestId, who: &str, now: i64| {
        let (store, id, who) = (store.clone(), id.clone(), subject(who));
        async move {
            store
                .answer_offline_request(&id, &who, at(now))
                .await
                .unwrap()
        }
    };
    assert_eq!(state(&store, 99).await, OfflineState::Pending);
    assert_eq!(state(&store, 100).await, OfflineState::None);
    assert_eq!(
        answer(&request("before").id, "alice", 5).await,
        None,
        "replaced"
    );
    assert_eq!(answer(&asked.id, "mallory", 5).await, None);
    assert_eq!(answer(&asked.id, "alice", 100).await, None, "too late");
    assert_eq!(answer(&asked.id, "alice", 99).await, Some(asked.clone()));
    assert_eq!(answer(&asked.id, "alice", 99).await, None, "once");
    assert!(store.end_offline_request(&asked.id).await.unwrap());
    assert!(!store.end_offline_request(&asked.id).await.unwrap());
    assert_eq!(state(&store, 5).await, OfflineState::None);
}

async fn withdrawing_deletes_the_tokens_and_ends_what_is_under_way(database: Database) {
    let (store, mine) = with_tokens(&database).await;
    let his = OfflineGrant {
        sub: subject("bob"),
        ..grant("his")
    };
    store.record_offline_grant(&his).await.unwrap();
    store.record_offline_tokens(&tokens(&his)).await.unwrap();
    store
        .record_offline_request(&request("asked"))
        .await
        .unwrap();
    let alice = subject("alice");
    let of_alice = store.offline_tokens_of(&alice, None).await.unwrap();
    assert!(of_alice == [tokens(&mine)]);

    let transaction = store.begin().await.unwrap();
    let there = nextcloud();
    let withdrawn = transaction.withdraw_offline_grants(&alice, Some(&there), at(9));
    assert_eq!(withdrawn.await.unwrap(), 1);
    transaction.commit().await.unwrap();

    assert!(store.offline_tokens(&mine.id).await.unwrap().is_none());
    assert!(store.offline_tokens(&his.id).await.unwrap().is_some());
    assert!(
        !store
            .end_offline_request(&request("asked").id)
            .await
            .unwrap()
    );
    assert_eq!(state(&store, 9).await, OfflineState::Withdrawn);
}

async fn a_working_grant_is_found_by_its_users_nextcloud_uid(database: Database) {
    let store = database.open().await;
    let alice = user("alice", Some("alice.nc"));
    store.record_login(&alice).await.unwrap();
    let job = client("job");
    store.insert_client(&job).await.unwrap();
    let mut no_job = client("no-job");
    no_job.background = false;
    store.insert_client(&no_job).await.unwrap();
    let has = async |client_id: &ClientId, downstream: &str, uid: &str| {
        let downstreams = [DownstreamName::parse(downstream).unwrap()];
        let found = store.has_offline_grant_for(client_id, &downstreams, uid);
        found.await.unwrap()
    };
    assert!(!has(&job.id, "nextcloud", "alice.nc").await);
    let standing = grant("grant");
    store.record_offline_grant(&standing).await.unwrap();
    assert!(has(&job.id, "nextcloud", "alice.nc").await);
    for (client_id, downstream, uid) in [
        (&no_job.id, "nextcloud", "alice.nc"),
        (&job.id, "vault", "alice.nc"),
        (&job.id, "nextcloud", "alice"),
        (&job.id, "nextcloud", "Alice.nc"),
    ] {
        assert!(!has(client_id, downstream, uid).await, "{downstream} {uid}");
    }
    let failing = OfflineGrant {
        failing: Some((at(2), FailingReason::Refused)),
        ..standing.clone()
    };
    let withdrawn = OfflineGrant {
        withdrawn_at: Some(at(2)),
        ..standing
    };
    for ended in [failing, withdrawn] {
        store.record_offline_grant(&ended).await.unwrap();
        assert!(!has(&job.id, "nextcloud", "alice.nc").await, "{ended:?}");
    }
}

async fn of_many_that_lease_offline_tokens_one_renews_them(database: Database) {
    let (store, grant) = with_tokens(&database).await;
    let take = |number: u8, version: i64| {
        let (store, id) = (store.clone(), grant.id.clone());
        async move {
            let lease = lease(number, 30);
            store.lease_offline_tokens(&id, version, lease, at(1)).await
        }
    };
    assert_eq!(race(|number| take(number, 0)).await, 1);
    // Allowed again meanwhile: whoever renews the old tokens comes too late.
    store.record_offline_tokens(&tokens(&grant)).await.unwrap();
    let next = SealedOfflineTokens {
        refresh_token: vec![9],
        version: 2,
        ..tokens(&grant)
    };
    for number in 0..8 {
        let late = store.renew_offline_tokens(&next, lease(number, 30)).await;
        assert!(!late.unwrap());
    }
    assert!(!take(1, 0).await.unwrap(), "another version");
    assert!(take(1, 1).await.unwrap());
    assert!(
        store
            .renew_offline_tokens(&next, lease(1, 30))
            .await
            .unwrap()
    );
    assert!(
        !store
            .renew_offline_tokens(&next, lease(1, 30))
            .await
            .unwrap()
    );
    assert!(store.offline_tokens(&grant.id).await.unwrap() == Some(next));
}

async fn a_lease_that_was_never_given_back_stays_to_be_seen(database: Database) {
    let (store, grant) = with_tokens(&database).await;
    let interrupted = async |now: i64| {
        let found = store.interrupted_offline_grants(at(now), 10).await;
        found.unwrap()
    };
    let take = async |number: u8, now: i64| {
        let lease = lease(number, now + 30);
        let taken = store.lease_offline_tokens(&grant.id, 0, lease, at(now));
        assert!(taken.await.unwrap());
        lease
    };
    let first = take(1, 1).await;
    assert!(interrupted(30).await.is_empty(), "at work");
    assert_eq!(
        interrupted(31).await,
        std::slice::from_ref(&grant.id),
        "died"
    );
    let second = take(2, 31).await;
    assert!(interrupted(32).await.is_empty(), "somebody looks after it");
    store
        .release_offline_tokens(&grant.id, second, Some(first.until))
        .await
        .unwrap();
    assert_eq!(
        interrupted(32).await,
        std::slice::from_ref(&grant.id),
        "without success"
    );
    let third = take(3, 33).await;
    let next = SealedOfflineTokens {
        version: 1,
        ..tokens(&grant)
    };
    assert!(store.renew_offline_tokens(&next, third).await.unwrap());
    assert!(interrupted(1000).await.is_empty());
}

async fn a_grant_fails_by_the_hand_of_whoever_holds_the_lease(database: Database) {
    let (store, grant) = with_tokens(&database).await;
    let fail = async |number: u8| {
        let transaction = store.begin().await.unwrap();
        let reason = FailingReason::Refused;
        let failed = transaction.fail_offline_grant(&grant.id, lease(number, 30), reason, at(7));
        let failed = failed.await.unwrap();
        transaction.commit().await.unwrap();
        failed
    };
    assert!(!fail(1).await);
    assert_eq!(state(&store, 7).await, OfflineState::Active);
    let taken = store.lease_offline_tokens(&grant.id, 0, lease(1, 30), at(1));
    assert!(taken.await.unwrap());
    assert!(fail(1).await);
    assert_eq!(state(&store, 7).await, OfflineState::Failing);
    assert!(store.offline_tokens(&grant.id).await.unwrap().is_none());
    let stored = store.offline_grant(&grant.id).await.unwrap().unwrap();
    assert_eq!(stored.failing, Some((at(7), FailingReason::Refused)));
}

async fn what_is_over_is_purged(database: Database) {
    let (store, grant) = with_tokens(&database).await;
    store
        .record_offline_request(&request("asked"))
        .await
        .unwrap();
    assert_eq!(store.purge(at(99), KEEP).await.unwrap(), 0);
    assert_eq!(store.purge(at(100), KEEP).await.unwrap(), 1, "the request");
    // As a broker of before would withdraw, which knows no tokens.
    database
        .execute("UPDATE offline_grants SET withdrawn_at = 200000")
        .await;
    assert_eq!(store.purge(at(201), KEEP).await.unwrap(), 1, "the tokens");
    let long_after = at(201).plus(KEEP.grants).plus(Duration::from_secs(1));
    assert_eq!(store.purge(long_after, KEEP).await.unwrap(), 1);
    assert!(store.offline_grant(&grant.id).await.unwrap().is_none());
}
