//! Client ids that are URLs: when each client's metadata document was fetched.
//!
//! A table of its own, so that fetching a document again that has not changed does not change the
//! client: its version and `updated_at` stay, and no replica reads it anew.

use sea_orm_migration::prelude::*;

/// Creates `client_documents`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("client_documents")
            .col(ColumnDef::new("client_id").text().not_null().primary_key())
            .col(ColumnDef::new("fetched_at").big_integer().not_null())
            .col(ColumnDef::new("fresh_until").big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .name("client_documents_client")
                    .from("client_documents", "client_id")
                    .to("clients", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .take();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Alias::new("client_documents")).take())
            .await
    }
}
