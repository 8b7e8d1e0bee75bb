//! OpenID Connect Back-Channel Logout 1.0: the identity provider ends sessions here, and nobody else.

use broker::domain::{Actor, AuditKind, DownstreamName, OfflineGrant, OfflineGrantId, Outcome};
use broker::{crypto, upstream};
use broker_client::oauth::ErrorCode;
use http::StatusCode;
use serde_json::{Value, json};

use crate::browser::{Browser, broker_and_idp, planned};
use crate::harness::{Answer, Broker, NOW, Tokens};
use crate::idp::{CLIENT, Idp};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a good logout token for alice.
fn good(idp: &Idp) -> Value {
    json!({
        "iss": idp.issuer(), "aud": CLIENT.0, "iat": NOW, "exp": NOW + 120, "jti": "logout-1",
        "sub": "subject-of-alice", "sid": "session-at-the-idp", "events": { EVENT: {} },
    })
}

impl Broker {
    async fn log_out(&self, token: &str) -> Answer {
        self.post("/oauth/backchannel-logout", &[("logout_token", token)])
            .await
    }
}

fn sign(idp: &Idp, claims: &Value) -> String {
    idp.keys().mint(&json!({"typ": "logout+jwt"}), claims)
}

async fn log_in(broker: &Broker, idp: &Idp) -> Tokens {
    idp.faults().claims = |claims| claims["sid"] = "session-at-the-idp".into();
    let answer = Browser::new(broker).log_in(idp, &[]).await;
    broker.redeem(&answer.code()).await.tokens()
}

#[tokio::test]
async fn a_logout_by_sub_or_sid_ends_the_users_sessions() {
    for left_out in ["sid", "sub", ""] {
        let (broker, idp) = broker_and_idp().await;
        let session = log_in(&broker, &idp).await;
        let mut claims = good(&idp);
        claims.as_object_mut().unwrap().remove(left_out);

        let answer = broker.log_out(&sign(&idp, &claims)).await;

        assert_eq!(answer.status, StatusCode::OK, "{left_out}: {}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        broker
            .exchange(&session.access)
            .await
            .assert_refused(400, "invalid_request");
        broker
            .refresh(&session.refresh)
            .await
            .assert_refused(400, "invalid_grant");
        let trail = broker.trail().await;
        let row = trail
            .iter()
            .find(|event| event.kind == AuditKind::UpstreamLogout)
            .unwrap();
        let alice = crypto::subject_for(idp.issuer(), "subject-of-alice");
        assert_eq!(row.sub, Some(alice));
        assert_eq!(row.details["ended_sessions"], 1);
        // A new login is a new session.
        let session = log_in(&broker, &idp).await;
        assert_eq!(broker.refresh(&session.refresh).await.status, 200);
    }
}

#[tokio::test]
async fn background_access_outlives_a_logout_and_the_account_is_looked_at() {
    let (broker, idp) = broker_and_idp().await;
    log_in(&broker, &idp).await;
    let alice = crypto::subject_for(idp.issuer(), "subject-of-alice");
    let grant = OfflineGrant {
        id: OfflineGrantId::parse("offline-1").unwrap(),
        sub: alice.clone(),
        downstream: DownstreamName::parse("nextcloud").unwrap(),
        scope: "notes.read".parse().unwrap(),
        granted_at: broker.now(),
        failing: None,
        withdrawn_at: None,
    };
    let store = broker.store();
    store.record_offline_grant(&grant).await.unwrap();
    store
        .note_account(&alice, Some("alice"), broker.now())
        .await
        .unwrap();
    let long_ago = broker::domain::Timestamp::from_millis(0);
    let due = || store.accounts_to_check(long_ago, broker.now(), 10);
    assert_eq!(due().await.unwrap(), []);

    let answer = broker.log_out(&sign(&idp, &good(&idp))).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let kept = store.offline_grant(&grant.id).await.unwrap().unwrap();
    assert_eq!(kept.withdrawn_at, None);
    assert_eq!(due().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_logout_token_counts_once() {
    let (broker, idp) = broker_and_idp().await;
    log_in(&broker, &idp).await;
    let token = sign(&idp, &good(&idp));
    assert_eq!(broker.log_out(&token).await.status, StatusCode::OK);
    let session = log_in(&broker, &idp).await;
    broker
        .log_out(&token)
        .await
        .assert_refused(400, "invalid_request");
    assert_eq!(broker.refresh(&session.refresh).await.status, 200);
}

#[tokio::test]
async fn somebody_unknown_has_no_sessions_to_end() {
    let (broker, idp) = broker_and_idp().await;
    for (member, value) in [("sub", "stranger"), ("sid", "other")] {
        let mut claims = good(&idp);
        claims.as_object_mut().unwrap().remove("sub");
        claims.as_object_mut().unwrap().remove("sid");
        claims[member] = value.into();
        let answer = broker.log_out(&sign(&idp, &claims)).await;
        assert_eq!(answer.status, StatusCode::OK, "{member}: {}", answer.body);
    }
}

/// How a good token is spoiled.
type Spoil = fn(&mut Value);

#[tokio::test]
async fn what_is_no_logout_token_of_the_provider_ends_nothing() {
    let (broker, idp) = broker_and_idp().await;
    let session = log_in(&broker, &idp).await;
    let spoilt: [(&str, Spoil); 13] = [
        ("another issuer", |claims| {
            claims["iss"] = "https://evil.example".into();
        }),
        ("another audience", |claims| claims["aud"] = "other".into()),
        ("expired", |claims| claims["exp"] = (NOW - 60).into()),
        ("no exp", |claims| claims["exp"] = Value::Null),
        ("no iat", |claims| claims["iat"] = Value::Null),
        ("from the future", |claims| {
            claims["iat"] = (NOW + 60).into();
        }),
        ("no jti", |claims| claims["jti"] = Value::Null),
        ("an empty jti", |claims| claims["jti"] = "".into()),
        ("no events", |claims| claims["events"] = Value::Null),
        ("another event", |claims| {
            claims["events"] = json!({"https://example.com/event": {}});
        }),
        ("an event that is no object", |claims| {
            claims["events"] = json!({ EVENT: "yes" });
        }),
        ("a nonce", |claims| claims["nonce"] = "n".into()),
        ("nobody", |claims| {
            claims["sub"] = Value::Null;
            claims["sid"] = Value::Null;
        }),
    ];
    for (what, spoil) in spoilt {
        let mut claims = good(&idp);
        spoil(&mut claims);
        let answer = broker.log_out(&sign(&idp, &claims)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{what}");
        answer.assert_refused(400, "invalid_request");
        let row = broker.newest().await;
        assert_eq!(row.kind, AuditKind::UpstreamLogout);
        assert_eq!(row.outcome, Outcome::Refused(ErrorCode::InvalidRequest));
        assert_eq!(row.actor, Actor::Anonymous);
    }
    let keys = idp.keys();
    for token in [
        keys.mint_unsigned(&good(&idp)),
        keys.mint_with_another_key(&good(&idp)),
        keys.mint_hs256_with_public_key(&good(&idp)),
        keys.mint(&json!({"typ": "at+jwt"}), &good(&idp)),
        "no.jwt".to_owned(),
    ] {
        let answer = broker.log_out(&token).await;
        answer.assert_refused(400, "invalid_request");
    }
    broker
        .post("/oauth/backchannel-logout", &[])
        .await
        .assert_refused(400, "invalid_request");
    assert_eq!(broker.refresh(&session.refresh).await.status, 200);
}

#[tokio::test]
async fn a_session_of_one_user_is_not_ended_in_the_name_of_another() {
    let (broker, idp) = broker_and_idp().await;
    let session = log_in(&broker, &idp).await;
    let mut claims = good(&idp);
    claims["sub"] = "subject-of-bob".into();
    broker
        .log_out(&sign(&idp, &claims))
        .await
        .assert_refused(400, "invalid_request");
    assert_eq!(broker.refresh(&session.refresh).await.status, 200);
}

#[tokio::test]
async fn a_provider_without_keys_sends_none() {
    let (broker, idp) = planned(|plan| plan.upstream.kind = upstream::Kind::NextcloudOauth2).await;
    broker
        .log_out(&sign(&idp, &good(&idp)))
        .await
        .assert_refused(400, "invalid_request");
}
