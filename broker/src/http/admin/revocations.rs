//! What ends things: sessions, background access, everything of a user, the time of a signing key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::extract::{Asked, Name, Writer};
use crate::admin::{
    AdminApi, AdminError, GrantItem, OfflineGrantItem, RevokedUser, Rotated, RotationQuery,
};

pub(super) async fn grant(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
) -> Result<Json<GrantItem>, AdminError> {
    api.revoke_grant(&by, &id).await.map(Json)
}

pub(super) async fn offline_grant(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(id): Name,
) -> Result<Json<OfflineGrantItem>, AdminError> {
    api.withdraw_offline_grant(&by, &id).await.map(Json)
}

pub(super) async fn user(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(sub): Name,
) -> Result<Json<RevokedUser>, AdminError> {
    api.revoke_user(&by, &sub).await.map(Json)
}

pub(super) async fn rotate_keys(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Asked(query): Asked<RotationQuery>,
) -> Result<Json<Rotated>, AdminError> {
    api.rotate_keys(&by, &query).await.map(Json)
}
