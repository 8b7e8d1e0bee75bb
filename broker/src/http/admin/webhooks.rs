//! `/admin/v1/webhooks…`, `/admin/v1/webhook-deliveries…`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};

use super::super::unstored;
use super::extract::{Asked, Body, Name, Reader, Writer};
use crate::admin::{
    AdminApi, AdminError, ClearQuery, DeliveryItem, DeliveryList, DeliveryQuery, PresetChange,
    PresetClient, PresetList, WebhookItem, WebhookList, WebhookQuery,
};

type Api = State<Arc<AdminApi>>;
type Answer<T> = Result<Json<T>, AdminError>;

/// The routes, each of which is in the description too.
pub(super) fn routes() -> Router<Arc<AdminApi>> {
    let all = get(list).delete(clear);
    let one = get(read).delete(delete);
    Router::new()
        .route("/admin/v1/webhooks", unstored(all))
        .route("/admin/v1/webhooks/presets", unstored(get(presets)))
        .route(
            "/admin/v1/webhooks/presets/{preset}/enable",
            unstored(post(enable)),
        )
        .route(
            "/admin/v1/webhooks/presets/{preset}/disable",
            unstored(post(disable)),
        )
        .route("/admin/v1/webhooks/{webhook_id}", unstored(one))
        .route("/admin/v1/webhook-deliveries", unstored(get(deliveries)))
        .route(
            "/admin/v1/webhook-deliveries/{delivery_id}",
            unstored(axum::routing::delete(drop_delivery)),
        )
        .route(
            "/admin/v1/webhook-deliveries/{delivery_id}/redeliver",
            unstored(post(redeliver)),
        )
}

async fn list(
    Reader(by): Reader,
    State(api): Api,
    Asked(query): Asked<WebhookQuery>,
) -> Answer<WebhookList> {
    api.list_webhooks(&by, query).await.map(Json)
}

async fn clear(
    Writer(by): Writer,
    State(api): Api,
    Asked(query): Asked<ClearQuery>,
) -> Answer<WebhookList> {
    api.clear_webhooks(&by, query).await.map(Json)
}

async fn presets(_: Reader, State(api): Api) -> Json<PresetList> {
    Json(api.webhook_presets())
}

async fn enable(
    Writer(by): Writer,
    State(api): Api,
    Name(preset): Name,
    Body(change): Body<PresetChange>,
) -> Answer<WebhookList> {
    api.enable_preset(&by, &preset, change).await.map(Json)
}

async fn disable(
    Writer(by): Writer,
    State(api): Api,
    Name(preset): Name,
    Body(client): Body<PresetClient>,
) -> Answer<WebhookList> {
    api.disable_preset(&by, &preset, client).await.map(Json)
}

async fn read(_: Reader, State(api): Api, Name(id): Name) -> Answer<WebhookItem> {
    api.webhook(&id).await.map(Json)
}

async fn delete(
    Writer(by): Writer,
    State(api): Api,
    Name(id): Name,
) -> Result<StatusCode, AdminError> {
    api.delete_webhook(&by, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn deliveries(
    _: Reader,
    State(api): Api,
    Asked(query): Asked<DeliveryQuery>,
) -> Answer<DeliveryList> {
    api.webhook_deliveries(query).await.map(Json)
}

async fn redeliver(Writer(by): Writer, State(api): Api, Name(id): Name) -> Answer<DeliveryItem> {
    api.redeliver(&by, &id).await.map(Json)
}

async fn drop_delivery(
    Writer(by): Writer,
    State(api): Api,
    Name(id): Name,
) -> Result<StatusCode, AdminError> {
    api.delete_delivery(&by, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
