//! Background access: what users let background jobs do while they are away, and withdrawing it.

use serde::{Deserialize, Serialize};

use super::audit::rfc3339;
use super::{AdminApi, AdminError, Administrator, page};
use crate::domain::{AuditKind, DownstreamName, OfflineGrant, OfflineGrantId, Subject};
use crate::storage::OfflineGrantFilter;

/// Which offline grants to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OfflineGrantQuery {
    /// How many, 1 to 500; default 50.
    pub limit: Option<u64>,
    /// Where the last page ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// Only of this user.
    pub sub: Option<String>,
    /// Only at this downstream.
    pub downstream: Option<String>,
    /// With `true`, those that were withdrawn too.
    #[serde(default)]
    pub withdrawn: bool,
}

/// A page of offline grants, newest first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OfflineGrants {
    items: Vec<OfflineGrantItem>,
    /// Pass as `cursor` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What a user allowed background jobs at one downstream.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OfflineGrantItem {
    /// Its id, which background clients exchange.
    id: String,
    /// Who allowed it.
    sub: String,
    /// Where.
    downstream: String,
    /// What, at most.
    scope: String,
    /// `active`; `failing`: the identity provider refused the last refresh, and the user has to allow
    /// it again; or `withdrawn`.
    state: &'static str,
    /// Since when it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<String>,
    /// `refused` by the identity provider, or `interrupted`: the answer to a refresh was lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_reason: Option<&'static str>,
    /// When it was allowed: RFC 3339, UTC.
    granted_at: String,
    /// When it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn_at: Option<String>,
}

impl From<&OfflineGrant> for OfflineGrantItem {
    fn from(grant: &OfflineGrant) -> Self {
        Self {
            id: grant.id.to_string(),
            sub: grant.sub.to_string(),
            downstream: grant.downstream.to_string(),
            scope: grant.scope.to_string(),
            state: grant.state().as_str(),
            failing_since: grant.failing.map(|(since, _)| rfc3339(since)),
            failing_reason: grant.failing.map(|(_, reason)| reason.as_str()),
            granted_at: rfc3339(grant.granted_at),
            withdrawn_at: grant.withdrawn_at.map(rfc3339),
        }
    }
}

impl AdminApi {
    /// Lists offline grants.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when a parameter does not fit.
    pub async fn offline_grants(
        &self,
        query: OfflineGrantQuery,
    ) -> Result<OfflineGrants, AdminError> {
        let limit = page::limit(query.limit)?;
        let after = page::position(query.cursor.as_deref())?;
        let filter = OfflineGrantFilter {
            sub: page::id("sub", query.sub, Subject::parse)?,
            downstream: page::id("downstream", query.downstream, DownstreamName::parse)?,
            only_standing: !query.withdrawn,
        };
        let page = self
            .store
            .list_offline_grants(&filter, after.as_ref(), limit)
            .await?;
        Ok(OfflineGrants {
            items: page.items.iter().map(OfflineGrantItem::from).collect(),
            next_cursor: page.next.as_ref().map(page::cursor),
        })
    }

    /// Withdraws an offline grant in the place of its user, and has the identity provider revoke what it
    /// gave for it. One that is withdrawn stays as it is.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub async fn withdraw_offline_grant(
        &self,
        by: &Administrator,
        id: &str,
    ) -> Result<OfflineGrantItem, AdminError> {
        const NOT_FOUND: AdminError = AdminError::NotFound("offline grant");
        let id = OfflineGrantId::parse(id).map_err(|_| NOT_FOUND)?;
        let now = self.ambient.now();
        let transaction = self.store.begin().await?;
        let mut grant = transaction.offline_grant(&id).await?.ok_or(NOT_FOUND)?;
        let tokens = transaction
            .offline_tokens_of(&grant.sub, Some(&grant.downstream))
            .await?;
        let withdrawn = transaction
            .withdraw_offline_grants(&grant.sub, Some(&grant.downstream), now)
            .await?;
        if withdrawn > 0 {
            let mut event = by.does(AuditKind::OfflineWithdrawn, now);
            event.sub = Some(grant.sub.clone());
            event.downstream = Some(grant.downstream.clone());
            event.scope = Some(grant.scope.to_string());
            event
                .details
                .insert("offline_grant".to_owned(), id.as_str().into());
            self.commit(transaction, &[event]).await?;
            self.offline_tokens.revoke(tokens, &by.request);
            grant.withdrawn_at = Some(now);
        }
        Ok(OfflineGrantItem::from(&grant))
    }
}
