//! How busy the connections are.

use sea_orm::DatabaseConnectionType;

use super::Store;
use crate::metrics::PoolReading;

impl Store {
    /// The connections of this process at this moment.
    #[must_use]
    pub fn pool(&self) -> PoolReading {
        let (open, idle, most) = match &self.connection.inner {
            DatabaseConnectionType::SqlxSqlitePoolConnection(_) => {
                let pool = self.connection.get_sqlite_connection_pool();
                let most = pool.options().get_max_connections();
                (pool.size(), pool.num_idle(), most)
            }
            DatabaseConnectionType::SqlxPostgresPoolConnection(_) => {
                let pool = self.connection.get_postgres_connection_pool();
                let most = pool.options().get_max_connections();
                (pool.size(), pool.num_idle(), most)
            }
            DatabaseConnectionType::Disconnected => return PoolReading::default(),
        };
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        PoolReading {
            idle,
            used: count(open).saturating_sub(idle),
            most: count(most),
        }
    }
}
