//! What can only be looked at: `/admin/v1/audit`, `/grants`, `/offline-grants`, `/users`, `/keys`, `/downstreams`,
//! `/stats`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::extract::{Asked, Name, Reader};
use crate::admin::{
    AdminApi, AdminError, AuditList, AuditQuery, DownstreamList, GrantList, GrantQuery, KeyList,
    OfflineGrantQuery, OfflineGrants, Stats, UserItem, UserList, UserQuery,
};

type Api = State<Arc<AdminApi>>;
type Answer<T> = Result<Json<T>, AdminError>;

pub(super) async fn audit(
    _: Reader,
    State(api): Api,
    Asked(query): Asked<AuditQuery>,
) -> Answer<AuditList> {
    api.audit(query).await.map(Json)
}

pub(super) async fn grants(
    _: Reader,
    State(api): Api,
    Asked(query): Asked<GrantQuery>,
) -> Answer<GrantList> {
    api.grants(query).await.map(Json)
}

pub(super) async fn offline_grants(
    _: Reader,
    State(api): Api,
    Asked(query): Asked<OfflineGrantQuery>,
) -> Answer<OfflineGrants> {
    api.offline_grants(query).await.map(Json)
}

pub(super) async fn users(
    _: Reader,
    State(api): Api,
    Asked(query): Asked<UserQuery>,
) -> Answer<UserList> {
    api.users(query).await.map(Json)
}

pub(super) async fn user(_: Reader, State(api): Api, Name(sub): Name) -> Answer<UserItem> {
    api.user(&sub).await.map(Json)
}

pub(super) async fn keys(_: Reader, State(api): Api) -> Answer<KeyList> {
    api.keys().await.map(Json)
}

pub(super) async fn downstreams(_: Reader, State(api): Api) -> Json<DownstreamList> {
    Json(api.downstreams())
}

pub(super) async fn stats(_: Reader, State(api): Api) -> Answer<Stats> {
    api.stats().await.map(Json)
}
