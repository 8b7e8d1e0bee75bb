//! What the account watch keeps, sessions at the identity provider, and leases.

use broker::domain::{EndReason, User};
use broker::storage::{Lease, WatchedAccount};

use super::database::Database;
use super::values::{at, grant, subject};
use super::{KEEP, on_both, race};

on_both! {
    accounts_are_due_in_turn_and_end_once
    a_session_at_the_provider_is_known_until_it_expires
    of_many_that_take_a_lease_one_has_it
}

pub(super) fn user(name: &str, uid: Option<&str>) -> User {
    User {
        sub: subject(name),
        upstream_issuer: "https://id.example".to_owned(),
        upstream_subject: name.to_owned(),
        nextcloud_uid: uid.map(str::to_owned),
        name: None,
        created_at: at(1),
        last_login_at: at(2),
    }
}

async fn accounts_are_due_in_turn_and_end_once(database: Database) {
    let store = database.open().await;
    for user in [
        user("alice", Some("Alice 1")),
        user("bob", Some("bob")),
        user("nobody", None),
        user("idle", Some("idle")),
    ] {
        store.record_login(&user).await.unwrap();
    }
    for name in ["alice", "bob", "nobody"] {
        let mut session = grant(name);
        session.sub = subject(name);
        store.insert_grant(&session).await.unwrap();
    }
    let names = |accounts: Vec<WatchedAccount>| {
        let subs = accounts.into_iter().map(|account| account.sub.to_string());
        subs.collect::<Vec<_>>()
    };
    let due = async |before: i64, limit: u64| {
        let found = store.accounts_to_check(at(before), at(500), limit).await;
        names(found.unwrap())
    };
    assert_eq!(due(100, 10).await, ["alice", "bob"]);
    assert_eq!(due(100, 1).await, ["alice"]);
    store
        .note_account(&subject("alice"), Some("Alice 1"), at(50))
        .await
        .unwrap();
    assert_eq!(due(49, 10).await, ["bob"]);
    assert_eq!(due(50, 10).await, ["bob", "alice"], "longest waiting first");
    let found = store.accounts_to_check(at(50), at(500), 10).await.unwrap();
    let alice = WatchedAccount {
        sub: subject("alice"),
        uid: "Alice 1".to_owned(),
        was_seen: true,
        last_login_at: at(2),
    };
    assert_eq!(found[1], alice);
    assert!(!found[0].was_seen);
    // Under another name nobody has seen it yet.
    let renamed = user("alice", Some("alice"));
    store.record_login(&renamed).await.unwrap();
    let found = store.accounts_to_check(at(50), at(500), 10).await.unwrap();
    assert!(!found[1].was_seen);
    // Sessions that are over leave nothing to watch.
    assert_eq!(
        names(store.accounts_to_check(at(50), at(1000), 10).await.unwrap()).len(),
        0
    );

    // A suspicion counts unless somebody has looked since.
    let sub = subject("alice");
    store.suspect_account(&sub, at(49)).await.unwrap();
    assert_eq!(due(49, 10).await, ["bob"]);
    store.suspect_account(&sub, at(50)).await.unwrap();
    assert_eq!(due(49, 10).await, ["alice", "bob"]);

    assert!(!store.is_account_ended(&sub).await.unwrap());
    assert!(store.end_account(&alice, at(60)).await.unwrap());
    assert!(!store.end_account(&alice, at(61)).await.unwrap());
    assert!(store.is_account_ended(&sub).await.unwrap());
    assert_eq!(due(100, 10).await, ["bob"]);
    store.record_login(&renamed).await.unwrap();
    assert!(!store.is_account_ended(&sub).await.unwrap());
    assert_eq!(due(100, 10).await, ["bob", "alice"]);

    store
        .end_sessions_of_user(&sub, EndReason::AccountGone, at(70))
        .await
        .unwrap();
    assert_eq!(due(100, 10).await, ["bob"]);
}

async fn a_session_at_the_provider_is_known_until_it_expires(database: Database) {
    let store = database.open().await;
    let of = async |sid: &str, now: i64| {
        let found = store.user_of_upstream_session(sid, at(now)).await;
        found.unwrap()
    };
    for (sid, name, until) in [("s", "bob", 10), ("s", "alice", 100), ("t", "bob", 20)] {
        store
            .note_upstream_session(sid, &subject(name), at(until))
            .await
            .unwrap();
    }
    assert_eq!(of("s", 99).await, Some(subject("alice")));
    assert_eq!(of("s", 100).await, None);
    assert_eq!(of("u", 1).await, None);
    assert_eq!(store.purge(at(20), KEEP).await.unwrap(), 1);
    assert_eq!(of("t", 1).await, None);
    assert!(of("s", 1).await.is_some());
}

async fn of_many_that_take_a_lease_one_has_it(database: Database) {
    let store = database.open().await;
    let take = |holder: u8, until: i64, now: i64| {
        let store = store.clone();
        let lease = Lease {
            holder: [holder; 16],
            until: at(until),
        };
        async move { store.take_lease("work", lease, at(now)).await }
    };
    assert_eq!(race(|holder| take(holder, 10, 1)).await, 1);
    assert_eq!(race(|holder| take(holder, 20, 10)).await, 1, "it has ended");
    let mut holders = 0;
    for holder in 0..8 {
        holders += usize::from(take(holder, 30, 15).await.unwrap());
    }
    assert_eq!(holders, 1, "who has it keeps it");
}
