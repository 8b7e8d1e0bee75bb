//! A database of a test's own: an SQLite file, or a schema on the PostgreSQL server.

use std::path::{Path, PathBuf};

use broker::storage::{self, OpenError, Options, Store, Synchronous};
use sea_orm::ConnectionTrait as _;

pub(super) struct Database {
    pub(super) url: String,
    directory: Option<PathBuf>,
}

impl Database {
    pub(super) fn sqlite(name: &str) -> Self {
        let unique = format!("broker-storage-{name}-{}", uuid::Uuid::now_v7());
        let directory = std::env::temp_dir().join(unique);
        std::fs::create_dir(&directory).unwrap();
        let url = format!("sqlite:{}", directory.join("broker.db").display());
        Self {
            url,
            directory: Some(directory),
        }
    }

    /// `None` when no server is given.
    pub(super) async fn postgres(name: &str) -> Option<Self> {
        let server = std::env::var_os("TEST_POSTGRES_URL")?
            .into_string()
            .unwrap();
        // PostgreSQL cuts names at 63 bytes.
        let schema: String = format!("t_{name}").chars().take(60).collect();
        let connection = sea_orm::Database::connect(&server).await.unwrap();
        for statement in ["DROP SCHEMA IF EXISTS", "CREATE SCHEMA"] {
            let cascade = if statement.starts_with("DROP") {
                "CASCADE"
            } else {
                ""
            };
            let sql = format!("{statement} {schema} {cascade}");
            connection.execute_unprepared(&sql).await.unwrap();
        }
        connection.close().await.unwrap();
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-csearch_path%3D{schema}");
        Some(Self {
            url,
            directory: None,
        })
    }

    pub(super) fn options(&self) -> Options {
        Options {
            url: self.url.clone(),
            // What is tested here survives without fsync.
            synchronous: Synchronous::Normal,
            max_connections: 4,
        }
    }

    pub(super) async fn open(&self) -> Store {
        self.try_open()
            .await
            .unwrap_or_else(|error| panic!("{error}: {error:?}"))
    }

    pub(super) async fn try_open(&self) -> Result<Store, OpenError> {
        storage::open(&self.options()).await
    }

    /// Does something to the database behind the broker's back.
    pub(super) async fn execute(&self, sql: &str) {
        let url = match self.file() {
            Some(file) => format!("sqlite:{}?mode=rwc", file.display()),
            None => self.url.clone(),
        };
        let connection = sea_orm::Database::connect(url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The SQLite file.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.directory
            .as_deref()
            .map(|directory| directory.join("broker.db"))
    }

    pub(super) fn directory(&self) -> &Path {
        self.directory.as_deref().unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(directory) = &self.directory {
            drop(std::fs::remove_dir_all(directory));
        }
    }
}
