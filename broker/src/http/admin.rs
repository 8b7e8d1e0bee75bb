//! `/admin/v1/…`, on the admin listener only.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;

use super::token::authorization;
use crate::admin::{AdminApi, AdminError, AuditList, AuditQuery};
use crate::storage::AdminRole;

/// `GET /admin/v1/audit`.
pub(super) async fn audit(
    State(api): State<Arc<AdminApi>>,
    headers: HeaderMap,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<AuditList>, AdminError> {
    // Who asks comes first: a stranger does not even learn which parameters there are.
    api.administrator(authorization(&headers).as_deref(), AdminRole::Read)
        .await?;
    let Query(query) = query.map_err(|_| AdminError::Invalid {
        parameter: "query",
        problem: "has an unknown parameter or a value that does not fit",
    })?;
    api.audit(query).await.map(Json)
}
