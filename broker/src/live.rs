//! What each replica must know within a second, held in memory: which grants were ended, and the
//! confidential clients that exchange tokens.
//!
//! A task polls the database several times a second with one small query each; the exchange path
//! reads memory only. When polling fails for longer than a second, [`Live::check`] refuses: a
//! replica that cannot hear of revocations must not hand out tokens.

use std::sync::Arc;

use crate::ambient::Ambient;
use crate::domain::{Client, ClientId, GrantId};
use crate::storage::{Store, StoreError};

/// The snapshot. Cheap to clone.
#[derive(Clone)]
pub struct Live {}

/// The snapshot is older than a second: revocations may have been missed.
#[derive(Debug, thiserror::Error)]
#[error("the database has not answered for more than a second, so revocations may be missing")]
pub struct Outdated;

impl Live {
    /// Reads the first snapshot.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(_store: Store, _ambient: Ambient) -> Result<Self, StoreError> {
        todo!()
    }

    /// Reads what changed since the last time. The poll task calls it; so does whoever ended a
    /// grant on this replica, to see it at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Whether the grant was ended before its time.
    ///
    /// # Errors
    /// [`Outdated`] when this replica cannot know.
    pub fn is_ended(&self, _grant: &GrantId) -> Result<bool, Outdated> {
        todo!()
    }

    /// The confidential client, if there is one of this id.
    ///
    /// # Errors
    /// [`Outdated`] when this replica cannot know.
    pub fn client(&self, _id: &ClientId) -> Result<Option<Arc<Client>>, Outdated> {
        todo!()
    }
}
