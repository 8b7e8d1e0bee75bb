//! Clients of the configuration: what each start writes, and what it leaves to administrators.

use broker::app::seed;
use broker::domain::{AuditKind, Client, ClientStatus, GrantType, RedirectUri};
use serde_json::json;

use crate::administrator::Administrator;
use crate::harness::{AGENT, Broker, GATEWAY, OTHER_AGENT, client};

const LOGIN: [GrantType; 2] = [GrantType::AuthorizationCode, GrantType::RefreshToken];

async fn stored(broker: &Broker, client: &Client) -> Client {
    broker.store().client(&client.id).await.unwrap().unwrap()
}

/// A configuration of just these, from the next start on.
async fn start(broker: &Broker, configured: &[Client]) {
    seed(broker.store(), configured, broker.now())
        .await
        .unwrap();
}

async fn everything(broker: &Broker) -> Vec<Client> {
    let mut all = Vec::new();
    for client in broker.store().client_seeds().await.unwrap() {
        all.extend(broker.store().client(&client.client_id).await.unwrap());
    }
    all
}

#[tokio::test]
async fn a_start_with_nothing_new_writes_nothing() {
    let broker = Broker::start().await;
    let before = everything(&broker).await;
    assert_eq!(before.len(), 4);
    let rows = broker.trail().await.len();
    start(&broker, &before).await;
    assert_eq!(everything(&broker).await, before);
    assert_eq!(broker.trail().await.len(), rows);
}

#[tokio::test]
async fn a_changed_configuration_counts_from_the_next_start() {
    let broker = Broker::start().await;
    let mut configured = everything(&broker).await;
    let changed = configured
        .iter_mut()
        .find(|client| client.id.as_str() == AGENT)
        .unwrap();
    changed.name = Some("Renamed".to_owned());
    let changed = changed.clone();
    start(&broker, &configured).await;
    let now = stored(&broker, &changed).await;
    assert_eq!((now.name.as_deref(), now.version), (Some("Renamed"), 2));
    assert_eq!(broker.newest().await.kind, AuditKind::ClientSeeded);
}

#[tokio::test]
async fn what_an_administrator_changed_stays() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    let configured = everything(&broker).await;
    let body = json!({"client_name": "His word", "redirect_uris": ["https://app.example/cb"]});
    let path = format!("clients/{AGENT}");
    admin
        .call("PUT", &path, &[("if-match", "*")], Some(&body))
        .await;
    admin.post(&format!("clients/{OTHER_AGENT}/block")).await;
    admin
        .post(&format!("clients/{}/rotate-secret", GATEWAY.0))
        .await;
    let made = everything(&broker).await;
    let mut next = configured.clone();
    for client in &mut next {
        client.redirect_uris = vec![RedirectUri::parse("https://other.example/cb").unwrap()];
    }

    start(&broker, &next).await;

    for client in everything(&broker).await {
        let touched = [AGENT, OTHER_AGENT, GATEWAY.0].contains(&client.id.as_str());
        let before = made.iter().find(|before| before.id == client.id).unwrap();
        assert_eq!(client == *before, touched, "{}", client.id);
    }
    // Deleted, it is as the configuration says again.
    admin.delete(&path).await;
    start(&broker, &next).await;
    let client = next
        .iter()
        .find(|client| client.id.as_str() == AGENT)
        .unwrap();
    assert_eq!(
        stored(&broker, client).await.redirect_uris,
        client.redirect_uris
    );
}

#[tokio::test]
async fn a_client_that_the_configuration_drops_is_shut_out_until_it_returns() {
    let broker = Broker::start().await;
    let configured = everything(&broker).await;
    let session = broker.session().await;
    let (dropped, rest): (Vec<_>, Vec<_>) = configured
        .iter()
        .cloned()
        .partition(|client| client.id.as_str() == AGENT);

    start(&broker, &rest).await;

    assert_eq!(
        stored(&broker, &dropped[0]).await.status,
        ClientStatus::Blocked
    );
    let row = broker.newest().await;
    assert_eq!(row.kind, AuditKind::ClientBlocked);
    assert_eq!(row.details["ended_sessions"], 1);
    broker.parts.live.refresh().await.unwrap();
    broker
        .exchange(&session.access)
        .await
        .assert_refused(400, "invalid_request");
    let rows = broker.trail().await.len();
    start(&broker, &rest).await;
    assert_eq!(broker.trail().await.len(), rows, "once");

    start(&broker, &configured).await;
    assert_eq!(
        stored(&broker, &dropped[0]).await.status,
        ClientStatus::Approved
    );
    broker.session().await;
}

#[tokio::test]
async fn a_dropped_client_that_an_administrator_touched_is_his() {
    let broker = Broker::start().await;
    let admin = Administrator::new(&broker).await;
    admin.post(&format!("clients/{AGENT}/block")).await;
    admin.post(&format!("clients/{AGENT}/approve")).await;
    start(&broker, &[]).await;
    let agent = client(AGENT, None, &LOGIN);
    assert_eq!(stored(&broker, &agent).await.status, ClientStatus::Approved);
    // And one that he blocked is not let in by returning.
    let other = client(OTHER_AGENT, None, &LOGIN);
    start(&broker, std::slice::from_ref(&other)).await;
    assert_eq!(stored(&broker, &other).await.status, ClientStatus::Approved);
    admin.post(&format!("clients/{OTHER_AGENT}/block")).await;
    start(&broker, &[]).await;
    start(&broker, std::slice::from_ref(&other)).await;
    assert_eq!(stored(&broker, &other).await.status, ClientStatus::Blocked);
}
