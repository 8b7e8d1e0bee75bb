//! Resources through the admin API: added, changed and deleted, and in force at every replica.

use std::time::Duration;

use broker::domain::{Actor, AuditKind, EndReason, ResourceUri};
use broker::storage::{ConsentsOf, GrantFilter};
use http::StatusCode;
use serde_json::{Value, json};

use crate::administrator::{Administrator, assert_problem};
use crate::browser::{Browser, authorize_path, broker_and_idp, planned};
use crate::harness::{AGENT, Broker, GATEWAY, OTHER_RESOURCE, RESOURCE, claims};

const NEW: &str = "https://new.example/mcp";

fn encoded(id: &str) -> String {
    url::form_urlencoded::byte_serialize(id.as_bytes()).collect()
}

fn path(id: &str) -> String {
    format!("resources/{}", encoded(id))
}

fn new_resource() -> Value {
    json!({
        "id": "https://NEW.example/mcp/", "name": "New tools", "aliases": ["new-tools"],
        "scopes": {"new.read": "Read new things", "new.write": "Write new things"},
        "default_scopes": "new.read", "downstreams": ["nextcloud"],
    })
}

/// What a replica publishes: its resources and scopes.
async fn published(broker: &Broker) -> (Vec<String>, Vec<String>) {
    let document = broker.get("/.well-known/oauth-authorization-server").await;
    let document = document.json();
    let list = |name: &str| serde_json::from_value(document[name].clone()).unwrap();
    (list("protected_resources"), list("scopes_supported"))
}

/// How many consents for [`RESOURCE`] are remembered.
async fn consents(broker: &Broker) -> usize {
    let id = ResourceUri::parse(RESOURCE).unwrap();
    let of = ConsentsOf::Resource(&id);
    broker.store().consents(of).await.unwrap().len()
}

#[tokio::test]
async fn an_added_resource_is_in_force_at_every_replica() {
    let (broker, idp) = broker_and_idp().await;
    let replica = broker.replica(|_| {}).await;
    let admin = Administrator::new(&replica).await;

    let created = admin.create("resources", &new_resource()).await;

    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    let item = created.json();
    assert_eq!(item["id"], NEW, "canonical");
    assert_eq!(item["version"], 1);
    let place = created.header("location").unwrap();
    let seen = admin.get(place.strip_prefix("/admin/v1/").unwrap()).await;
    assert_eq!(seen.json(), item);
    assert_eq!(seen.header("etag"), created.header("etag"));
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ResourceCreated);
    assert_eq!(row.actor, Actor::Administrator("ops".to_owned()));
    assert_eq!(row.resource.unwrap().as_str(), NEW);
    assert_eq!(row.details["before"], Value::Null);
    assert_eq!(row.details["after"]["default_scopes"], "new.read");

    assert!(published(&replica).await.0.contains(&NEW.to_owned()));
    assert!(!published(&broker).await.0.contains(&NEW.to_owned()));
    broker.advance(Duration::from_millis(250)).await;
    let (resources, scopes) = published(&broker).await;
    assert!(resources.contains(&NEW.to_owned()), "{resources:?}");
    assert!(scopes.contains(&"new.write".to_owned()), "{scopes:?}");

    // The gateway becomes its server too, by the word of the administrator.
    let body = json!({
        "token_endpoint_auth_method": "client_secret_basic", "serves": [RESOURCE, NEW],
        "exchange": ["nextcloud"],
    });
    let gateway = format!("clients/{}", GATEWAY.0);
    let any = [("if-match", "*")];
    let changed = admin.call("PUT", &gateway, &any, Some(&body)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    broker.advance(Duration::from_millis(250)).await;
    let answer = Browser::new(&broker)
        .log_in(&idp, &[("resource", "new-tools"), ("scope", "")])
        .await;
    let tokens = broker.redeem(&answer.code()).await.tokens();
    assert_eq!(claims(&tokens.access)["aud"], NEW);
    assert_eq!(claims(&tokens.access)["scope"], "new.read");
    let exchanged = broker.exchange(&tokens.access).await;
    assert_eq!(exchanged.status, StatusCode::OK, "{}", exchanged.body);
}

#[tokio::test]
async fn a_deleted_resource_ends_its_sessions_and_gets_no_other() {
    let (broker, idp) = planned(|plan| plan.settings.consent.remembers_native_apps = true).await;
    let replica = broker.replica(|_| {}).await;
    let admin = Administrator::new(&replica).await;
    let answer = Browser::new(&broker).log_in(&idp, &[]).await;
    let session = broker.redeem(&answer.code()).await.tokens();
    assert_eq!(consents(&broker).await, 1);
    let pending = broker.code(AGENT).await;
    let other = broker.code_for(AGENT, OTHER_RESOURCE, "files.read").await;
    let other = broker.redeem(&other).await.tokens();
    assert_eq!(
        broker.exchange(&session.access).await.status,
        StatusCode::OK
    );

    let deleted = admin.delete(&path(RESOURCE)).await;

    assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{}", deleted.body);
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ResourceDeleted);
    assert_eq!(row.details["before"]["id"], RESOURCE);
    assert_eq!(row.details["after"], Value::Null);
    assert_eq!(row.details["ended_sessions"], 1);
    assert_eq!(row.details["ended_logins"], 1);
    let all = GrantFilter::default();
    let grants = broker.store().list_grants(&all, None, 10).await.unwrap();
    for grant in grants.items {
        let reason = grant.ended.map(|(_, reason)| reason);
        let expected = (grant.resource.as_str() == RESOURCE).then_some(EndReason::ResourceDeleted);
        assert_eq!(reason, expected, "{}", grant.resource);
    }
    assert_eq!(consents(&broker).await, 0);

    broker.advance(Duration::from_millis(250)).await;
    replica.parts.live.refresh().await.unwrap();
    for place in [&broker, &replica] {
        place
            .exchange(&session.access)
            .await
            .assert_refused(400, "invalid_target");
        place
            .refresh(&session.refresh)
            .await
            .assert_refused(400, "invalid_target");
        let redeemed = place.redeem(&pending).await;
        assert_eq!(redeemed.status, StatusCode::BAD_REQUEST);
        let asked = Browser::new(place)
            .get(&authorize_path(&[("resource", RESOURCE)]))
            .await;
        asked.assert_error_at_client("invalid_target");
        assert_eq!(published(place).await.0, [OTHER_RESOURCE]);
        let refreshed = place.refresh_with(&other.refresh, &[]).await;
        assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.body);
    }
    assert_problem(&admin.delete(&path(RESOURCE)).await, 404, "not-found");
}

#[tokio::test]
async fn a_change_counts_for_what_comes_after_it() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let session = broker.session().await;
    let seen = admin.get(&path(RESOURCE)).await;
    let tag = seen.header("etag").unwrap().to_owned();
    let body = json!({"name": "Other name", "scopes": {"files.read": "Read"}, "default": true});

    let changed = admin
        .call("PUT", &path(RESOURCE), &[("if-match", &tag)], Some(&body))
        .await;

    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    assert_eq!(changed.json()["default_scopes"], "files.read");
    assert_eq!(changed.json()["version"], 2);
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ResourceUpdated);
    assert_eq!(
        row.details["before"]["downstreams"],
        json!(["nextcloud", "calendar"])
    );
    assert_eq!(row.details["after"]["downstreams"], json!([]));
    assert!(row.details["after"].get("default").is_none(), "unchanged");
    // Its server may reach nothing any more, with the tokens of before too.
    broker
        .exchange(&session.access)
        .await
        .assert_refused(400, "invalid_target");
    let again = admin
        .call("PUT", &path(RESOURCE), &[("if-match", &tag)], Some(&body))
        .await;
    assert_problem(&again, 412, "precondition-failed");
    let blind = admin.call("PUT", &path(RESOURCE), &[], Some(&body)).await;
    assert_problem(&blind, 428, "precondition-required");
    let stale = admin
        .call("DELETE", &path(RESOURCE), &[("if-match", &tag)], None)
        .await;
    assert_problem(&stale, 412, "precondition-failed");
    let unknown = admin
        .call("PUT", &path(NEW), &[("if-match", "*")], Some(&body))
        .await;
    assert_problem(&unknown, 404, "not-found");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_nothing_is_written() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let rows = broker.trail().await.len();
    for (member, value) in [
        ("id", json!("mcp")),
        ("id", json!("https://new.example/#fragment")),
        ("name", json!("")),
        ("name", json!("a\u{7}b")),
        ("name", json!("n".repeat(101))),
        ("aliases", json!([""])),
        ("aliases", json!(["two words"])),
        ("scopes", json!({})),
        ("scopes", json!({"two words": "Two"})),
        ("scopes", json!({"new.read": ""})),
        ("scopes", json!(["new.read"])),
        ("default_scopes", json!("files.read")),
        ("default_scopes", json!("new.read\u{e9}")),
        ("downstreams", json!(["nowhere"])),
        ("downstreams", json!(["Not A Name"])),
        ("default", json!("yes")),
        ("strategy", json!("mint")),
    ] {
        let mut body = new_resource();
        body[member] = value;
        let answer = admin.create("resources", &body).await;
        assert_problem(&answer, 400, "invalid-body");
    }
    for (member, value) in [
        ("id", json!(format!("{OTHER_RESOURCE}/"))),
        ("aliases", json!([OTHER_RESOURCE])),
        ("aliases", json!(["https://OTHER.example/mcp/"])),
        // There is a default one.
        ("default", json!(true)),
    ] {
        let mut body = new_resource();
        body[member] = value;
        let answer = admin.create("resources", &body).await;
        assert_problem(&answer, 409, "conflict");
    }
    let reader = Administrator::reading(&broker).await;
    let answer = reader.create("resources", &new_resource()).await;
    assert_problem(&answer, 403, "forbidden");
    assert_eq!(
        broker.store().resources().await.unwrap().len(),
        2,
        "no row was written"
    );
    let refused = broker.trail().await.len() - rows;
    assert_eq!(refused, 1, "the reader's only");
    assert_eq!(
        admin.create("resources", &new_resource()).await.status,
        StatusCode::CREATED
    );
    let mut alias = new_resource();
    alias["id"] = json!("new-tools:x");
    assert_problem(&admin.create("resources", &alias).await, 409, "conflict");
}
