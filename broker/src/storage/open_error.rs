//! Why the broker does not start on a database, with what to do about it.

use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Why the broker does not start on this database; the text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL names no database that we can use.
    #[error("database.url cannot be used: {hint}")]
    Url {
        /// What to write instead. Never repeats the URL, which may hold a password.
        hint: &'static str,
    },
    /// The SQLite file is not there and cannot be created.
    #[error("cannot create the database file {path}; its directory must exist and be writable")]
    Create {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Cannot be reached or opened.
    #[error("cannot open the database {url}: {hint}")]
    Unreachable {
        /// The URL without its password.
        url: String,
        /// What to do.
        hint: String,
        /// Why.
        #[source]
        source: DbErr,
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
        source: DbErr,
    },
}

/// Whether another process has the SQLite file to itself for the moment (`SQLITE_BUSY`).
pub(super) fn is_busy(error: &DbErr) -> bool {
    matches!(Cause::of(error), Cause::Sqlite(5))
}

/// What a person can do about `error`.
pub(super) fn hint(error: &DbErr) -> &'static str {
    match Cause::of(error) {
        // https://www.sqlite.org/rescode.html
        Cause::Sqlite(5 | 6) => "another program keeps it locked; stop that program",
        Cause::Sqlite(8) => "it is read-only; let the broker's user write to it and its directory",
        Cause::Sqlite(11) => "it is damaged; restore a backup",
        Cause::Sqlite(13) => "the disk is full; make room",
        Cause::Sqlite(14) => {
            "its directory must exist, and the broker's user must be able to write there"
        }
        Cause::Sqlite(26) => {
            "the file is not an SQLite database; point database.url at another file"
        }
        // https://www.postgresql.org/docs/current/errcodes-appendix.html
        Cause::Postgres(code) => match code.as_str() {
            "28P01" | "28000" => "user or password is wrong, or pg_hba.conf does not let it in",
            "3D000" => "there is no database of this name; create it",
            "42501" => "the user may not create tables there; make it the owner of the database",
            "53300" => "the server has no connection left; lower database.max_connections",
            "57P03" => "the server is starting or stopping; try again",
            _ => "the server refused; see the cause",
        },
        Cause::Network => "the server does not answer; check host, port, and whether it runs",
        Cause::Tls => "the encrypted connection failed; check sslmode and the certificate",
        Cause::Sqlite(_) | Cause::Other => "see the cause",
    }
}

/// What failed, by code, never by text.
enum Cause {
    /// SQLite's primary result code.
    Sqlite(i64),
    /// PostgreSQL's SQLSTATE.
    Postgres(String),
    Network,
    Tls,
    Other,
}

impl Cause {
    fn of(error: &DbErr) -> Self {
        if let DbErr::ConnectionAcquire(_) = error {
            return Self::Network;
        }
        let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = error else {
            return Self::Other;
        };
        let RuntimeErr::SqlxError(cause) = cause else {
            return Self::Other;
        };
        if let sqlx::Error::Database(error) = &**cause {
            let code = error.code().unwrap_or_default().into_owned();
            if error
                .try_downcast_ref::<sqlx::sqlite::SqliteError>()
                .is_none()
            {
                return Self::Postgres(code);
            }
            // The low byte of an extended code is the primary one.
            return Self::Sqlite(code.parse::<i64>().unwrap_or_default() & 0xff);
        }
        if let sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut = &**cause {
            return Self::Network;
        }
        if let sqlx::Error::Tls(_) = &**cause {
            return Self::Tls;
        }
        Self::Other
    }
}
