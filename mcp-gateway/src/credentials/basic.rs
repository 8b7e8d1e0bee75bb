//! `basic`: one configured Nextcloud account for everybody who may call the gateway.
//!
//! Meant for a single user without a broker. The caller's identity plays no part.

use std::sync::Arc;

use async_trait::async_trait;
use broker_client::secret::Secret;

use super::{Call, CredentialSource};
use crate::nextcloud::{Authorization, Client, NoAccess, Transport};

/// The source that always answers with the configured account.
pub struct Basic {
    transport: Arc<Transport>,
    authorization: Authorization,
}

impl Basic {
    /// The account with this login name and app password; `None` when they have characters that
    /// no header may have.
    #[must_use]
    pub fn new(transport: Arc<Transport>, username: &str, password: &Secret) -> Option<Self> {
        let authorization = Authorization::basic(username, password.expose())?;
        Some(Self {
            transport,
            authorization,
        })
    }
}

#[async_trait]
impl CredentialSource for Basic {
    async fn client_for(&self, _call: &Call) -> Result<Client, NoAccess> {
        let transport = Arc::clone(&self.transport);
        Ok(Client::new(
            transport,
            "basic".to_owned(),
            self.authorization.clone(),
            None,
        ))
    }
}
