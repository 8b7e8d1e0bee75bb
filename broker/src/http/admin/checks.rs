//! `/admin/v1/downstreams/{name}/check`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::extract::{Body, Name, Writer};
use crate::admin::{AdminApi, AdminError, CheckOptions, CheckedDownstream};

pub(super) async fn downstream(
    Writer(by): Writer,
    State(api): State<Arc<AdminApi>>,
    Name(name): Name,
    body: Option<Body<CheckOptions>>,
) -> Result<Json<CheckedDownstream>, AdminError> {
    let options = body.map(|Body(options)| options).unwrap_or_default();
    api.check_downstream(&by, &name, options).await.map(Json)
}
