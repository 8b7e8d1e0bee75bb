//! The identity provider's tokens of logins, as rows.

use broker::domain::{AuthorizationId, ClientId, EndReason, Grant};
use broker::storage::{Lease, SealedTokens, StoreError};

use super::database::Database;
use super::values::{at, grant, grant_id, subject};
use super::{KEEP, on_both, race};

on_both! {
    upstream_tokens_belong_to_a_grant_and_end_with_it
    of_many_that_lease_upstream_tokens_one_renews_them
}

async fn upstream_tokens_belong_to_a_grant_and_end_with_it(database: Database) {
    let store = database.open().await;
    for id in ["kept", "ended"] {
        let (tokens, grant) = (upstream_tokens(id), grant(id));
        store.insert_upstream_tokens(&tokens).await.unwrap();
        assert!(matches!(
            store.insert_upstream_tokens(&tokens).await,
            Err(StoreError::Conflict { .. })
        ));
        assert!(store.upstream_tokens(&grant.id).await.unwrap().is_none());
        store.insert_grant(&grant).await.unwrap();
        let adopted = || store.adopt_upstream_tokens(&tokens.flow, &grant.id, at(5000));
        assert!(adopted().await.unwrap());
        assert!(!adopted().await.unwrap(), "once");
        let stored = store.upstream_tokens(&grant.id).await.unwrap().unwrap();
        assert!(
            stored
                == SealedTokens {
                    grant: Some(grant.id.clone()),
                    keep_until: at(5000),
                    ..tokens
                }
        );
    }
    let ended = grant_id("ended");
    assert!(
        store
            .end_grant(&ended, EndReason::Revoked, at(50))
            .await
            .unwrap()
    );
    assert!(store.upstream_tokens(&ended).await.unwrap().is_none());
    let kept = grant_id("kept");
    assert!(store.upstream_tokens(&kept).await.unwrap().is_some());

    // Everything of a client ends.
    let blocked = Grant {
        client_id: ClientId::parse("blocked").unwrap(),
        ..grant("blocked")
    };
    let tokens = upstream_tokens("blocked");
    store.insert_grant(&blocked).await.unwrap();
    store.insert_upstream_tokens(&tokens).await.unwrap();
    assert!(
        store
            .adopt_upstream_tokens(&tokens.flow, &blocked.id, at(5000))
            .await
            .unwrap()
    );
    store
        .end_all_of_client(&blocked.client_id, EndReason::ClientBlocked, at(50))
        .await
        .unwrap();
    assert!(store.upstream_tokens(&blocked.id).await.unwrap().is_none());

    // Of a login whose code was never redeemed, and of a grant that ended behind our back.
    store
        .insert_upstream_tokens(&upstream_tokens("forgotten"))
        .await
        .unwrap();
    assert_eq!(store.purge(at(99), KEEP).await.unwrap(), 0);
    database
        .execute("UPDATE grants SET ended_at = 100000 WHERE id = 'kept'")
        .await;
    assert_eq!(store.purge(at(101), KEEP).await.unwrap(), 2);
    assert!(store.upstream_tokens(&kept).await.unwrap().is_none());
}

async fn of_many_that_lease_upstream_tokens_one_renews_them(database: Database) {
    let store = database.open().await;
    let tokens = upstream_tokens("flow");
    store.insert_upstream_tokens(&tokens).await.unwrap();
    let lease = |number: u8| Lease {
        holder: [number; 16],
        until: at(30),
    };
    let take = |number: u8, version: i64, now: i64| {
        let (store, flow) = (store.clone(), tokens.flow.clone());
        async move {
            store
                .lease_upstream_tokens(&flow, version, lease(number), at(now))
                .await
        }
    };
    assert_eq!(race(|number| take(number, 0, 1)).await, 1);
    assert!(!take(99, 0, 29).await.unwrap(), "it still counts");
    assert!(take(100, 0, 30).await.unwrap(), "its holder died");
    let next = SealedTokens {
        access_token: vec![9],
        version: 1,
        ..tokens.clone()
    };
    let renew = |number: u8| {
        let (store, next) = (store.clone(), next.clone());
        async move { store.renew_upstream_tokens(&next, lease(number)).await }
    };
    assert!(!renew(99).await.unwrap(), "not the holder");
    assert!(renew(100).await.unwrap());
    assert!(!renew(100).await.unwrap(), "the lease was given back");
    assert!(!take(101, 0, 31).await.unwrap(), "renewed meanwhile");
    assert!(take(101, 1, 31).await.unwrap());
    store
        .release_upstream_tokens(&tokens.flow, lease(101))
        .await
        .unwrap();
    assert!(take(102, 1, 29).await.unwrap());
}

fn upstream_tokens(flow: &str) -> SealedTokens {
    SealedTokens {
        flow: AuthorizationId::parse(flow).unwrap(),
        sub: subject("alice"),
        grant: None,
        access_token: vec![1, 2],
        refresh_token: Some(vec![3, 4]),
        expires_at: Some(at(300)),
        renew_at: Some(at(270)),
        keep_until: at(100),
        version: 0,
    }
}
