//! Giving a client a new secret while the old one still works, so that nothing has to be changed at
//! both ends at the same moment.
//!
//! Who may do it is for the callers to decide: the admin API and the command line.

use std::time::Duration;

use crate::ambient::Ambient;
use crate::crypto::Handle;
use crate::domain::{Actor, AuditEvent, AuditKind, Client, ClientId, RequestInfo};
use crate::storage::{Store, StoreError};

/// A new secret for a client.
#[derive(Debug, Clone)]
pub struct SecretRotation {
    /// Whose.
    pub client_id: ClientId,
    /// How long the secret before it stays good; zero ends it at once.
    pub overlap: Duration,
    /// Only when the client still has this version (`If-Match`).
    pub version: Option<i64>,
}

/// Why a client got no new secret.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// There is no such client.
    #[error("there is no such client")]
    Unknown,
    /// It does not prove itself with a secret.
    #[error("the client does not authenticate with a secret")]
    NoSecret,
    /// It has another version, or was changed at the same moment.
    #[error("the client was changed meanwhile")]
    Changed,
    /// The database failed.
    #[error("the new secret could not be recorded")]
    Store(#[from] StoreError),
}

impl SecretRotation {
    /// Records a new random secret, with its audit row, and returns the client as it is now and the
    /// secret: the only time that anybody sees it.
    ///
    /// # Errors
    /// See [`RotationError`]; then nothing changed.
    pub async fn perform(
        &self,
        store: &Store,
        ambient: &Ambient,
        actor: Actor,
        info: &RequestInfo,
    ) -> Result<(Client, Handle), RotationError> {
        let now = ambient.now();
        let secret = Handle::generate(ambient);
        let transaction = store.begin().await?;
        let stored = transaction
            .client(&self.client_id)
            .await?
            .ok_or(RotationError::Unknown)?;
        if !stored.has_shared_secret() {
            return Err(RotationError::NoSecret);
        }
        if self
            .version
            .is_some_and(|version| version != stored.version)
        {
            return Err(RotationError::Changed);
        }
        let until = now.plus(self.overlap);
        let mut client = stored.clone();
        client.rotate_secret(secret.hash(), until);
        client.updated_at = now;
        client.version += 1;
        if !transaction.update_client(&client, stored.version).await? {
            return Err(RotationError::Changed);
        }
        let mut event = AuditEvent::new(now, AuditKind::ClientSecretRotated, actor).during(info);
        event.client_id = Some(client.id.clone());
        event
            .details
            .insert("former_until".to_owned(), until.as_millis().into());
        transaction.append_audit(&[event]).await?;
        transaction.commit().await?;
        Ok((client, secret))
    }
}
