//! Finds users whose Nextcloud uids differ in case only, which are one account to Nextcloud.

use sea_orm_migration::prelude::*;

/// Creates an index on the lower-case uid.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statement = "CREATE INDEX users_nextcloud_uid_lower ON users (lower(nextcloud_uid))";
        let connection = manager.get_connection();
        connection.execute_unprepared(statement).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let statement = "DROP INDEX users_nextcloud_uid_lower";
        connection.execute_unprepared(statement).await.map(drop)
    }
}
