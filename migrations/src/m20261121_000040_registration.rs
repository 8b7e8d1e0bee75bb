//! Registration under control: initial access tokens, limits per address, and which clients are used.
//!
//! What a client does at each login stands in tables of its own, so that a login does not change the
//! client: its version and `updated_at` stay, and no replica reads it anew.

use sea_orm_migration::prelude::*;

/// Creates `registration_tokens`, `registration_attempts` and `client_uses`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [tokens(), attempts(), uses()] {
            manager.create_table(table).await?;
        }
        let by_hash = Index::create()
            .name("registration_tokens_hash")
            .table("registration_tokens")
            .col("hash")
            .unique()
            .take();
        manager.create_index(by_hash).await?;
        // Who is logged in with a client has used it.
        let used = "INSERT INTO client_uses (client_id, last_used_at) \
             SELECT client_id, MAX(created_at) FROM grants \
             WHERE client_id IN (SELECT id FROM clients) GROUP BY client_id";
        manager.get_connection().execute_unprepared(used).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "client_uses",
            "registration_attempts",
            "registration_tokens",
        ] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).take())
                .await?;
        }
        Ok(())
    }
}

fn tokens() -> TableCreateStatement {
    Table::create()
        .table("registration_tokens")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(ColumnDef::new("hash").binary_len(32).not_null())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        // Null: never.
        .col(ColumnDef::new("expires_at").big_integer())
        // Null: as many as one likes.
        .col(ColumnDef::new("most_uses").big_integer())
        .col(ColumnDef::new("uses").big_integer().not_null())
        .take()
}

fn attempts() -> TableCreateStatement {
    Table::create()
        .table("registration_attempts")
        .col(ColumnDef::new("address").text().not_null())
        // When the window began in which they are counted.
        .col(ColumnDef::new("since").big_integer().not_null())
        .col(ColumnDef::new("attempts").big_integer().not_null())
        .primary_key(Index::create().col("address").col("since"))
        .take()
}

fn uses() -> TableCreateStatement {
    Table::create()
        .table("client_uses")
        .col(ColumnDef::new("client_id").text().not_null().primary_key())
        .col(ColumnDef::new("last_used_at").big_integer().not_null())
        .foreign_key(
            ForeignKey::create()
                .name("client_uses_client")
                .from("client_uses", "client_id")
                .to("clients", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .take()
}
