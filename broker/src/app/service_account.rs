//! The platforms that vouch for clients: from the configuration to keys that can be asked.

use std::collections::HashMap;
use std::sync::Arc;

use broker_client::keys::{KeyAccess, KeySource, RemoteKeySet};

use super::Parts;
use crate::config::{Config, Jwks};
use crate::domain::ClientId;
use crate::token::ServiceAccount;

/// A service account that a client runs as, and where its platform's keys are.
#[derive(Debug, Clone)]
pub struct ServiceAccountSettings {
    /// The client.
    pub client_id: ClientId,
    /// The `iss` of the platform's tokens.
    pub issuer: String,
    /// Their `sub`.
    pub subject: String,
    /// Their `aud`; our issuer when `None`.
    pub audience: Option<String>,
    /// The platform's keys.
    pub keys: Jwks,
    /// What its URL wants to see.
    pub access: KeyAccess,
}

/// What the configuration says.
pub(super) fn settings(config: &Config) -> Vec<ServiceAccountSettings> {
    let accounts = config.clients.iter().filter_map(|client| {
        let account = client.service_account.as_ref()?;
        Some(ServiceAccountSettings {
            client_id: client.client_id.clone(),
            issuer: account.issuer.clone(),
            subject: account.subject.clone(),
            audience: account.audience.clone(),
            keys: account.jwks.clone(),
            access: account.access.clone(),
        })
    });
    accounts.collect()
}

/// The accounts with keys that are fetched when first asked for.
pub(super) fn trusted(
    parts: &Parts,
    settings: &[ServiceAccountSettings],
) -> Arc<HashMap<ClientId, ServiceAccount>> {
    let accounts = settings.iter().map(|account| {
        let clock = Arc::clone(&parts.ambient.clock);
        let keys: Arc<dyn KeySource> = match &account.keys {
            Jwks::Url(url) if account.access == KeyAccess::default() => Arc::new(
                RemoteKeySet::from_url(parts.http.clone(), url.clone(), clock),
            ),
            Jwks::Url(url) => Arc::new(RemoteKeySet::from_protected_url(
                url.clone(),
                account.access.clone(),
                clock,
            )),
            Jwks::File(path) => Arc::new(RemoteKeySet::from_file(path.clone(), clock)),
        };
        let trusted = ServiceAccount {
            issuer: account.issuer.clone(),
            subject: account.subject.clone(),
            audience: account.audience.clone(),
            keys,
        };
        (account.client_id.clone(), trusted)
    });
    Arc::new(accounts.collect())
}
