//! `GET /admin/v1/audit`: the audit trail, newest first, in pages.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{AdminApi, AdminError, page};
use crate::domain::{AuditKind, Outcome, Timestamp};
use crate::storage::{AuditFilter, StoredAuditEvent};

/// Which rows to list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// How many rows, 1 to 500; default 50.
    pub limit: Option<u64>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<i64>,
    /// Only this event.
    pub event: Option<String>,
    /// Only this user.
    pub sub: Option<String>,
    /// Only this client.
    pub client_id: Option<String>,
}

/// A page of the trail.
#[derive(Debug, Serialize)]
pub struct AuditList {
    items: Vec<AuditItem>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<i64>,
}

/// One row.
#[derive(Debug, Serialize)]
pub struct AuditItem {
    id: i64,
    /// RFC 3339, UTC.
    at: String,
    event: &'static str,
    /// `ok` or `refused`.
    outcome: &'static str,
    /// The code that the caller saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    actor: AuditActor,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    downstream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    details: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct AuditActor {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl AdminApi {
    /// Lists the trail.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when a parameter does not fit.
    pub async fn audit(&self, query: AuditQuery) -> Result<AuditList, AdminError> {
        let limit = page::limit(query.limit)?;
        let kind = match query.event.as_deref() {
            None => None,
            Some(word) => Some(AuditKind::parse(word).ok_or(AdminError::Invalid {
                parameter: "event",
                problem: "is not the name of an event",
            })?),
        };
        let filter = AuditFilter {
            kind,
            sub: query.sub,
            client_id: query.client_id,
            from: None,
            until: None,
        };
        let page = self.store.list_audit(&filter, query.cursor, limit).await?;
        Ok(AuditList {
            items: page.items.into_iter().map(AuditItem::from).collect(),
            next_cursor: page.next,
        })
    }
}

impl From<StoredAuditEvent> for AuditItem {
    fn from(StoredAuditEvent { id, event }: StoredAuditEvent) -> Self {
        let (outcome, error) = match event.outcome {
            Outcome::Ok => ("ok", None),
            Outcome::Refused(code) => ("refused", Some(code.as_str())),
        };
        Self {
            id,
            at: rfc3339(event.at),
            event: event.kind.as_str(),
            outcome,
            error,
            actor: AuditActor {
                kind: event.actor.kind(),
                id: event.actor.id().map(str::to_owned),
            },
            sub: event.sub.map(Into::into),
            client_id: event.client_id.map(Into::into),
            resource: event.resource.map(|resource| resource.to_string()),
            downstream: event.downstream.map(Into::into),
            tool: event.tool,
            scope: event.scope,
            grant_id: event.grant.map(Into::into),
            request_id: event.request_id,
            trace_id: event.trace_id,
            address: event.address,
            details: event.details,
        }
    }
}

/// A moment as people and programs read it; the epoch for one beyond the calendar.
pub(super) fn rfc3339(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.as_millis()) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .format(&Rfc3339)
        .unwrap_or_default()
}
