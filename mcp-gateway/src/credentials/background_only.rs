//! `background_only`: conversations get nothing from Nextcloud; users may let background jobs in.
//!
//! What the broker keeps about that (Flow 2) is asked and withdrawn with the caller's token, which
//! alone says whose it is. Allowing is the user's own click in his own browser, and never done here.

use std::sync::Arc;

use async_trait::async_trait;
use broker_client::{
    background::{AccessRequest, BackgroundAccessClient},
    oauth,
};

use super::{
    Call, CredentialSource,
    exchange::{no_access, token_of},
};
use crate::nextcloud::{Client, NoAccess};

/// The source that gives no access, and knows how background access stands.
pub struct BackgroundOnly {
    broker: Arc<BackgroundAccessClient>,
    downstream: Arc<str>,
}

impl BackgroundOnly {
    /// Asks `broker` about the downstream of this name.
    #[must_use]
    pub fn new(broker: BackgroundAccessClient, downstream: &str) -> Self {
        Self {
            broker: Arc::new(broker),
            downstream: downstream.into(),
        }
    }
}

#[async_trait]
impl CredentialSource for BackgroundOnly {
    async fn client_for(&self, _call: &Call) -> Result<Client, NoAccess> {
        Err(NoAccess {
            sentence: "This server lets background jobs into Nextcloud, and nobody during a \
                       conversation, so nothing was done. provision_nextcloud_access lets the user \
                       allow those jobs.",
            source: "nextcloud.credentials is background_only".into(),
        })
    }

    async fn background_access(&self, call: &Call) -> Result<BackgroundAccess, NoAccess> {
        Ok(BackgroundAccess {
            broker: Arc::clone(&self.broker),
            downstream: Arc::clone(&self.downstream),
            call: call.clone(),
        })
    }
}

/// The background access of one caller, for the length of a call.
pub struct BackgroundAccess {
    broker: Arc<BackgroundAccessClient>,
    downstream: Arc<str>,
    call: Call,
}

impl BackgroundAccess {
    /// How it stands.
    ///
    /// # Errors
    ///
    /// [`NoAccess`] with a sentence for the model.
    pub async fn state(&self) -> Result<oauth::BackgroundAccess, NoAccess> {
        let answer = self.broker.state(self.request()?).await;
        answer.map_err(no_access)
    }

    /// Withdraws it, and says how it stands then.
    ///
    /// # Errors
    ///
    /// [`NoAccess`] with a sentence for the model.
    pub async fn withdraw(&self) -> Result<oauth::BackgroundAccess, NoAccess> {
        let answer = self.broker.withdraw(self.request()?).await;
        answer.map_err(no_access)
    }

    fn request(&self) -> Result<AccessRequest<'_>, NoAccess> {
        Ok(AccessRequest {
            subject_token: token_of(&self.call)?.subject_token(),
            audience: &self.downstream,
            tool: Some(&self.call.tool),
            traceparent: Some(self.call.trace.header()),
        })
    }
}
