//! Audit rows: appended, listed, never changed.

use broker_client::oauth::ErrorCode;
use sea_orm::{
    ActiveValue, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::entity::audit_event::{ActiveModel, Column, Entity, Model};
use super::row::{Row, to_json};
use super::{Repository, StoreError};
use crate::domain::{
    Actor, AuditEvent, AuditKind, ClientId, DownstreamName, GrantId, Outcome, ResourceUri, Subject,
    Timestamp,
};

const TABLE: &str = "audit_events";

/// Rows in one INSERT: both databases limit the number of bound values in a statement.
const ROWS_A_STATEMENT: usize = 500;

/// Which audit rows to list.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only this event.
    pub kind: Option<AuditKind>,
    /// Only this user.
    pub sub: Option<String>,
    /// Only this client.
    pub client_id: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// A stored audit row.
#[derive(Debug, Clone)]
pub struct StoredAuditEvent {
    /// Row id, ascending.
    pub id: i64,
    /// The event.
    pub event: AuditEvent,
}

/// A page of audit rows, newest first.
#[derive(Debug, Clone)]
pub struct AuditPage {
    /// The rows.
    pub items: Vec<StoredAuditEvent>,
    /// Pass as `before` for the next page.
    pub next: Option<i64>,
}

impl<C: ConnectionTrait> Repository<C> {
    /// Appends rows, in order, in one statement (per 500 rows).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn append_audit(&self, events: &[AuditEvent]) -> Result<(), StoreError> {
        for chunk in events.chunks(ROWS_A_STATEMENT) {
            Entity::insert_many(chunk.iter().map(to_row))
                .exec_without_returning(&self.connection)
                .await?;
            self.appended.add(chunk);
        }
        Ok(())
    }

    /// Lists at most `limit` rows with an id below `before`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u64,
    ) -> Result<AuditPage, StoreError> {
        let mut query = Entity::find()
            .order_by_desc(Column::Id)
            // One more than asked tells whether there is a next page.
            .limit(limit.saturating_add(1));
        if let Some(kind) = filter.kind {
            query = query.filter(Column::Event.eq(kind.as_str()));
        }
        if let Some(sub) = &filter.sub {
            query = query.filter(Column::Sub.eq(sub.as_str()));
        }
        if let Some(client_id) = &filter.client_id {
            query = query.filter(Column::ClientId.eq(client_id.as_str()));
        }
        if let Some(from) = filter.from {
            query = query.filter(Column::At.gte(from.as_millis()));
        }
        if let Some(until) = filter.until {
            query = query.filter(Column::At.lt(until.as_millis()));
        }
        if let Some(before) = before {
            query = query.filter(Column::Id.lt(before));
        }

        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut rows = query.all(&self.connection).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more {
            rows.last().map(|row| row.id)
        } else {
            None
        };
        let items = rows
            .into_iter()
            .map(StoredAuditEvent::try_from)
            .collect::<Result<_, _>>()?;
        Ok(AuditPage { items, next })
    }
}

impl<C: ConnectionTrait> Repository<C> {
    /// At most `limit` rows with an id above `after`, oldest first, in a range of time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_after(
        &self,
        after: i64,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        limit: u64,
    ) -> Result<Vec<StoredAuditEvent>, StoreError> {
        let mut query = Entity::find()
            .filter(Column::Id.gt(after))
            .order_by_asc(Column::Id)
            .limit(limit);
        if let Some(from) = from {
            query = query.filter(Column::At.gte(from.as_millis()));
        }
        if let Some(until) = until {
            query = query.filter(Column::At.lt(until.as_millis()));
        }
        let rows = query.all(&self.connection).await?;
        rows.into_iter().map(StoredAuditEvent::try_from).collect()
    }
}

fn to_row(event: &AuditEvent) -> ActiveModel {
    let (outcome, error) = match event.outcome {
        Outcome::Ok => ("ok", None),
        Outcome::Refused(code) => ("refused", Some(code.as_str().to_owned())),
    };
    let mut row = Model {
        id: 0,
        at: event.at.as_millis(),
        event: event.kind.as_str().to_owned(),
        outcome: outcome.to_owned(),
        error,
        actor_kind: event.actor.kind().to_owned(),
        actor_id: event.actor.id().map(storable),
        sub: event.sub.as_ref().map(ToString::to_string),
        client_id: event.client_id.as_ref().map(ToString::to_string),
        resource: event.resource.as_ref().map(ToString::to_string),
        downstream: event.downstream.as_ref().map(ToString::to_string),
        tool: event.tool.as_deref().map(storable),
        scope: event.scope.as_deref().map(storable),
        grant_id: event.grant.as_ref().map(ToString::to_string),
        request_id: event.request_id.as_deref().map(storable),
        trace_id: event.trace_id.as_deref().map(storable),
        address: event.address.as_deref().map(storable),
        details: to_json(&event.details),
    }
    .into_active_model();
    row.id = ActiveValue::NotSet;
    row
}

/// Text as PostgreSQL takes it. Many rows share one statement, so a NUL that a stranger sent must
/// not make the database refuse the others with it.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

impl TryFrom<Model> for StoredAuditEvent {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let key = model.id.to_string();
        let row = Row::new(TABLE, &key);
        let outcome = match (model.outcome.as_str(), model.error.as_deref()) {
            ("ok", None) => Outcome::Ok,
            ("refused", Some(code)) => {
                Outcome::Refused(row.known("error", ErrorCode::parse(code))?)
            }
            _ => return Err(row.corrupt("outcome")),
        };
        let event = AuditEvent {
            at: Timestamp::from_millis(model.at),
            kind: row.known("event", AuditKind::parse(&model.event))?,
            outcome,
            actor: row.known(
                "actor_kind",
                Actor::from_parts(&model.actor_kind, model.actor_id),
            )?,
            sub: row.parsed("sub", model.sub.map(Subject::parse).transpose())?,
            client_id: row.parsed(
                "client_id",
                model.client_id.map(ClientId::parse).transpose(),
            )?,
            resource: row.parsed(
                "resource",
                model
                    .resource
                    .as_deref()
                    .map(ResourceUri::parse)
                    .transpose(),
            )?,
            downstream: row.parsed(
                "downstream",
                model.downstream.map(DownstreamName::parse).transpose(),
            )?,
            tool: model.tool,
            scope: model.scope,
            grant: row.parsed("grant_id", model.grant_id.map(GrantId::parse).transpose())?,
            request_id: model.request_id,
            trace_id: model.trace_id,
            address: model.address,
            details: row.json("details", &model.details)?,
            too_often: None,
        };
        Ok(Self {
            id: model.id,
            event,
        })
    }
}
