//! Opening a database: created and migrated at the first start, reused later, refused when foreign.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use migrations::{MIGRATION_TABLE, Migrator, MigratorTrait as _};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, Statement, TransactionTrait as _,
};

use super::location::{InvalidUrl, Location, without_password};
use super::open_error::{OpenError, hint, is_busy};
use super::{Store, WRITING};

/// How long a statement waits for another process's SQLite lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often, and how long apart, opening is tried while another process has an SQLite file to
/// itself (as it must, for a moment, to switch the file to write-ahead logging).
const BUSY_TRIES: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Names the advisory lock under which PostgreSQL is migrated: "mtb-migr" in ASCII.
const MIGRATION_LOCK: i64 = 0x6d74_622d_6d69_6772;

/// How to open the database. `Debug` shows the URL without its password.
#[derive(Clone)]
pub struct Options {
    /// `sqlite:path`, `sqlite::memory:` or `postgres://…`.
    pub url: String,
    /// Durability of SQLite commits.
    pub synchronous: Synchronous,
    /// Most connections in the pool.
    pub max_connections: u32,
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Options")
            .field("url", &without_password(&self.url).0)
            .field("synchronous", &self.synchronous)
            .field("max_connections", &self.max_connections)
            .finish()
    }
}

/// SQLite's `synchronous` pragma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// Survives power loss. The default: a lost rotation would look like token reuse.
    Full,
    /// Survives a crash of the process, may lose the last commits at power loss.
    Normal,
}

/// Opens, checks and migrates the database.
///
/// # Errors
/// See [`OpenError`].
pub async fn open(options: &Options) -> Result<Store, OpenError> {
    let target = Target::new(options)?;
    if target.location == Location::Memory {
        // The database lives in its one connection, so that one is migrated and kept.
        let connection = target.connect(1, Journal::AsItIs).await?;
        target.bring_up(&connection).await?;
        return Ok(Store::new(connection));
    }
    migrate(options).await?;
    let connection = target
        .connect(options.max_connections, Journal::WriteAhead)
        .await?;
    Ok(Store::new(connection))
}

/// Checks the database and applies pending migrations, under a lock; returns how many there were.
/// [`open`] calls it.
///
/// # Errors
/// See [`OpenError`].
pub async fn migrate(options: &Options) -> Result<u32, OpenError> {
    let target = Target::new(options)?;
    if let Location::File(path) = &target.location {
        create_private(path).map_err(|source| OpenError::Create {
            path: path.display().to_string(),
            source,
        })?;
    }
    // The journal stays as it is until the file turns out to be ours.
    let connection = target.connect(1, Journal::AsItIs).await?;
    let applied = target.bring_up(&connection).await;
    // What counts is committed; a failed goodbye changes nothing.
    drop(connection.close().await);
    applied
}

/// Whether a connection switches an SQLite file to write-ahead logging.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Journal {
    AsItIs,
    WriteAhead,
}

/// A database to be opened.
pub(super) struct Target {
    pub(super) location: Location,
    /// The URL without its password, for messages and for the driver.
    url: String,
    password: Option<String>,
    synchronous: Synchronous,
}

impl Target {
    pub(super) fn new(options: &Options) -> Result<Self, OpenError> {
        let location =
            Location::parse(&options.url).map_err(|InvalidUrl(hint)| OpenError::Url { hint })?;
        let (url, password) = match location {
            Location::Memory | Location::File(_) => (options.url.clone(), None),
            Location::Server => without_password(&options.url),
        };
        Ok(Self {
            location,
            url,
            password,
            synchronous: options.synchronous,
        })
    }

    pub(super) async fn connect(
        &self,
        max_connections: u32,
        journal: Journal,
    ) -> Result<DatabaseConnection, OpenError> {
        let mut tries = 0;
        loop {
            match Database::connect(self.connect_options(max_connections, journal)).await {
                Err(error) if is_busy(&error) && tries < BUSY_TRIES => {
                    tries += 1;
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                other => return other.map_err(|error| self.unreachable(error)),
            }
        }
    }

    fn connect_options(&self, max_connections: u32, journal: Journal) -> ConnectOptions {
        let mut options = ConnectOptions::new(&self.url);
        options
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .sqlx_logging(false);
        if self.location == Location::Server {
            // The password stays out of the options, which the driver may show.
            let password = self.password.clone();
            options
                .set_application_name("mcp-token-broker")
                .map_sqlx_postgres_opts(move |options| match &password {
                    Some(password) => options.password(password),
                    None => options,
                });
        } else {
            let synchronous = match self.synchronous {
                Synchronous::Full => SqliteSynchronous::Full,
                Synchronous::Normal => SqliteSynchronous::Normal,
            };
            // On every connection of the pool; a PRAGMA statement would reach only one.
            options.map_sqlx_sqlite_opts(move |options| {
                let options = options
                    .create_if_missing(true)
                    .foreign_keys(true)
                    .busy_timeout(BUSY_TIMEOUT)
                    .synchronous(synchronous);
                match journal {
                    Journal::AsItIs => options,
                    Journal::WriteAhead => options.journal_mode(SqliteJournalMode::Wal),
                }
            });
            // A file does not hang up; and the database in memory is gone with its connection.
            options
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None);
        }
        options
    }

    /// Checks whose database it is and migrates it, in one transaction under a lock, so that
    /// several processes may start at once.
    async fn bring_up(&self, connection: &DatabaseConnection) -> Result<u32, OpenError> {
        // On SQLite this is the lock.
        let transaction = connection
            .begin_with_options(WRITING)
            .await
            .map_err(|error| self.unreachable(error))?;
        let pending = self.pending(&transaction).await?;
        if pending == 0 {
            return Ok(0);
        }
        Migrator::up(&transaction, None)
            .await
            .map_err(|error| self.migration(error))?;
        transaction
            .commit()
            .await
            .map_err(|error| self.migration(error))?;
        tracing::info!(database = %self.url, migrations = pending, "database migrated");
        Ok(pending)
    }

    /// How many migrations are missing, if the database is ours or empty.
    async fn pending(&self, transaction: &DatabaseTransaction) -> Result<u32, OpenError> {
        let found = inspect(transaction)
            .await
            .map_err(|error| self.unreachable(error))?;
        let known = migrations::names();
        match found {
            Found::Nothing => Ok(count(known.len())),
            Found::Foreign => Err(OpenError::Foreign {
                url: self.url.clone(),
            }),
            Found::Ours(applied) => {
                match applied.iter().find(|migration| !known.contains(migration)) {
                    Some(migration) => Err(OpenError::Newer {
                        url: self.url.clone(),
                        migration: migration.clone(),
                    }),
                    None => Ok(count(known.len() - applied.len())),
                }
            }
        }
    }

    fn unreachable(&self, source: DbErr) -> OpenError {
        OpenError::Unreachable {
            url: self.url.clone(),
            hint: hint(&source).to_owned(),
            source,
        }
    }

    fn migration(&self, source: DbErr) -> OpenError {
        OpenError::Migration {
            url: self.url.clone(),
            source,
        }
    }
}

/// What a database holds.
enum Found {
    /// No tables.
    Nothing,
    /// Tables, but not our list of migrations.
    Foreign,
    /// Ours, with these migrations applied.
    Ours(Vec<String>),
}

async fn inspect(transaction: &DatabaseTransaction) -> Result<Found, DbErr> {
    let backend = transaction.get_database_backend();
    let tables = if backend == DbBackend::Postgres {
        let lock = "SELECT pg_advisory_xact_lock($1)";
        transaction
            .execute_raw(Statement::from_sql_and_values(
                backend,
                lock,
                [MIGRATION_LOCK.into()],
            ))
            .await?;
        "SELECT tablename::text AS name FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
    } else {
        r"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'"
    };
    let tables = strings(transaction, tables).await?;
    if tables.is_empty() {
        Ok(Found::Nothing)
    } else if tables.iter().any(|table| table == MIGRATION_TABLE) {
        let applied = format!("SELECT version AS name FROM {MIGRATION_TABLE} ORDER BY version");
        Ok(Found::Ours(strings(transaction, &applied).await?))
    } else {
        Ok(Found::Foreign)
    }
}

/// The column `name` of all rows.
async fn strings(transaction: &DatabaseTransaction, sql: &str) -> Result<Vec<String>, DbErr> {
    let backend = transaction.get_database_backend();
    transaction
        .query_all_raw(Statement::from_string(backend, sql))
        .await?
        .iter()
        .map(|row| row.try_get("", "name"))
        .collect()
}

fn count(migrations: usize) -> u32 {
    u32::try_from(migrations).unwrap_or(u32::MAX)
}

/// Creates the file for the broker's user alone, if it is not there: it will hold keys.
pub(super) fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
