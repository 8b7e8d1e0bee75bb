//! Who a minted token acts as: exactly the account of the claim, or nobody.

use std::time::Duration;

use broker::crypto;
use broker::domain::{EmailUids, Subject, User};

use crate::harness::{Broker, alice, claims};

/// Lets `sub` log in with this uid, `later` than the tests begin.
async fn log_in(broker: &Broker, sub: Subject, uid: &str, later: Duration) {
    let at = broker.now().plus(later);
    let user = User {
        upstream_issuer: "https://id.example".to_owned(),
        upstream_subject: sub.to_string(),
        nextcloud_uid: Some(uid.to_owned()),
        name: None,
        created_at: at,
        last_login_at: at,
        sub,
    };
    broker.store().record_login(&user).await.unwrap();
}

/// Alice with this uid, and what an exchange then answers: the uid, or the refusal.
async fn exchanged(broker: &Broker, uid: &str) -> Result<String, String> {
    log_in(broker, alice(), uid, Duration::ZERO).await;
    let session = broker.session().await;
    let answer = broker.exchange(&session.access).await;
    if answer.status.is_success() {
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        return Ok(claims(&token)["sub"].as_str().unwrap().to_owned());
    }
    answer.assert_refused(400, "invalid_request");
    let refusal = answer.json()["error_description"].to_string();
    assert!(refusal.contains("preferred_username"), "{refusal}");
    assert!(!refusal.contains(uid), "the value is nobody's business");
    let refused = broker.newest().await;
    assert_eq!(refused.kind.as_str(), "exchange.refused");
    Err(refusal)
}

#[tokio::test]
async fn the_claims_exact_text_is_the_account() {
    for uid in ["alice", "Alice", "a.l-i_c'e 2"] {
        let broker = Broker::start().await;
        assert_eq!(exchanged(&broker, uid).await.as_deref(), Ok(uid));
    }
}

#[tokio::test]
async fn a_claim_that_nextcloud_would_resolve_otherwise_gets_no_token() {
    for (uid, reason) in [
        ("bob@example.org", "e-mail"),
        (" bob", "space"),
        ("bob ", "space"),
        ("bob/../x", "characters"),
        ("böb", "characters"),
    ] {
        let broker = Broker::start().await;
        let refusal = exchanged(&broker, uid).await.unwrap_err();
        assert!(refusal.contains(reason), "{uid:?}: {refusal}");
    }
    let broker = Broker::planned(|plan| plan.settings.email_uids = EmailUids::Accepted).await;
    let uid = "bob@example.org";
    assert_eq!(exchanged(&broker, uid).await.as_deref(), Ok(uid));
}

#[tokio::test]
async fn of_two_users_whose_ids_differ_in_case_only_the_older_keeps_it() {
    let broker = Broker::start().await;
    let mallory = crypto::subject_for("https://id.example", "mallory");
    log_in(&broker, mallory, "ALICE", Duration::from_mins(1)).await;
    assert_eq!(exchanged(&broker, "alice").await.as_deref(), Ok("alice"));

    let broker = Broker::start().await;
    let bob = crypto::subject_for("https://id.example", "bob");
    let earlier = User {
        created_at: broker.now().minus(Duration::from_hours(1)),
        upstream_subject: "bob".to_owned(),
        nextcloud_uid: Some("bob".to_owned()),
        sub: bob,
        ..broker.store().user(&alice()).await.unwrap().unwrap()
    };
    broker.store().record_login(&earlier).await.unwrap();
    let refusal = exchanged(&broker, "BOB").await.unwrap_err();
    assert!(refusal.contains("another user's"), "{refusal}");
}
