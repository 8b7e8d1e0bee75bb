//! How much there is of everything.

use serde::Serialize;

use super::{AdminApi, AdminError};

/// How much there is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Stats {
    /// Clients, by kind and status; combinations that there are none of are left out.
    clients: Vec<ClientCount>,
    /// Users who have ever logged in.
    users: u64,
    /// Sessions that are live.
    sessions: u64,
    /// Protected resources.
    resources: usize,
    /// Downstreams.
    downstreams: usize,
}

/// How many clients there are of one sort.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ClientCount {
    /// `preregistered`, `dynamic` or `url`.
    kind: &'static str,
    /// `pending`, `approved` or `blocked`.
    status: &'static str,
    /// How many.
    number: i64,
}

impl AdminApi {
    /// Counts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stats(&self) -> Result<Stats, AdminError> {
        let mut clients: Vec<_> = self
            .store
            .clients_counted()
            .await?
            .into_iter()
            .map(|(kind, status, number)| ClientCount {
                kind: kind.as_str(),
                status: status.as_str(),
                number,
            })
            .collect();
        clients.sort_by_key(|count| (count.kind, count.status));
        let catalog = self.catalog.current();
        Ok(Stats {
            clients,
            users: self.store.count_users().await?,
            sessions: self.store.count_live_grants(self.ambient.now()).await?,
            resources: catalog.resources().len(),
            downstreams: catalog.downstreams().len(),
        })
    }
}
