//! `/account`: what acts for the user, and ending it.

use broker_client::oauth::Scope;

use super::{BackgroundAccess, Notice, Provision, ProvisionError, SignedIn};
use crate::domain::{AuditKind, ClientId, EndReason, Grant, RequestInfo, Timestamp};
use crate::storage::{ConsentsOf, GrantFilter};

/// The most sessions shown; whoever has more ends them by client.
const MOST_SESSIONS: u64 = 200;

/// More sessions than one client ever has for one user.
const ALL_SESSIONS: u64 = 100_000;

/// What the account page shows.
pub struct Account {
    /// The user's name, or what else is known of him.
    pub name: String,
    /// The clients that have sessions of his, in the order of their newest.
    pub clients: Vec<ConnectedClient>,
    /// Background access at each downstream that offers it.
    pub background: Vec<BackgroundAccess>,
}

/// A client that acts for the user in live sessions.
pub struct ConnectedClient {
    /// Its id.
    pub id: String,
    /// Its name, or else its id.
    pub name: String,
    /// How many sessions it has.
    pub sessions: usize,
    /// What it may do, all sessions together.
    pub scope: String,
    /// The day on which it was first allowed, of those sessions.
    pub since: String,
}

impl Provision {
    /// The account page of `user`.
    ///
    /// # Errors
    /// [`Notice::ServerError`].
    pub async fn account(&self, user: &SignedIn) -> Result<Account, ProvisionError> {
        let filter = GrantFilter {
            sub: Some(user.sub().clone()),
            live_at: Some(self.ambient.now()),
            ..GrantFilter::default()
        };
        let page = self.store.list_grants(&filter, None, MOST_SESSIONS).await?;
        let mut clients: Vec<(ClientId, Vec<Grant>)> = Vec::new();
        for grant in page.items {
            match clients.iter_mut().find(|(id, _)| *id == grant.client_id) {
                Some((_, grants)) => grants.push(grant),
                None => clients.push((grant.client_id.clone(), vec![grant])),
            }
        }
        let mut connected = Vec::new();
        for (id, grants) in clients {
            let client = self.store.client(&id).await?;
            let scope = grants
                .iter()
                .fold(Scope::new(), |all, grant| all.union(&grant.scope));
            let since = grants.iter().map(|grant| grant.created_at).min();
            connected.push(ConnectedClient {
                name: client
                    .and_then(|client| client.name)
                    .unwrap_or_else(|| id.to_string()),
                id: id.to_string(),
                sessions: grants.len(),
                scope: scope.to_string(),
                since: since.map(Timestamp::date).unwrap_or_default(),
            });
        }
        Ok(Account {
            name: user
                .user
                .name
                .clone()
                .or_else(|| user.user.nextcloud_uid.clone())
                .unwrap_or_else(|| user.user.upstream_subject.clone()),
            clients: connected,
            background: self.background_access(user).await?,
        })
    }

    /// Ends every session that a client has for the user, and forgets that he consented.
    ///
    /// # Errors
    /// [`Notice::Forgery`], [`Notice::ServerError`].
    pub async fn disconnect(
        &self,
        user: &SignedIn,
        csrf: &str,
        client_id: &str,
        info: &RequestInfo,
    ) -> Result<(), ProvisionError> {
        user.require_our_form("disconnect", csrf)?;
        let client_id =
            ClientId::parse(client_id).map_err(|error| Notice::Forgery.because(error))?;
        let now = self.ambient.now();
        let filter = GrantFilter {
            sub: Some(user.sub().clone()),
            client_id: Some(client_id.clone()),
            live_at: Some(now),
            ..GrantFilter::default()
        };
        let transaction = self.store.begin().await?;
        let page = transaction.list_grants(&filter, None, ALL_SESSIONS).await?;
        let mut events = Vec::new();
        for grant in page.items {
            if transaction
                .end_grant(&grant.id, EndReason::User, now)
                .await?
            {
                let mut event = self.event(AuditKind::GrantEnded, user, info);
                event.client_id = Some(client_id.clone());
                event.resource = Some(grant.resource);
                event.grant = Some(grant.id);
                event
                    .details
                    .insert("reason".to_owned(), EndReason::User.as_str().into());
                events.push(event);
            }
        }
        transaction
            .withdraw_consents(ConsentsOf::UserAtClient(user.sub(), &client_id))
            .await?;
        transaction.append_audit(&events).await?;
        transaction.commit().await?;
        // Other replicas follow within their second; this one knows at once.
        self.live.refresh().await?;
        Ok(())
    }
}
