//! Resources of the configuration: what each start writes, and what it leaves to administrators.

use broker::app::seed_resources;
use broker::domain::{Actor, AuditKind, Resource, ResourceUri};
use serde_json::json;

use crate::administrator::Administrator;
use crate::harness::{Broker, OTHER_RESOURCE, RESOURCE};

/// A configuration of just these, from the next start on.
async fn start(broker: &Broker, configured: &[Resource]) {
    seed_resources(broker.store(), configured, broker.now())
        .await
        .unwrap();
    broker.parts.live.refresh().await.unwrap();
}

async fn stored(broker: &Broker) -> Vec<Resource> {
    let stored = broker.store().resources().await.unwrap();
    stored.into_iter().map(|stored| stored.resource).collect()
}

fn path(id: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("resources/{id}")
}

#[tokio::test]
async fn a_start_with_nothing_new_writes_nothing() {
    let broker = Broker::start().await;
    let before = broker.store().resources().await.unwrap();
    let version = broker.store().catalog_version().await.unwrap();
    let rows = broker.trail().await.len();
    let configured = stored(&broker).await;
    assert_eq!(configured.len(), 2);
    start(&broker, &configured).await;
    assert_eq!(broker.store().resources().await.unwrap(), before);
    assert_eq!(broker.store().catalog_version().await.unwrap(), version);
    assert_eq!(broker.trail().await.len(), rows);
}

#[tokio::test]
async fn a_changed_configuration_counts_from_the_next_start() {
    let broker = Broker::start().await;
    let mut configured = stored(&broker).await;
    // The default moves from one to the other, whichever is written first.
    configured[0].is_default = false;
    configured[1].is_default = true;
    configured[1].name = "Renamed".to_owned();
    start(&broker, &configured).await;
    assert_eq!(stored(&broker).await, configured);
    assert_eq!(broker.newest().await.kind, AuditKind::ResourceSeeded);
    let catalog = broker.parts.live.catalog().current();
    assert_eq!(catalog.default_resource(), Some(&configured[1]));
}

#[tokio::test]
async fn what_an_administrator_changed_stays() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let configured = stored(&broker).await;
    let body = json!({"name": "His word", "scopes": {"files.read": "Read"}, "default": true});
    let any = [("if-match", "*")];
    admin.call("PUT", &path(RESOURCE), &any, Some(&body)).await;
    let made = stored(&broker).await;
    let mut next = configured.clone();
    for resource in &mut next {
        resource.aliases = vec![format!("alias-of-{}", resource.id)];
    }

    start(&broker, &next).await;

    assert_eq!(stored(&broker).await, [made[0].clone(), next[1].clone()]);
    // Named no more, it stays too; deleted, it is as the configuration says again.
    start(&broker, &next[1..]).await;
    assert_eq!(stored(&broker).await.len(), 2);
    admin.delete(&path(RESOURCE)).await;
    start(&broker, &next).await;
    assert_eq!(stored(&broker).await, next);
}

#[tokio::test]
async fn an_administrator_who_agrees_with_the_configuration_leaves_it_in_charge() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let body = json!({"name": "His word", "scopes": {"files.read": "Read"}, "default": true});
    let any = [("if-match", "*")];
    admin.call("PUT", &path(RESOURCE), &any, Some(&body)).await;
    let mut configured = stored(&broker).await;
    start(&broker, &configured).await;
    configured[0].name = "The next name".to_owned();
    start(&broker, &configured).await;
    assert_eq!(stored(&broker).await, configured);
}

#[tokio::test]
async fn what_the_configuration_names_no_more_is_deleted_with_its_sessions() {
    let broker = Broker::start().await;
    let session = broker.session().await;
    let configured = stored(&broker).await;
    start(&broker, &configured[1..]).await;
    assert_eq!(stored(&broker).await, configured[1..]);
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ResourceDeleted);
    assert_eq!(row.actor, Actor::Broker);
    assert_eq!(row.details["ended_sessions"], 1);
    broker
        .refresh(&session.refresh)
        .await
        .assert_refused(400, "invalid_target");
    // Named again, it is back; the session is not.
    start(&broker, &configured).await;
    assert_eq!(stored(&broker).await, configured);
    broker
        .refresh(&session.refresh)
        .await
        .assert_refused(400, "invalid_grant");
}

#[tokio::test]
async fn what_an_administrator_made_wins_over_a_new_entry() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let configured = stored(&broker).await;
    let body = json!({
        "id": "https://made.example", "scopes": {"made.use": "Use"}, "aliases": ["wanted"],
    });
    let created = admin.create("resources", &body).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let mut next = configured.clone();
    next[1].aliases = vec!["wanted".to_owned(), "free".to_owned()];
    start(&broker, &next).await;
    let other = ResourceUri::parse(OTHER_RESOURCE).unwrap();
    let seeded = broker.store().resource(&other).await.unwrap().unwrap();
    assert_eq!(seeded.resource.aliases, ["free"]);
    assert_eq!(stored(&broker).await.len(), 3, "his own is left alone");
    let catalog = broker.parts.live.catalog().current();
    let found = catalog.resource_named("wanted").unwrap();
    assert_eq!(found.id.as_str(), "https://made.example");
}
