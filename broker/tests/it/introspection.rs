//! Token introspection: RFC 7662.

use std::time::Duration;

use broker::domain::{AuditKind, Client, ClientStatus, GrantType, Outcome};
use broker_client::oauth::ErrorCode;
use http::StatusCode;
use serde_json::json;

use crate::harness::{
    AGENT, Answer, Broker, GATEWAY, ISSUER, NOW, RESOURCE, Tokens, VERIFIER, WEB_APP, alice,
    claims, client, form, scope,
};

const INTROSPECT: &str = "/oauth/introspect";
const MACHINE: (&str, &str) = ("machine", "the machine's secret");

async fn ask(broker: &Broker, who: (&str, &str), token: &str) -> Answer {
    broker.post_as(who, INTROSPECT, &[("token", token)]).await
}

#[track_caller]
fn assert_inactive(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json(), json!({ "active": false }));
}

/// A session of alice at the confidential client [`WEB_APP`].
async fn session(broker: &Broker) -> Tokens {
    let code = broker.code_for(WEB_APP.0, RESOURCE, "notes.read").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.code.as_str()),
        ("code_verifier", VERIFIER),
        ("redirect_uri", "http://127.0.0.1:33418/callback"),
    ];
    let answer = broker.post_as(WEB_APP, "/oauth/token", &fields).await;
    answer.tokens()
}

#[tokio::test]
async fn the_server_of_its_resource_learns_what_an_access_token_is_worth() {
    let broker = Broker::start().await;
    let token = broker.session_with("notes.read").await.access;
    for hint in ["", "access_token", "refresh_token", "something_else"] {
        let fields = [("token", token.as_str()), ("token_type_hint", hint)];
        let answer = broker.post_as(GATEWAY, INTROSPECT, &fields).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(
            answer.json(),
            json!({
                "active": true, "iss": ISSUER, "sub": alice().as_str(), "aud": RESOURCE,
                "client_id": AGENT, "scope": "notes.read", "token_type": "Bearer",
                "iat": NOW, "exp": NOW + 600,
                "jti": claims(&token)["jti"], "sid": claims(&token)["sid"],
            })
        );
    }
}

#[tokio::test]
async fn its_client_learns_of_both_tokens_and_the_resource_of_the_access_token_only() {
    let broker = Broker::start().await;
    let session = session(&broker).await;
    let own = ask(&broker, WEB_APP, &session.access).await.json();
    assert_eq!(own["active"], true);
    let refresh = ask(&broker, WEB_APP, &session.refresh).await;
    assert_eq!(
        refresh.json(),
        json!({
            "active": true, "iss": ISSUER, "sub": alice().as_str(), "client_id": WEB_APP.0,
            "scope": "notes.read", "iat": NOW, "exp": NOW + 30 * 24 * 3600, "sid": own["sid"],
        })
    );
    assert_inactive(&ask(&broker, GATEWAY, &session.refresh).await);
    let event = broker.newest().await;
    assert_eq!(event.kind, AuditKind::IntrospectionRefused);
    assert_eq!(event.outcome, Outcome::Refused(ErrorCode::AccessDenied));
    assert_eq!(event.actor.id(), Some(GATEWAY.0));
    assert_eq!(event.details["token_client"], WEB_APP.0);
}

#[tokio::test]
async fn to_everybody_else_a_token_does_not_exist() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    for token in [
        session.access.as_str(),
        &session.refresh,
        "unknown",
        "a.b.c",
    ] {
        assert_inactive(&ask(&broker, WEB_APP, token).await);
    }
    // What no token is leaves no trace; what is one does.
    let trail = broker.trail().await;
    let refused = trail
        .iter()
        .filter(|event| event.kind == AuditKind::IntrospectionRefused);
    assert_eq!(refused.count(), 2);
}

#[tokio::test]
async fn what_has_ended_is_worth_nothing() {
    let broker = Broker::start().await;
    let expired = broker.session().await.access;
    broker.advance(Duration::from_secs(605)).await;
    assert_inactive(&ask(&broker, GATEWAY, &expired).await);

    let revoked = broker.session().await;
    let fields = [("token", revoked.refresh.as_str()), ("client_id", AGENT)];
    broker.post("/oauth/revoke", &fields).await;
    assert_inactive(&ask(&broker, GATEWAY, &revoked.access).await);

    let of_web_app = session(&broker).await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", of_web_app.refresh.as_str()),
    ];
    let renewed = broker.post_as(WEB_APP, "/oauth/token", &fields).await;
    assert_inactive(&ask(&broker, WEB_APP, &of_web_app.refresh).await);
    let renewed = renewed.tokens().refresh;
    let active = ask(&broker, WEB_APP, &renewed).await.json();
    assert_eq!(active["active"], true);
    broker.advance(Duration::from_hours(30 * 24)).await;
    assert_inactive(&ask(&broker, WEB_APP, &renewed).await);
}

#[tokio::test]
async fn the_tokens_of_a_blocked_client_are_worth_nothing() {
    let broker = Broker::start().await;
    let token = broker.session().await.access;
    let id = broker::domain::ClientId::parse(AGENT).unwrap();
    let stored = broker.store().client(&id).await.unwrap().unwrap();
    let blocked = Client {
        status: ClientStatus::Blocked,
        version: stored.version + 1,
        ..stored.clone()
    };
    let updated = broker.store().update_client(&blocked, stored.version).await;
    assert!(updated.unwrap());
    assert_inactive(&ask(&broker, GATEWAY, &token).await);
}

#[tokio::test]
async fn a_machines_own_token_has_no_session() {
    let broker = Broker::planned(|plan| {
        plan.clients.push(Client {
            scope: Some(scope("notes.read")),
            ..client(MACHINE.0, Some(MACHINE.1), &[GrantType::ClientCredentials])
        });
    })
    .await;
    let grant = [("grant_type", "client_credentials")];
    let answer = broker.post_as(MACHINE, "/oauth/token", &grant).await;
    let token = answer.tokens().access;
    let found = ask(&broker, GATEWAY, &token).await.json();
    assert_eq!(found["active"], true);
    assert_eq!(found["sub"], MACHINE.0);
    assert_eq!(found.get("sid"), None);
}

#[tokio::test]
async fn whoever_asks_has_to_prove_who_he_is() {
    let broker = Broker::start().await;
    let token = broker.session().await.access;
    let wrong = ask(&broker, (GATEWAY.0, "wrong"), &token).await;
    wrong.assert_refused(401, "invalid_client");
    assert!(wrong.header("www-authenticate").is_some());
    // Its own client, but a public one: its name proves nothing.
    let public = [("token", token.as_str()), ("client_id", AGENT)];
    let answer = broker.post(INTROSPECT, &public).await;
    answer.assert_refused(401, "invalid_client");
    assert_eq!(broker.newest().await.kind, AuditKind::IntrospectionRefused);
    let anonymous = broker.post(INTROSPECT, &[("token", &token)]).await;
    anonymous.assert_refused(401, "invalid_client");
    let bearer = format!("Bearer {token}");
    let request = form(INTROSPECT, Some(&bearer), &[("token", &token)]);
    broker
        .send(request)
        .await
        .assert_refused(401, "invalid_client");
    let nothing = broker.post_as(GATEWAY, INTROSPECT, &[]).await;
    nothing.assert_refused(400, "invalid_request");
}

#[tokio::test]
async fn a_replica_that_cannot_hear_of_revocations_says_so() {
    let broker = Broker::start().await;
    let token = broker.session().await.access;
    broker.clock.advance(Duration::from_secs(2));
    let answer = ask(&broker, GATEWAY, &token).await;
    answer.assert_refused(503, "temporarily_unavailable");
}
