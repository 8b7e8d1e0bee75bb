//! Client authentication at the token endpoint: RFC 6749 §2.3 and §5.2.

use std::time::Duration;

use broker::clients::{RotationError, SecretRotation};
use broker::crypto;
use broker::domain::{
    Actor, AuditKind, ClientId, ClientStatus, GrantType, RegistrationPolicy, RequestInfo,
};
use http::StatusCode;

use crate::harness::{AGENT, Answer, Broker, VERIFIER, WEB_APP, basic, client, form};

const TOKEN: &str = "/oauth/token";

/// A request whose code is unknown: whoever passes authentication gets `invalid_grant`.
const CODE: [(&str, &str); 3] = [
    ("grant_type", "authorization_code"),
    ("code", "unknown"),
    ("code_verifier", VERIFIER),
];

#[track_caller]
fn assert_authenticated(answer: &Answer) {
    answer.assert_refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_secret_is_taken_from_the_header_or_the_form() {
    let broker = Broker::start().await;
    assert_authenticated(&broker.post_as(WEB_APP, TOKEN, &CODE).await);
    let post = [
        &CODE[..],
        &[("client_id", WEB_APP.0), ("client_secret", WEB_APP.1)],
    ]
    .concat();
    assert_authenticated(&broker.post(TOKEN, &post).await);
    let named_again = [&CODE[..], &[("client_id", WEB_APP.0)]].concat();
    assert_authenticated(&broker.post_as(WEB_APP, TOKEN, &named_again).await);
}

#[tokio::test]
async fn the_scheme_is_compared_without_case() {
    let broker = Broker::start().await;
    let header = basic(WEB_APP.0, WEB_APP.1).replace("Basic", "bAsIc");
    assert_authenticated(&broker.send(form(TOKEN, Some(&header), &CODE)).await);
}

#[tokio::test]
async fn either_of_two_secrets_is_good_while_one_is_replaced() {
    let broker = Broker::planned(|plan| {
        let mut rotating = client("rotating", Some("old"), &[GrantType::AuthorizationCode]);
        rotating.secrets.push(crypto::hash("new").into());
        plan.clients.push(rotating);
    })
    .await;
    assert_authenticated(&broker.post_as(("rotating", "old"), TOKEN, &CODE).await);
    assert_authenticated(&broker.post_as(("rotating", "new"), TOKEN, &CODE).await);
    let neither = broker.post_as(("rotating", "older"), TOKEN, &CODE).await;
    neither.assert_refused(401, "invalid_client");
}

#[tokio::test]
async fn after_a_rotation_the_old_secret_is_good_for_a_while() {
    let broker = Broker::start().await;
    let rotation = SecretRotation {
        client_id: ClientId::parse(WEB_APP.0).unwrap(),
        overlap: Duration::from_mins(10),
        version: None,
    };
    let rotate = |rotation: SecretRotation| {
        let parts = broker.parts.clone();
        async move {
            let actor = Actor::Administrator("alice".to_owned());
            let info = RequestInfo::default();
            let rotated = rotation.perform(&parts.store, &parts.ambient, actor, &info);
            rotated.await.map(|(client, secret)| {
                assert_eq!(client.secrets.len(), 2);
                (client.version, secret.expose().to_owned())
            })
        }
    };
    let (version, new) = rotate(rotation.clone()).await.unwrap();
    let event = broker.newest().await;
    assert_eq!(event.kind, AuditKind::ClientSecretRotated);
    assert_eq!(event.actor.id(), Some("alice"));
    assert!(!format!("{event:?}").contains(&new));

    broker.parts.live.refresh().await.unwrap();
    let fresh = (WEB_APP.0, new.as_str());
    assert_authenticated(&broker.post_as(WEB_APP, TOKEN, &CODE).await);
    assert_authenticated(&broker.post_as(fresh, TOKEN, &CODE).await);
    broker.advance(Duration::from_mins(10)).await;
    broker
        .post_as(WEB_APP, TOKEN, &CODE)
        .await
        .assert_refused(401, "invalid_client");
    assert_authenticated(&broker.post_as(fresh, TOKEN, &CODE).await);

    let outdated = SecretRotation {
        version: Some(version - 1),
        ..rotation.clone()
    };
    let refused = rotate(outdated).await;
    assert!(matches!(refused, Err(RotationError::Changed)));
    for (id, fault) in [
        (AGENT, RotationError::NoSecret),
        ("nobody", RotationError::Unknown),
    ] {
        let refused = rotate(SecretRotation {
            client_id: ClientId::parse(id).unwrap(),
            ..rotation.clone()
        });
        assert_eq!(refused.await.unwrap_err().to_string(), fault.to_string());
    }
}

#[tokio::test]
async fn failed_authentication_is_401_with_a_challenge_only_for_the_header() {
    let broker = Broker::start().await;
    for credentials in [
        (WEB_APP.0, "wrong"),
        ("nobody", "x"),
        (AGENT, "a secret"),
        (WEB_APP.0, ""),
    ] {
        let answer = broker.post_as(credentials, TOKEN, &CODE).await;
        answer.assert_refused(401, "invalid_client");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
        assert_eq!(broker.newest().await.kind, AuditKind::TokenRefused);
        assert_eq!(broker.newest().await.actor.id(), Some(credentials.0));
    }
    for fields in [
        &[("client_id", WEB_APP.0), ("client_secret", "wrong")][..],
        &[("client_id", WEB_APP.0)],
        &[("client_id", AGENT), ("client_secret", "a secret")],
        &[("client_id", "nobody")],
        &[("client_id", "not an id at all\u{e9}")],
        &[],
    ] {
        let answer = broker.post(TOKEN, &[&CODE[..], fields].concat()).await;
        answer.assert_refused(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), None, "{fields:?}");
    }
}

#[tokio::test]
async fn another_scheme_is_failed_authentication_not_none() {
    let broker = Broker::start().await;
    let public = [&CODE[..], &[("client_id", AGENT)]].concat();
    for header in ["Bearer abc", "Basic", "Basic %%%", "Basic bm9jb2xvbg=="] {
        let answer = broker.send(form(TOKEN, Some(header), &public)).await;
        answer.assert_refused(401, "invalid_client");
        assert!(answer.header("www-authenticate").is_some(), "{header}");
    }
}

#[tokio::test]
async fn two_methods_in_one_request_are_refused() {
    let broker = Broker::start().await;
    let both = [
        &CODE[..],
        &[("client_id", WEB_APP.0), ("client_secret", WEB_APP.1)],
    ]
    .concat();
    broker
        .post_as(WEB_APP, TOKEN, &both)
        .await
        .assert_refused(400, "invalid_request");
    let another = [&CODE[..], &[("client_id", AGENT)]].concat();
    broker
        .post_as(WEB_APP, TOKEN, &another)
        .await
        .assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn a_client_that_waits_for_approval_is_told_so() {
    for (policy, usable) in [
        (RegistrationPolicy::Open, true),
        (RegistrationPolicy::Approval, false),
    ] {
        let broker = Broker::planned(|plan| {
            plan.settings.registration = policy;
            plan.clients.push(broker::domain::Client {
                status: ClientStatus::Pending,
                ..client("pending", None, &[GrantType::AuthorizationCode])
            });
        })
        .await;
        let answer = broker
            .post(TOKEN, &[&CODE[..], &[("client_id", "pending")]].concat())
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let error = if usable {
            "invalid_grant"
        } else {
            "unauthorized_client"
        };
        answer.assert_refused(400, error);
    }
}

#[tokio::test]
async fn a_secret_that_the_configuration_changes_counts_from_the_start_on() {
    let broker = Broker::start().await;
    let changed = broker
        .replica(|plan| {
            plan.clients = vec![client(
                WEB_APP.0,
                Some("fresh"),
                &[GrantType::AuthorizationCode],
            )];
        })
        .await;
    assert_authenticated(&changed.post_as((WEB_APP.0, "fresh"), TOKEN, &CODE).await);
    changed
        .post_as(WEB_APP, TOKEN, &CODE)
        .await
        .assert_refused(401, "invalid_client");
    let seeded = changed.trail().await;
    let seeded = seeded
        .iter()
        .filter(|event| event.kind == AuditKind::ClientSeeded);
    assert_eq!(
        seeded.count(),
        5,
        "four at the first start, one changed at the second"
    );
    // The replica that runs already follows within a second.
    broker.parts.live.refresh().await.unwrap();
    assert_authenticated(&broker.post_as((WEB_APP.0, "fresh"), TOKEN, &CODE).await);
}
