//! All SQL. Takes and returns domain types only.
//!
//! [`Repository`] has the same methods on the pool ([`Store`]) and inside a transaction
//! ([`Transaction`]).

mod admin_tokens;
mod audit;
mod authorizations;
mod clients;
mod entity;
mod error;
mod grants;
mod open;
mod purge;
mod refresh_tokens;
mod signing_keys;
mod users;

pub use admin_tokens::{AdminRole, AdminToken};
pub use audit::{AuditFilter, AuditPage, StoredAuditEvent};
pub use error::StoreError;
pub use open::{OpenError, Options, Synchronous, migrate, open};
pub use purge::Retention;
pub use signing_keys::{KeyState, StoredKey};

use sea_orm::{DatabaseConnection, DatabaseTransaction};

/// SQL over a connection of kind `C`.
pub struct Repository<C> {
    connection: C,
}

/// On the pool: each statement commits for itself.
pub type Store = Repository<DatabaseConnection>;

/// In a transaction: nothing counts before [`Transaction::commit`]; dropped, it rolls back.
pub type Transaction = Repository<DatabaseTransaction>;

impl Clone for Store {
    fn clone(&self) -> Self {
        Self {
            connection: self.connection.clone(),
        }
    }
}

impl Store {
    /// Begins a transaction that may write: on SQLite `BEGIN IMMEDIATE`, so that a read inside it
    /// cannot be overtaken before the write.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        todo!()
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        todo!()
    }
}

impl Transaction {
    /// Makes everything done in it count.
    ///
    /// # Errors
    /// When the database does not answer; then nothing counts.
    pub async fn commit(self) -> Result<(), StoreError> {
        todo!()
    }
}
