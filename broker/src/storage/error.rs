//! How storage fails.

use broker_client::oauth::OAuthError;

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
    Database(#[source] sea_orm::DbErr),
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::server_error("The broker could not reach its database. Try again in a moment.")
            .because(error)
    }
}
