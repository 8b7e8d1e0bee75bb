//! Deleting what has expired.

use std::time::Duration;

use super::{Store, StoreError};
use crate::domain::Timestamp;

/// How long finished rows stay, for replay detection and for people who look.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Finished or expired authorizations.
    pub authorizations: Duration,
    /// Ended or expired grants with their refresh tokens.
    pub grants: Duration,
}

impl Store {
    /// Deletes expired rows, in bounded batches; returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn purge(&self, _now: Timestamp, _keep: Retention) -> Result<u64, StoreError> {
        todo!()
    }
}
