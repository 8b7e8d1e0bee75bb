//! All SQL. Takes and returns domain types only.
//!
//! [`Repository`] has the same methods on the pool ([`Store`]) and inside a transaction
//! ([`Transaction`]).
//!
//! Inside a transaction use that transaction for everything: on SQLite it holds the one write
//! lock, so writing through the [`Store`] (or waiting for [`crate::audit::AuditLog`]) before it
//! ends would wait for itself.

mod account_sessions;
mod accounts;
mod admin_tokens;
mod appended;
mod audit;
mod audit_seals;
mod authorizations;
mod backup;
mod browsers;
mod client_assertions;
mod client_documents;
mod clients;
mod consents;
mod entity;
mod error;
mod grants;
mod lease;
mod leases;
mod location;
mod offline_grants;
mod offline_requests;
mod offline_tokens;
mod open;
mod open_error;
mod page;
mod pool;
mod purge;
mod refresh_tokens;
mod registration_tokens;
mod registrations;
mod resources;
mod row;
mod sealed;
mod seeds;
mod signing_keys;
mod upstream_sessions;
mod upstream_tokens;
mod users;
mod webhook_deliveries;
mod webhooks;
mod whitelist;

pub use accounts::WatchedAccount;
pub use admin_tokens::{AdminRole, AdminToken};
pub use audit::{AuditFilter, AuditPage, StoredAuditEvent};
pub use audit_seals::{Seal, SealedRow, UnsealedRow};
pub use backup::{BackupError, backup};
pub use consents::ConsentsOf;
pub use error::StoreError;
pub use grants::GrantFilter;
pub use lease::Lease;
pub use offline_grants::OfflineGrantFilter;
pub use offline_tokens::SealedOfflineTokens;
pub use open::{Options, Synchronous, migrate, open};
pub use open_error::OpenError;
pub use page::{Page, Position};
pub use purge::Retention;
pub use registration_tokens::RegistrationToken;
pub use resources::StoredResource;
pub use sealed::{SEALED_COLUMNS, SealedColumn, SealedValue};
pub use seeds::ClientSeed;
pub use signing_keys::{KeyState, StoredKey};
pub use upstream_tokens::SealedTokens;
pub use webhook_deliveries::DeliveryFilter;
pub use webhooks::WebhookFilter;
pub use whitelist::{ClientFilter, Ended};

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};

use self::appended::Appended;
use crate::metrics::EventCounts;

/// SQL over a connection of kind `C`.
pub struct Repository<C> {
    connection: C,
    appended: Appended,
}

/// On the pool: each statement commits for itself.
pub type Store = Repository<DatabaseConnection>;

/// In a transaction: nothing counts before [`Transaction::commit`]; dropped, it rolls back.
pub type Transaction = Repository<DatabaseTransaction>;

impl Clone for Store {
    fn clone(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            appended: self.appended.clone(),
        }
    }
}

impl Store {
    fn new(connection: DatabaseConnection) -> Self {
        Self {
            connection,
            appended: Appended::default(),
        }
    }

    /// The counts of committed audit rows.
    #[must_use]
    pub fn event_counts(&self) -> &EventCounts {
        self.appended.counts()
    }

    /// Begins a transaction that may write: on SQLite `BEGIN IMMEDIATE`, so that a read inside it
    /// cannot be overtaken before the write.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(&self) -> Result<Transaction, StoreError> {
        let connection = self.connection.begin_with_options(WRITING).await?;
        Ok(Transaction {
            connection,
            appended: self.appended.in_transaction(),
        })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.connection.ping().await?)
    }

    /// Closes all connections; every later call fails. SQLite then folds its write-ahead log into
    /// the database file.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn close(&self) -> Result<(), StoreError> {
        Ok(self.connection.close_by_ref().await?)
    }
}

impl Transaction {
    /// Makes everything done in it count.
    ///
    /// # Errors
    /// When the database does not answer; then nothing counts.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.connection.commit().await?;
        self.appended.committed();
        Ok(())
    }
}

/// A transaction that takes SQLite's write lock at once; PostgreSQL locks rows as they are written.
const WRITING: TransactionOptions = TransactionOptions {
    isolation_level: None,
    access_mode: None,
    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
};
