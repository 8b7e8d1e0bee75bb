//! Registration attempts, initial access tokens, and which clients are used.

use broker::domain::{Client, ClientKind, ClientStatus};
use broker::storage::{RegistrationToken, StoreError};
use tokio::task::JoinSet;

use super::database::Database;
use super::on_both;
use super::values::{at, client, grant, hash};

on_both! {
    attempts_of_all_are_counted_by_address_and_window
    of_many_that_use_a_token_for_the_last_time_one_wins
    a_token_is_good_until_it_expires_is_used_up_or_revoked
    unused_are_clients_that_nobody_decided_on_nor_logged_in_with
}

async fn attempts_of_all_are_counted_by_address_and_window(database: Database) {
    let store = database.open().await;
    let mut racing = JoinSet::new();
    for _ in 0..10 {
        let store = store.clone();
        racing.spawn(async move { store.count_registration_attempt("a", at(0)).await });
    }
    let counts = racing.join_all().await;
    assert!(counts.into_iter().all(|count| count.unwrap() <= 10));
    let count = async |address, since| {
        let counted = store.count_registration_attempt(address, at(since)).await;
        counted.unwrap()
    };
    assert_eq!(count("a", 0).await, 11);
    assert_eq!(count("b", 0).await, 1);
    assert_eq!(count("a", 3600).await, 1);

    assert_eq!(
        store.forget_registration_attempts(at(3600)).await.unwrap(),
        2
    );
    assert_eq!(count("a", 0).await, 1);
    assert_eq!(count("a", 3600).await, 2);
}

fn token(name: &str, byte: u8) -> RegistrationToken {
    RegistrationToken {
        name: name.to_owned(),
        hash: hash(byte),
        created_at: at(1),
        expires_at: Some(at(100)),
        most_uses: Some(2),
        uses: 0,
    }
}

async fn of_many_that_use_a_token_for_the_last_time_one_wins(database: Database) {
    let store = database.open().await;
    store
        .insert_registration_token(&token("t", 1))
        .await
        .unwrap();
    assert!(store.use_registration_token("t", at(2)).await.unwrap());
    let mut racing = JoinSet::new();
    for _ in 0..10 {
        let store = store.clone();
        racing.spawn(async move { store.use_registration_token("t", at(2)).await });
    }
    let used = racing.join_all().await;
    let wins = used.into_iter().filter(|used| *used.as_ref().unwrap());
    assert_eq!(wins.count(), 1);
    let stored = store.registration_token(&hash(1)).await.unwrap().unwrap();
    assert_eq!(stored.uses, 2);
    assert!(!stored.is_good(at(2)));
}

async fn a_token_is_good_until_it_expires_is_used_up_or_revoked(database: Database) {
    let store = database.open().await;
    let limited = token("limited", 1);
    let endless = RegistrationToken {
        expires_at: None,
        most_uses: None,
        ..token("endless", 2)
    };
    for token in [&limited, &endless] {
        store.insert_registration_token(token).await.unwrap();
        let read = store.registration_token(&token.hash).await.unwrap();
        assert_eq!(read.as_ref(), Some(token));
    }
    let taken = store.insert_registration_token(&token("limited", 9)).await;
    assert!(matches!(taken, Err(StoreError::Conflict { .. })));
    assert_eq!(
        store.registration_tokens().await.unwrap(),
        [endless.clone(), limited.clone()]
    );

    assert!(limited.is_good(at(99)) && !limited.is_good(at(100)));
    assert!(
        !store
            .use_registration_token("limited", at(100))
            .await
            .unwrap()
    );
    assert!(
        store
            .use_registration_token("limited", at(99))
            .await
            .unwrap()
    );
    for _ in 0..3 {
        assert!(
            store
                .use_registration_token("endless", at(1_000_000))
                .await
                .unwrap()
        );
    }
    assert!(store.delete_registration_token("endless").await.unwrap());
    assert!(!store.delete_registration_token("endless").await.unwrap());
    assert!(
        !store
            .use_registration_token("endless", at(2))
            .await
            .unwrap()
    );
    assert_eq!(store.registration_token(&endless.hash).await.unwrap(), None);
}

async fn unused_are_clients_that_nobody_decided_on_nor_logged_in_with(database: Database) {
    let store = database.open().await;
    let registered = |id: &str, kind, status, created| Client {
        kind,
        status,
        created_at: at(created),
        ..client(id)
    };
    let (dynamic, url) = (ClientKind::Dynamic, ClientKind::Url);
    let pending = ClientStatus::Pending;
    // Each: who, used when.
    for (client, used) in [
        (registered("unused", dynamic, pending, 10), None),
        (registered("new", dynamic, pending, 100), None),
        (
            registered("approved", dynamic, ClientStatus::Approved, 10),
            None,
        ),
        (
            registered("blocked", dynamic, ClientStatus::Blocked, 10),
            None,
        ),
        (
            registered("configured", ClientKind::Preregistered, pending, 10),
            None,
        ),
        (registered("used-long-ago", dynamic, pending, 10), Some(11)),
        (registered("url-unused", url, pending, 10), None),
        (registered("url-used-long-ago", url, pending, 10), Some(11)),
        (registered("url-used-now", url, pending, 10), Some(100)),
        (registered("url-with-session", url, pending, 10), Some(11)),
        (registered("url-ended-session", url, pending, 10), Some(11)),
    ] {
        store.insert_client(&client).await.unwrap();
        if let Some(used) = used {
            // The last one counts.
            store.record_client_use(&client.id, at(1)).await.unwrap();
            store.record_client_use(&client.id, at(used)).await.unwrap();
        }
    }
    for (id, name) in [("g", "url-with-session"), ("h", "url-ended-session")] {
        let mut grant = grant(id);
        grant.client_id = client(name).id;
        store.insert_grant(&grant).await.unwrap();
    }
    let ended = grant("h").id;
    let reason = broker::domain::EndReason::Revoked;
    assert!(store.end_grant(&ended, reason, at(20)).await.unwrap());

    let unused = store.unused_clients(at(100), at(200), 10).await.unwrap();
    let mut ids: Vec<_> = unused.iter().map(|client| client.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(
        ids,
        [
            "unused",
            "url-ended-session",
            "url-unused",
            "url-used-long-ago"
        ]
    );
    assert_eq!(
        store
            .unused_clients(at(100), at(200), 2)
            .await
            .unwrap()
            .len(),
        2
    );
    // When the session is over.
    let later = store.unused_clients(at(100), at(1000), 10).await.unwrap();
    assert_eq!(later.len(), 5);

    let gone = client("used-long-ago").id;
    assert!(store.delete_client(&gone, 3, at(200)).await.unwrap());
    let nobody = store.record_client_use(&gone, at(200)).await;
    assert!(nobody.is_err(), "use is remembered as long as the client");
}
