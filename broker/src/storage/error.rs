//! How storage fails.

use broker_client::oauth::OAuthError;
use sea_orm::{DbErr, SqlErr};

/// A storage failure. "Not found" is `Option`, not an error.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row with this key is already there.
    #[error("a row with this key already exists in {table}")]
    Conflict {
        /// The table.
        table: &'static str,
    },
    /// A stored value does not read back as what it should be.
    #[error("{table}.{column} of row {row} holds a value that cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's key.
        row: String,
    },
    /// The database refused or did not answer.
    #[error("the database failed")]
    Database(#[source] DbErr),
    /// The writer was closed, because the process stops.
    #[error("the broker is stopping and writes no more")]
    Stopping,
}

impl StoreError {
    /// Turns the failure of an insert into `table` into [`StoreError::Conflict`] where the row is
    /// already there.
    pub(super) fn inserting(table: &'static str) -> impl FnOnce(DbErr) -> Self {
        move |error| match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::Conflict { table },
            _ => Self::Database(error),
        }
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::server_error("The broker could not reach its database. Try again in a moment.")
            .because(error)
    }
}
