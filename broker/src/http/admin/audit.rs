//! `/admin/v1/audit`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::extract::{Asked, Reader};
use crate::admin::{AdminApi, AdminError, AuditList, AuditQuery};

pub(super) async fn list(
    _: Reader,
    State(api): State<Arc<AdminApi>>,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<AuditList>, AdminError> {
    api.audit(query).await.map(Json)
}
