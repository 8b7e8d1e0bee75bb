//! Client assertions that were used (RFC 7523 §3, `jti`): each is good once, at whichever replica.
//!
//! The key is the SHA-256 of client and `jti`, 32 bytes; `expires_at` is when nobody would accept
//! the assertion any more, in milliseconds since the Unix epoch.

use sea_orm_migration::prelude::*;

/// Creates `client_assertions`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("client_assertions")
            .col(
                ColumnDef::new("hash")
                    .binary_len(32)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("expires_at").big_integer().not_null())
            .take();
        manager.create_table(table).await?;
        let index = Index::create()
            .name("client_assertions_expires_at")
            .table("client_assertions")
            .col("expires_at")
            .take();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Alias::new("client_assertions")).take())
            .await
    }
}
