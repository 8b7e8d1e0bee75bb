//! Deleted clients: each replica holds the confidential ones in memory and must hear that one is gone.

use sea_orm_migration::prelude::*;

/// Creates `client_deletions`, and an index to list clients by.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("client_deletions")
            .col(ColumnDef::new("client_id").text().not_null().primary_key())
            .col(ColumnDef::new("deleted_at").big_integer().not_null())
            .take();
        manager.create_table(table).await?;
        let deleted = Index::create()
            .name("client_deletions_deleted_at")
            .table("client_deletions")
            .col("deleted_at")
            .take();
        manager.create_index(deleted).await?;
        manager.create_index(by_age("clients")).await?;
        manager.create_index(by_age("grants")).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["clients", "grants"] {
            let index = Index::drop()
                .name(index_name(table))
                .table(Alias::new(table))
                .to_owned();
            manager.drop_index(index).await?;
        }
        manager
            .drop_table(Table::drop().table(Alias::new("client_deletions")).take())
            .await
    }
}

/// Administrators list newest first.
fn by_age(table: &'static str) -> IndexCreateStatement {
    Index::create()
        .name(index_name(table))
        .table(table)
        .col("created_at")
        .col("id")
        .take()
}

fn index_name(table: &str) -> String {
    format!("{table}_created_at")
}
