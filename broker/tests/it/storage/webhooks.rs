//! Webhooks and deliveries as rows.

use std::time::Duration;

use broker::domain::{ClientId, Delivery, DeliveryId, Preset, Webhook, WebhookId};
use broker::storage::{DeliveryFilter, Lease, StoreError, WebhookFilter};

use super::database::Database;
use super::values::{at, hash};
use super::{KEEP, on_both, race};

on_both! {
    a_webhook_is_stored_changed_and_deleted_once_nobody_wants_it
    a_preset_is_unwanted_for_one_client_and_all_at_once
    a_delivery_waits_is_sent_by_one_and_dies
    dead_letters_are_kept_for_a_while
}

fn client_id(id: &str) -> ClientId {
    ClientId::parse(id).unwrap()
}

fn webhook(id: &str, preset: Preset, client: &str) -> Webhook {
    Webhook {
        id: WebhookId::parse(id).unwrap(),
        preset,
        client_id: client_id(client),
        event: format!(r"OCP\{id}"),
        users: vec!["alice".to_owned(), "Ö \"b\"".to_owned()],
        technical_accounts: vec!["scanner".to_owned()],
        is_wanted: true,
        nextcloud_id: None,
        secret: None,
        created_at: at(1),
        updated_at: at(1),
    }
}

fn delivery(id: &str, received: i64) -> Delivery {
    Delivery {
        id: DeliveryId::parse(id).unwrap(),
        client_id: client_id("job"),
        preset: Preset::Files,
        grant_of: Some("alice".to_owned()),
        event: r"OCP\E".to_owned(),
        body: r#"{"event":{"class":"OCP\\E"}}"#.to_owned(),
        received_at: at(received),
        attempts: 0,
        next_attempt_at: Some(at(received)),
        last_error: None,
    }
}

async fn a_webhook_is_stored_changed_and_deleted_once_nobody_wants_it(database: Database) {
    let store = database.open().await;
    let mut one = webhook("one", Preset::Files, "job");
    store.insert_webhook(&one).await.unwrap();
    assert!(matches!(
        store.insert_webhook(&one).await,
        Err(StoreError::Conflict { .. })
    ));
    assert_eq!(store.webhook(&one.id).await.unwrap(), Some(one.clone()));
    assert!(store.has_unsettled_webhooks().await.unwrap());

    assert!(store.rekey_webhook(&one.id, hash(1), at(2)).await.unwrap());
    store.note_webhook(&one.id, 7, at(3)).await.unwrap();
    one.secret = Some(hash(1));
    one.nextcloud_id = Some(7);
    one.updated_at = at(3);
    assert_eq!(store.webhook(&one.id).await.unwrap(), Some(one.clone()));
    assert!(!store.has_unsettled_webhooks().await.unwrap());

    assert!(
        !store.delete_webhook(&one.id).await.unwrap(),
        "it is wanted"
    );
    assert!(store.unwant_webhook(&one.id, at(4)).await.unwrap());
    assert!(!store.unwant_webhook(&one.id, at(5)).await.unwrap());
    assert!(!store.rekey_webhook(&one.id, hash(2), at(5)).await.unwrap());
    assert!(store.has_unsettled_webhooks().await.unwrap());
    assert!(store.delete_webhook(&one.id).await.unwrap());
    assert!(!store.delete_webhook(&one.id).await.unwrap());
    assert_eq!(store.webhook(&one.id).await.unwrap(), None);
}

async fn a_preset_is_unwanted_for_one_client_and_all_at_once(database: Database) {
    let store = database.open().await;
    for (id, preset, client) in [
        ("a", Preset::Files, "job"),
        ("b", Preset::Files, "job"),
        ("c", Preset::Tags, "job"),
        ("d", Preset::Files, "other"),
    ] {
        store
            .insert_webhook(&webhook(id, preset, client))
            .await
            .unwrap();
    }
    let ids = async |filter: WebhookFilter| {
        let found = store.webhooks(&filter).await.unwrap();
        let ids = found.into_iter().map(|webhook| webhook.id.to_string());
        ids.collect::<Vec<_>>()
    };
    let files_of_job = WebhookFilter {
        preset: Some(Preset::Files),
        client_id: Some(client_id("job")),
        is_wanted: true,
    };
    let wanted = WebhookFilter {
        is_wanted: true,
        ..WebhookFilter::default()
    };
    assert_eq!(ids(WebhookFilter::default()).await, ["a", "b", "c", "d"]);
    assert_eq!(ids(files_of_job.clone()).await, ["a", "b"]);
    let unwant = async |filter: &WebhookFilter| store.unwant_webhooks(filter, at(2)).await;
    assert_eq!(unwant(&files_of_job).await.unwrap(), 2);
    assert_eq!(unwant(&files_of_job).await.unwrap(), 0);
    assert_eq!(ids(wanted.clone()).await, ["c", "d"]);
    assert_eq!(unwant(&WebhookFilter::default()).await.unwrap(), 2);
    assert_eq!(ids(wanted).await, [""; 0]);
}

async fn a_delivery_waits_is_sent_by_one_and_dies(database: Database) {
    let store = database.open().await;
    let first = delivery("first", 10);
    for delivery in [&first, &delivery("second", 20)] {
        store.insert_delivery(delivery).await.unwrap();
    }
    assert_eq!(store.count_deliveries().await.unwrap(), 2);
    let due = store.due_deliveries(at(10), 10).await.unwrap();
    assert_eq!(due, std::slice::from_ref(&first));
    let lease = |holder: u8, until: i64| Lease {
        holder: [holder; 16],
        until: at(until),
    };
    let take = |holder: u8| {
        let (store, first) = (store.clone(), first.clone());
        async move {
            store
                .lease_delivery(&first, lease(holder, 70), at(10))
                .await
        }
    };
    assert_eq!(race(take).await, 1);
    assert_eq!(store.due_deliveries(at(10), 10).await.unwrap(), []);
    assert!(!store.redeliver(&first.id, at(10)).await.unwrap(), "leased");
    // Whoever took it is gone; another one sends it.
    let other = lease(9, 130);
    let taken = store.lease_delivery(&first, other, at(70)).await;
    assert!(taken.unwrap());
    let dead = Delivery {
        attempts: 1,
        next_attempt_at: None,
        last_error: Some("the receiver answers 500".to_owned()),
        ..first.clone()
    };
    // The one before comes too late.
    for holder in 0..8 {
        store.note_attempt(&dead, lease(holder, 70)).await.unwrap();
    }
    assert_eq!(
        store.delivery(&first.id).await.unwrap(),
        Some(first.clone())
    );
    store.note_attempt(&dead, other).await.unwrap();
    assert_eq!(store.delivery(&first.id).await.unwrap(), Some(dead));

    let list = async |is_dead: Option<bool>| {
        let filter = DeliveryFilter {
            client_id: Some(client_id("job")),
            is_dead,
        };
        let page = store.list_deliveries(&filter, None, 10).await.unwrap();
        page.items.len()
    };
    assert_eq!(list(None).await, 2);
    assert_eq!(list(Some(true)).await, 1);
    assert_eq!(list(Some(false)).await, 1);
    assert!(store.redeliver(&first.id, at(80)).await.unwrap());
    assert_eq!(store.due_deliveries(at(80), 10).await.unwrap().len(), 2);
    assert!(store.delete_delivery(&first.id).await.unwrap());
    assert!(!store.delete_delivery(&first.id).await.unwrap());
}

async fn dead_letters_are_kept_for_a_while(database: Database) {
    let store = database.open().await;
    let dead = Delivery {
        next_attempt_at: None,
        ..delivery("dead", 1)
    };
    store.insert_delivery(&dead).await.unwrap();
    let waiting = delivery("waiting", 1);
    store.insert_delivery(&waiting).await.unwrap();
    let month = Duration::from_hours(30 * 24);
    assert_eq!(store.purge(at(1).plus(month), KEEP).await.unwrap(), 0);
    let later = at(2).plus(month);
    assert_eq!(store.purge(later, KEEP).await.unwrap(), 1);
    assert_eq!(store.delivery(&dead.id).await.unwrap(), None);
    assert_eq!(store.count_deliveries().await.unwrap(), 1);
}
