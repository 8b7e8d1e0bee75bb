//! `GET /admin/v1/audit`: the audit trail, newest first, in pages.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{AdminApi, AdminError, page};
use crate::domain::{AuditKind, ClientId, Outcome, Subject, Timestamp};
use crate::storage::{AuditFilter, Position, StoredAuditEvent};

/// Which rows to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// How many rows, 1 to 500; default 50.
    pub limit: Option<u64>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// Only this event.
    pub event: Option<String>,
    /// Only this user.
    pub sub: Option<String>,
    /// Only this client.
    pub client_id: Option<String>,
    /// Only from this moment on: RFC 3339.
    pub from: Option<String>,
    /// Only before this moment: RFC 3339.
    pub until: Option<String>,
}

/// A page of the trail.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct AuditList {
    items: Vec<AuditItem>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One row.
#[derive(Debug, Serialize, utoipa::ToSchema)]
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

#[derive(Debug, Serialize, utoipa::ToSchema)]
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
            sub: page::id("sub", query.sub, Subject::parse)?.map(Into::into),
            client_id: page::id("client_id", query.client_id, ClientId::parse)?.map(Into::into),
            from: moment("from", query.from.as_deref())?,
            until: moment("until", query.until.as_deref())?,
        };
        let before = page::position(query.cursor.as_deref())?
            .map(|position| position.id.parse().map_err(|_| page::NOT_A_CURSOR))
            .transpose()?;
        let page = self.store.list_audit(&filter, before, limit).await?;
        let last = page.items.last().map(|row| row.event.at);
        Ok(AuditList {
            next_cursor: page.next.zip(last).map(|(id, at)| {
                page::cursor(&Position {
                    at,
                    id: id.to_string(),
                })
            }),
            items: page.items.into_iter().map(AuditItem::from).collect(),
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

/// A moment that a parameter names.
fn moment(parameter: &'static str, text: Option<&str>) -> Result<Option<Timestamp>, AdminError> {
    text.map(|text| {
        let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| AdminError::Invalid {
            parameter,
            problem: "must be a moment such as 2026-11-21T08:00:00Z",
        })?;
        let millis = moment.unix_timestamp_nanos() / 1_000_000;
        Ok(Timestamp::from_millis(
            i64::try_from(millis).unwrap_or(i64::MAX),
        ))
    })
    .transpose()
}

/// A moment as people and programs read it; the epoch for one beyond the calendar.
pub(super) fn rfc3339(at: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.as_millis()) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .format(&Rfc3339)
        .unwrap_or_default()
}
