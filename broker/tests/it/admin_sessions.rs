//! Sessions, users, keys and numbers through the admin API.

use std::time::Duration;

use broker::domain::{Actor, AuditKind};
use http::StatusCode;
use serde_json::{Value, json};

use crate::administrator::{Administrator, assert_problem};
use crate::harness::{AGENT, Broker, GATEWAY, OTHER_AGENT, RESOURCE, WEB_APP, alice, jose_header};

async fn grants(admin: &Administrator<'_>, query: &str) -> Vec<Value> {
    admin.all(&format!("grants{query}")).await
}

#[tokio::test]
async fn sessions_are_listed_by_user_client_and_resource() {
    let broker = Broker::start().await;
    let admin = Administrator::reading(&broker).await;
    broker.session_with("notes.read").await;
    broker.advance(Duration::from_secs(1)).await;
    let code = broker.code(OTHER_AGENT).await;
    broker.redeem(&code).await.tokens();

    let all = grants(&admin, "").await;
    let clients: Vec<_> = all.iter().map(|grant| &grant["client_id"]).collect();
    assert_eq!(clients, [OTHER_AGENT, AGENT], "newest first");
    let first = &all[1];
    assert_eq!(first["sub"], alice().as_str());
    assert_eq!(first["resource"], RESOURCE);
    assert_eq!(first["scope"], "notes.read");
    assert_eq!(first["live"], true);
    for (query, expected) in [
        (format!("?client_id={AGENT}"), 1),
        (format!("?sub={}", alice().as_str()), 2),
        (format!("?resource={RESOURCE}"), 2),
        ("?sub=nobody".to_owned(), 0),
        ("?resource=https://elsewhere.example".to_owned(), 0),
    ] {
        assert_eq!(grants(&admin, &query).await.len(), expected, "{query}");
    }
    for query in ["sub=a%20b", "resource=x", "ended=maybe", "limit=0"] {
        let answer = admin.get(&format!("grants?{query}")).await;
        assert_problem(&answer, 400, "invalid-parameter");
    }
}

#[tokio::test]
async fn a_session_that_is_revoked_ends_on_every_replica() {
    let broker = Broker::start().await;
    let replica = broker.replica(|_| {}).await;
    let admin = Administrator::new(&broker).await;
    let (session, other) = (broker.session().await, broker.session().await);
    let id = grants(&admin, "").await[1]["grant_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (ended, kept) = if crate::harness::claims(&session.access)["sid"] == id.as_str() {
        (session, other)
    } else {
        (other, session)
    };

    let path = format!("grants/{id}/revoke");
    let answer = admin.post(&path).await;

    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json()["live"], false);
    assert_eq!(answer.json()["end_reason"], "administrator");
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::GrantEnded);
    assert_eq!(row.actor, Actor::Administrator("ops".to_owned()));
    assert_eq!(row.sub, Some(alice()));
    replica.parts.live.refresh().await.unwrap();
    for place in [&broker, &replica] {
        place
            .exchange(&ended.access)
            .await
            .assert_refused(400, "invalid_request");
        assert_eq!(place.exchange(&kept.access).await.status, StatusCode::OK);
    }
    broker
        .refresh(&ended.refresh)
        .await
        .assert_refused(400, "invalid_grant");
    let rows = broker.trail().await.len();
    assert_eq!(
        admin.post(&path).await.json(),
        answer.json(),
        "once is enough"
    );
    assert_eq!(broker.trail().await.len(), rows);
    assert_eq!(grants(&admin, "").await.len(), 1);
    assert_eq!(grants(&admin, "?ended=true").await.len(), 2);
    assert_problem(&admin.post("grants/none/revoke").await, 404, "not-found");
}

#[tokio::test]
async fn everything_of_a_user_ends_at_once() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let session = broker.session().await;
    let code = broker.code(OTHER_AGENT).await;
    let found = admin.get("users?nextcloud_uid=alice").await.json();
    let user = &found["items"][0];
    assert_eq!(user["sub"], alice().as_str());
    assert_eq!(user["name"], "Alice");
    assert_eq!(
        admin.all("users?nextcloud_uid=Alice").await.len(),
        0,
        "letter for letter"
    );
    let path = format!("users/{}", alice().as_str());
    assert_eq!(admin.get(&path).await.json(), *user);

    let answer = admin.post(&format!("{path}/revoke")).await;

    assert_eq!(
        answer.json(),
        json!({"ended_sessions": 1, "ended_logins": 1, "withdrawn_consents": 0, "withdrawn_offline_grants": 0}),
        "{}",
        answer.body
    );
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::UserRevoked);
    assert_eq!(row.sub, Some(alice()));
    assert_eq!(row.details["ended_sessions"], 1);
    broker
        .exchange(&session.access)
        .await
        .assert_refused(400, "invalid_request");
    broker
        .redeem(&code)
        .await
        .assert_refused(400, "invalid_grant");
    broker.session().await;
    assert_problem(&admin.post("users/nobody/revoke").await, 404, "not-found");
    assert_problem(&admin.get("users/nobody").await, 404, "not-found");
    assert_problem(
        &admin.get("users?nextcloud_uid=%00").await,
        400,
        "invalid-parameter",
    );
}

#[tokio::test]
async fn keys_are_listed_and_rotated() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let before = admin.get("keys").await.json();
    assert_eq!(before["items"].as_array().unwrap().len(), 1);
    assert_eq!(before["items"][0]["state"], "active");

    let next = admin.post("keys/rotate").await.json();
    assert_eq!(
        next["signs_at"], "2027-01-15T10:05:00Z",
        "two hours, and a margin"
    );
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::KeyRotated);
    assert_eq!(row.actor, Actor::Administrator("ops".to_owned()));
    assert_ne!(
        jose_header(&broker.session().await.access)["kid"],
        next["kid"]
    );

    let now = admin.post("keys/rotate?at_once=true").await.json();
    assert_eq!(now["kid"], next["kid"]);
    assert_eq!(now["signs_at"], "2027-01-15T08:00:10Z");
    broker.advance(Duration::from_secs(10)).await;
    broker.parts.keyring.tick().await.unwrap();
    assert_eq!(
        jose_header(&broker.session().await.access)["kid"],
        next["kid"]
    );
    let after = admin.get("keys").await;
    let mut states: Vec<_> = after.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["state"].as_str().unwrap().to_owned())
        .collect();
    states.sort();
    assert_eq!(states, ["active", "retired"]);
    assert!(!after.body.contains("private"), "{}", after.body);
    assert_problem(
        &admin.post("keys/rotate?at_once=1").await,
        400,
        "invalid-parameter",
    );
}

#[tokio::test]
async fn the_catalog_and_the_numbers_are_shown() {
    let broker = Broker::start().await;
    let admin = Administrator::reading(&broker).await;
    broker.session().await;
    let resources = admin.get("resources").await.json();
    assert_eq!(resources["items"][0]["id"], RESOURCE);
    assert_eq!(
        resources["items"][0]["downstreams"],
        json!(["nextcloud", "calendar"])
    );
    let id: String = url::form_urlencoded::byte_serialize(RESOURCE.as_bytes()).collect();
    let one = admin.get(&format!("resources/{id}")).await.json();
    assert_eq!(one, resources["items"][0]);
    assert_problem(&admin.get("resources/nothing").await, 404, "not-found");
    let downstreams = admin.get("downstreams").await.json();
    assert_eq!(
        downstreams["items"][0],
        json!({
            "name": "nextcloud", "uri": "http://nextcloud.example",
            "audience": "nextcloud-audience", "strategy": "mint", "token_lifetime": 60,
            "offline": true,
            "sessions": true,
        })
    );
    assert_eq!(
        admin.get("stats").await.json(),
        json!({
            "clients": [{"kind": "preregistered", "status": "approved", "number": 4}],
            "users": 1, "sessions": 1, "resources": 2, "downstreams": 3,
        })
    );
}

#[tokio::test]
async fn a_new_secret_works_at_once_and_the_old_one_for_a_while() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let session = broker.session().await;
    let path = format!("clients/{}/rotate-secret", GATEWAY.0);
    let answer = admin.post(&format!("{path}?overlap=600")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let secret = answer.json()["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(
        answer.json()["secrets"],
        json!([{}, {"expires_at": "2027-01-15T08:10:00Z"}])
    );
    let fields = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", session.access.as_str()),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("audience", "nextcloud"),
    ];
    for good in [&secret, GATEWAY.1] {
        let answer = broker
            .post_as((GATEWAY.0, good), "/oauth/token", &fields)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
    broker.advance(Duration::from_mins(10)).await;
    broker
        .post_as(GATEWAY, "/oauth/token", &fields)
        .await
        .assert_refused(401, "invalid_client");

    let agent = format!("clients/{AGENT}/rotate-secret");
    assert_problem(&admin.post(&agent).await, 409, "conflict");
    let stale = [("if-match", "\"0-0\"")];
    let answer = admin.call("POST", &path, &stale, None).await;
    assert_problem(&answer, 412, "precondition-failed");
    for query in ["overlap=-1", "overlap=2592001", "other=1"] {
        let path = format!("clients/{}/rotate-secret?{query}", WEB_APP.0);
        assert_problem(&admin.post(&path).await, 400, "invalid-parameter");
    }
}
