//! A copy of an SQLite database while it is in use. PostgreSQL has its own tools for that.

use std::path::Path;

use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, Statement};

use super::location::Location;
use super::open::{Journal, Options, Target, create_private};
use super::open_error::OpenError;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database is no SQLite file.
    #[error("only SQLite files are copied; use pg_dump for PostgreSQL, see docs/operations.md")]
    NoFile,
    /// There is no database yet.
    #[error("there is no database at {0} yet")]
    Missing(String),
    /// A copy never overwrites anything.
    #[error("{0} is there already; name a new file")]
    Taken(String),
    /// The copy's file cannot be made.
    #[error("cannot create {path}; its directory must exist and be writable")]
    Create {
        /// The copy's file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy was not finished, and is removed.
    #[error("the database could not be copied; is the disk full?")]
    Copy(#[source] DbErr),
}

/// Copies the SQLite database to the new file `copy`, as it is at one moment, whoever writes to it
/// meanwhile. Migrates nothing: a copy made before an upgrade is of the version before.
///
/// # Errors
/// See [`BackupError`].
pub async fn backup(options: &Options, copy: &Path) -> Result<(), BackupError> {
    let target = Target::new(options)?;
    let Location::File(file) = &target.location else {
        return Err(BackupError::NoFile);
    };
    if !file.exists() {
        return Err(BackupError::Missing(file.display().to_string()));
    }
    let shown = copy.display().to_string();
    if copy.exists() {
        return Err(BackupError::Taken(shown));
    }
    // SQLite writes into an empty file, and leaves its permissions as they are.
    create_private(copy).map_err(|source| BackupError::Create {
        path: shown.clone(),
        source,
    })?;
    let connection = target.connect(1, Journal::AsItIs).await?;
    let statement =
        Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [shown.into()]);
    let copied = connection.execute_raw(statement).await;
    // The copy counts; a failed goodbye changes nothing.
    drop(connection.close().await);
    if let Err(error) = copied {
        // Half a copy must not look like one.
        drop(std::fs::remove_file(copy));
        return Err(BackupError::Copy(error));
    }
    Ok(())
}
