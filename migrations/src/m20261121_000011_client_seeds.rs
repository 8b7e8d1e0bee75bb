//! Which clients the configuration wrote, and in which version: what has another version since was
//! changed by an administrator, and the configuration leaves it alone.

use sea_orm_migration::prelude::*;

/// Creates `client_seeds`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("client_seeds")
            .col(ColumnDef::new("client_id").text().not_null().primary_key())
            // Of the client, as the configuration last left it.
            .col(ColumnDef::new("version").big_integer().not_null())
            // Whether the configuration still names it.
            .col(ColumnDef::new("configured").boolean().not_null())
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Alias::new("client_seeds")).take())
            .await
    }
}
