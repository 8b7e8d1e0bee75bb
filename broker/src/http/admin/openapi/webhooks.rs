//! Webhooks and their deliveries, described.

use serde_json::{Value, json};
use utoipa::openapi::path::HttpMethod;

use super::MOMENT;
use super::describe::{Document, read, write};
use crate::admin::{
    ClearQuery, DeliveryItem, DeliveryList, DeliveryQuery, PresetChange, PresetClient, PresetList,
    WebhookItem, WebhookList, WebhookQuery,
};

/// Adds the operations.
pub(super) fn add(document: &mut Document) {
    registrations(document);
    deliveries(document);
}

fn registrations(document: &mut Document) {
    let all = "/admin/v1/webhooks";
    let list = read(
        "listWebhooks",
        "The webhooks that background clients have at Nextcloud.",
    )
    .query::<WebhookQuery>()
    .gives::<WebhookList>(200, json!({"items": [webhook()]}))
    .fails(&[403]);
    document.add(all, HttpMethod::Get, list);
    let clear = write("clearWebhooks", "Have nobody told of anything any more.")
        .query::<ClearQuery>()
        .gives::<WebhookList>(200, json!({"items": []}));
    document.add(all, HttpMethod::Delete, clear);

    let presets = read("listWebhookPresets", "The presets of events.").gives::<PresetList>(
        200,
        json!({
            "items": [{"preset": "tags", "events": [
                r"OCP\SystemTag\TagAssignedEvent", r"OCP\SystemTag\TagUnassignedEvent",
            ]}],
            "receivers": ["indexer"],
        }),
    );
    document.add("/admin/v1/webhooks/presets", HttpMethod::Get, presets);
    let enable = write(
        "enableWebhookPreset",
        "Have a background client told of a preset's events.",
    )
    .takes::<PresetChange>(json!({"client_id": "indexer", "users": ["alice"]}))
    .gives::<WebhookList>(200, json!({"items": [webhook()]}));
    document.add(
        "/admin/v1/webhooks/presets/{preset}/enable",
        HttpMethod::Post,
        enable,
    );
    let disable = write(
        "disableWebhookPreset",
        "Have a client told of a preset's events no more.",
    )
    .takes::<PresetClient>(json!({"client_id": "indexer"}))
    .gives::<WebhookList>(200, json!({"items": []}));
    document.add(
        "/admin/v1/webhooks/presets/{preset}/disable",
        HttpMethod::Post,
        disable,
    );

    let one = "/admin/v1/webhooks/{webhook_id}";
    let get = read("getWebhook", "Look at a webhook.").gives::<WebhookItem>(200, webhook());
    document.add(one, HttpMethod::Get, get);
    let delete = write("deleteWebhook", "Delete one webhook of a preset.").gives_nothing();
    document.add(one, HttpMethod::Delete, delete);
}

fn deliveries(document: &mut Document) {
    let list = read(
        "listWebhookDeliveries",
        "Deliveries that wait, or are not tried any more, newest first.",
    )
    .query::<DeliveryQuery>()
    .gives::<DeliveryList>(200, json!({"items": [delivery()]}));
    document.add("/admin/v1/webhook-deliveries", HttpMethod::Get, list);
    let redeliver = write("redeliverWebhook", "Try a delivery again.")
        .gives::<DeliveryItem>(200, delivery())
        .fails(&[409]);
    document.add(
        "/admin/v1/webhook-deliveries/{delivery_id}/redeliver",
        HttpMethod::Post,
        redeliver,
    );
    let delete = write("deleteWebhookDelivery", "Drop a delivery.").gives_nothing();
    document.add(
        "/admin/v1/webhook-deliveries/{delivery_id}",
        HttpMethod::Delete,
        delete,
    );
}

fn webhook() -> Value {
    json!({
        "webhook_id": "9c1d", "preset": "files", "client_id": "indexer",
        "event": r"OCP\Files\Events\Node\NodeCreatedEvent", "users": ["alice"],
        "technical_accounts": [], "state": "active", "nextcloud_id": 7, "created_at": MOMENT, "updated_at": MOMENT,
    })
}

fn delivery() -> Value {
    json!({
        "delivery_id": "4be0", "client_id": "indexer", "preset": "files",
        "event": r"OCP\Files\Events\Node\NodeCreatedEvent", "state": "dead", "attempts": 8,
        "received_at": MOMENT, "last_error": "the receiver answers 500 Internal Server Error",
    })
}
