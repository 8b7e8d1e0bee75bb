//! Remembered consents and known browsers.

use broker::domain::{
    Authorization, Client, ClientId, ClientStatus, Consent, KnownBrowser, RedirectUri, ResourceUri,
};
use broker::storage::{ConsentsOf, StoreError};

use super::database::Database;
use super::on_both;
use super::values::{at, authorization, client, hash, subject};

on_both! {
    a_consent_is_found_by_user_client_redirect_uri_and_resource_together
    a_second_click_replaces_the_first
    consents_are_listed_and_withdrawn_by_user_by_client_and_by_both
    consents_end_with_their_client_and_when_it_is_blocked
    a_browser_is_known_by_its_cookie
    expired_consents_and_browsers_are_purged
}

fn consent(sub: &str, client_id: &str) -> Consent {
    let asked = authorization("flow");
    Consent {
        sub: subject(sub),
        client_id: ClientId::parse(client_id).unwrap(),
        redirect_uri: asked.redirect_uri,
        resource: asked.resource,
        scope: asked.scope,
        client: hash(7),
        given_at: at(10),
        expires_at: at(1000),
    }
}

/// A request that `consent` stands for.
fn asking(consent: &Consent) -> Authorization {
    Authorization {
        client_id: consent.client_id.clone(),
        redirect_uri: consent.redirect_uri.clone(),
        resource: consent.resource.clone(),
        ..authorization("asking")
    }
}

async fn a_consent_is_found_by_user_client_redirect_uri_and_resource_together(database: Database) {
    let store = database.open().await;
    store.insert_client(&client("client")).await.unwrap();
    // As long as they may be: too long for an index.
    let long = format!("https://client.example/{}", "a".repeat(2000));
    let given = Consent {
        redirect_uri: RedirectUri::parse(long).unwrap(),
        ..consent("alice", "client")
    };
    store.record_consent(&given).await.unwrap();
    let asked = asking(&given);
    let alice = subject("alice");
    let found = store.consent(&alice, &asked).await.unwrap();
    assert_eq!(found, Some(given));

    let others = [
        Authorization {
            client_id: ClientId::parse("other").unwrap(),
            ..asked.clone()
        },
        Authorization {
            redirect_uri: RedirectUri::parse("https://client.example/a").unwrap(),
            ..asked.clone()
        },
        Authorization {
            resource: ResourceUri::parse("https://other.example").unwrap(),
            ..asked.clone()
        },
    ];
    for other in &others {
        assert_eq!(store.consent(&alice, other).await.unwrap(), None);
    }
    assert_eq!(store.consent(&subject("bob"), &asked).await.unwrap(), None);
}

async fn a_second_click_replaces_the_first(database: Database) {
    let store = database.open().await;
    store.insert_client(&client("client")).await.unwrap();
    let first = consent("alice", "client");
    let second = Consent {
        scope: "files.read".parse().unwrap(),
        client: hash(8),
        given_at: at(20),
        expires_at: at(2000),
        ..first.clone()
    };
    for consent in [&first, &second] {
        store.record_consent(consent).await.unwrap();
    }
    let all = store.consents(ConsentsOf::User(&first.sub)).await.unwrap();
    assert_eq!(all, [second]);
    let unknown = store.record_consent(&consent("alice", "nobody")).await;
    assert!(matches!(unknown, Err(StoreError::Database(_))));
}

async fn consents_are_listed_and_withdrawn_by_user_by_client_and_by_both(database: Database) {
    let store = database.open().await;
    for id in ["one", "two"] {
        store.insert_client(&client(id)).await.unwrap();
    }
    let (alice, bob) = (subject("alice"), subject("bob"));
    let one = ClientId::parse("one").unwrap();
    let fill = async || {
        for (number, (sub, client_id)) in [
            ("alice", "one"),
            ("alice", "two"),
            ("bob", "one"),
            ("bob", "two"),
        ]
        .into_iter()
        .enumerate()
        {
            let given = Consent {
                given_at: at(i64::try_from(number).unwrap()),
                ..consent(sub, client_id)
            };
            store.record_consent(&given).await.unwrap();
        }
    };
    for (of, listed) in [
        (
            ConsentsOf::User(&alice),
            &[("alice", "two"), ("alice", "one")][..],
        ),
        (
            ConsentsOf::Client(&one),
            &[("bob", "one"), ("alice", "one")],
        ),
        (ConsentsOf::UserAtClient(&bob, &one), &[("bob", "one")]),
    ] {
        fill().await;
        let found = store.consents(of).await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|consent| (consent.sub.as_str(), consent.client_id.as_str()))
            .collect();
        assert_eq!(found, listed, "newest first: {of:?}");
        let withdrawn = store.withdraw_consents(of).await.unwrap();
        assert_eq!(withdrawn, u64::try_from(listed.len()).unwrap());
        assert!(store.consents(of).await.unwrap().is_empty());
        let others = store.consents(ConsentsOf::User(&bob)).await.unwrap().len()
            + store
                .consents(ConsentsOf::User(&alice))
                .await
                .unwrap()
                .len();
        assert_eq!(others, 4 - listed.len(), "{of:?}");
    }
}

async fn consents_end_with_their_client_and_when_it_is_blocked(database: Database) {
    let store = database.open().await;
    let stored = client("client");
    store.insert_client(&stored).await.unwrap();
    let given = consent("alice", "client");
    let count = async || {
        store
            .consents(ConsentsOf::Client(&stored.id))
            .await
            .unwrap()
            .len()
    };
    store.record_consent(&given).await.unwrap();

    let next = |client: &Client, status| Client {
        status,
        version: client.version + 1,
        ..client.clone()
    };
    let renewed = next(&stored, ClientStatus::Approved);
    assert!(store.update_client(&renewed, stored.version).await.unwrap());
    assert_eq!(count().await, 1);
    let blocked = next(&renewed, ClientStatus::Blocked);
    let missed = store.update_client(&blocked, stored.version).await.unwrap();
    assert!(!missed);
    assert_eq!(count().await, 1, "nothing was blocked");
    assert!(
        store
            .update_client(&blocked, renewed.version)
            .await
            .unwrap()
    );
    assert_eq!(count().await, 0);

    store.record_consent(&given).await.unwrap();
    database.execute("DELETE FROM clients").await;
    assert_eq!(count().await, 0);
}

async fn a_browser_is_known_by_its_cookie(database: Database) {
    let store = database.open().await;
    let browser = KnownBrowser {
        cookie: hash(1),
        sub: subject("alice"),
        expires_at: at(1000),
    };
    store.insert_browser(&browser).await.unwrap();
    let taken = store.insert_browser(&browser).await;
    assert!(matches!(
        taken,
        Err(StoreError::Conflict { table: "browsers" })
    ));
    assert_eq!(store.browser(&hash(1)).await.unwrap(), Some(browser));
    assert_eq!(store.browser(&hash(2)).await.unwrap(), None);
}

async fn expired_consents_and_browsers_are_purged(database: Database) {
    let store = database.open().await;
    for (number, expires) in [(1, 999), (2, 1000), (3, 1001)] {
        let id = format!("client-{number}");
        store.insert_client(&client(&id)).await.unwrap();
        let given = Consent {
            expires_at: at(expires),
            ..consent("alice", &id)
        };
        store.record_consent(&given).await.unwrap();
        let browser = KnownBrowser {
            cookie: hash(number),
            sub: subject("alice"),
            expires_at: at(expires),
        };
        store.insert_browser(&browser).await.unwrap();
    }
    assert_eq!(store.purge(at(1000), super::KEEP).await.unwrap(), 4);
    let left = store
        .consents(ConsentsOf::User(&subject("alice")))
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
    assert!(store.browser(&hash(2)).await.unwrap().is_none());
    assert!(store.browser(&hash(3)).await.unwrap().is_some());
}
