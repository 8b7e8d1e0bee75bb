//! Client secrets that end: until when each secret of a client is good, for rotation.
//!
//! A list beside `secret_hashes`, in the same order: milliseconds since the Unix epoch, or null for a
//! secret that does not end. A secret that the list does not reach does not end either, so rows that
//! were written before need no change.

use sea_orm_migration::prelude::*;

/// Adds `clients.secrets_expire_at`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = ColumnDef::new("secrets_expire_at")
            .text()
            .not_null()
            .default("[]")
            .take();
        let table = Table::alter().table("clients").add_column(column).take();
        manager.alter_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("clients")
            .drop_column("secrets_expire_at")
            .take();
        manager.alter_table(table).await
    }
}
