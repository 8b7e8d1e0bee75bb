//! Opening a database: created and migrated at the first start, reused later, refused when foreign.

use super::Store;

/// How to open the database.
#[derive(Debug, Clone)]
pub struct Options {
    /// `sqlite:path`, `sqlite::memory:` or `postgres://…`.
    pub url: String,
    /// Durability of SQLite commits.
    pub synchronous: Synchronous,
    /// Most connections in the pool.
    pub max_connections: u32,
}

/// SQLite's `synchronous` pragma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// Survives power loss. The default: a lost rotation would look like token reuse.
    Full,
    /// Survives a crash of the process, may lose the last commits at power loss.
    Normal,
}

/// Why the broker does not start on this database; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Cannot be reached or opened.
    #[error("cannot open the database {url}: {hint}")]
    Unreachable {
        /// The URL without its password.
        url: String,
        /// What to do.
        hint: String,
        /// Why.
        #[source]
        source: sea_orm::DbErr,
    },
    /// It holds tables that are not ours.
    #[error("{url} holds tables of another program; give the broker a database of its own")]
    Foreign {
        /// The URL without its password.
        url: String,
    },
    /// It was migrated by a newer broker.
    #[error(
        "{url} was written by a newer broker (it knows migration {migration}); start that version, or restore a backup"
    )]
    Newer {
        /// The URL without its password.
        url: String,
        /// The unknown migration.
        migration: String,
    },
    /// A migration failed.
    #[error("cannot migrate {url}; it is unchanged. Restore a backup or see docs/operations.md")]
    Migration {
        /// The URL without its password.
        url: String,
        /// Why.
        #[source]
        source: sea_orm::DbErr,
    },
}

/// Opens, checks and migrates the database.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(_options: &Options) -> Result<Store, OpenError> {
    todo!()
}

/// Applies pending migrations under a lock; returns how many there were. [`open`] calls it.
///
/// # Errors
/// See [`OpenError`].
pub async fn migrate(_store: &Store) -> Result<u32, OpenError> {
    todo!()
}
