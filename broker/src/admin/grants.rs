//! Sessions: what users allowed which clients, and ending them.

use serde::{Deserialize, Serialize};

use super::audit::rfc3339;
use super::{AdminApi, AdminError, Administrator, page};
use crate::domain::{
    AuditKind, ClientId, EndReason, Grant, GrantId, ResourceUri, Subject, Timestamp,
};
use crate::storage::GrantFilter;

/// Which sessions to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GrantQuery {
    /// How many, 1 to 500; default 50.
    pub limit: Option<u64>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// Only of this user.
    pub sub: Option<String>,
    /// Only of this client.
    pub client_id: Option<String>,
    /// Only for this resource.
    pub resource: Option<String>,
    /// With `true`, those that are over too.
    #[serde(default)]
    pub ended: bool,
}

/// A page of sessions, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct GrantList {
    items: Vec<GrantItem>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A session: what a user allowed one client at one login.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct GrantItem {
    /// Its id; the `sid` of its tokens.
    grant_id: String,
    /// Who allowed it.
    sub: String,
    /// To whom.
    client_id: String,
    /// For which resource.
    resource: String,
    /// What, at most.
    scope: String,
    /// Whether its tokens may still be used or renewed.
    live: bool,
    /// When it began: RFC 3339, UTC.
    created_at: String,
    /// When it ends at the latest.
    expires_at: String,
    /// When it was ended before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    /// Why it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_reason: Option<&'static str>,
}

impl GrantItem {
    fn new(grant: &Grant, now: Timestamp) -> Self {
        Self {
            grant_id: grant.id.to_string(),
            sub: grant.sub.to_string(),
            client_id: grant.client_id.to_string(),
            resource: grant.resource.to_string(),
            scope: grant.scope.to_string(),
            live: grant.is_live(now),
            created_at: rfc3339(grant.created_at),
            expires_at: rfc3339(grant.expires_at),
            ended_at: grant.ended.map(|(at, _)| rfc3339(at)),
            end_reason: grant.ended.map(|(_, reason)| reason.as_str()),
        }
    }
}

impl AdminApi {
    /// Lists sessions.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when a parameter does not fit.
    pub async fn grants(&self, query: GrantQuery) -> Result<GrantList, AdminError> {
        let now = self.ambient.now();
        let limit = page::limit(query.limit)?;
        let after = page::position(query.cursor.as_deref())?;
        let filter = GrantFilter {
            sub: page::id("sub", query.sub, Subject::parse)?,
            client_id: page::id("client_id", query.client_id, ClientId::parse)?,
            resource: page::id("resource", query.resource, |uri| ResourceUri::parse(&uri))?,
            live_at: (!query.ended).then_some(now),
        };
        let page = self
            .store
            .list_grants(&filter, after.as_ref(), limit)
            .await?;
        Ok(GrantList {
            items: page
                .items
                .iter()
                .map(|grant| GrantItem::new(grant, now))
                .collect(),
            next_cursor: page.next.as_ref().map(page::cursor),
        })
    }

    /// Ends a session, on every replica. One that is over already stays as it is.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn revoke_grant(
        &self,
        by: &Administrator,
        id: &str,
    ) -> Result<GrantItem, AdminError> {
        const NOT_FOUND: AdminError = AdminError::NotFound("session");
        let id = GrantId::parse(id).map_err(|_| NOT_FOUND)?;
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        let mut grant = transaction.grant(&id).await?.ok_or(NOT_FOUND)?;
        let reason = EndReason::Administrator;
        if grant.is_live(now) && transaction.end_grant(&id, reason, now).await? {
            let mut event = by.does(AuditKind::GrantEnded, now);
            event.sub = Some(grant.sub.clone());
            event.client_id = Some(grant.client_id.clone());
            event.resource = Some(grant.resource.clone());
            event.grant = Some(id);
            event
                .details
                .insert("reason".to_owned(), reason.as_str().into());
            self.commit(transaction, &[event]).await?;
            grant.ended = Some((now, reason));
        }
        Ok(GrantItem::new(&grant, now))
    }
}
