//! From when on a next key signs, where an administrator does not wait until every cache knows it.

use sea_orm_migration::prelude::*;

/// Adds `activate_at` to `signing_keys`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = ColumnDef::new("activate_at").big_integer().take();
        let table = Table::alter()
            .table("signing_keys")
            .add_column(column)
            .take();
        manager.alter_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("signing_keys")
            .drop_column("activate_at")
            .take();
        manager.alter_table(table).await
    }
}
