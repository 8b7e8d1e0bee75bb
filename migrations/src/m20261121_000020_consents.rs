//! Remembered consents, and which user a browser logged in as last.
//!
//! The conventions are those of the first schema.

use sea_orm_migration::prelude::*;

/// Creates `consents` and `browsers`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(consents()).await?;
        manager.create_table(browsers()).await?;
        for (name, table, column) in [
            ("consents_sub", "consents", "sub"),
            ("consents_client", "consents", "client_id"),
            ("consents_expires_at", "consents", "expires_at"),
            ("browsers_expires_at", "browsers", "expires_at"),
        ] {
            let index = Index::create().name(name).table(table).col(column).take();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["browsers", "consents"] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).take())
                .await?;
        }
        Ok(())
    }
}

fn consents() -> TableCreateStatement {
    Table::create()
        .table("consents")
        // SHA-256 of user, client, redirect URI and resource: together they are longer than an
        // index of PostgreSQL takes.
        .col(hash("id").primary_key())
        .col(text("sub"))
        .col(text("client_id"))
        .col(text("redirect_uri"))
        .col(text("resource"))
        .col(text("scope"))
        // SHA-256 of what the client said of itself.
        .col(hash("client_hash"))
        .col(moment("given_at"))
        .col(moment("expires_at"))
        .foreign_key(
            ForeignKey::create()
                .name("consents_client")
                .from("consents", "client_id")
                .to("clients", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .take()
}

fn browsers() -> TableCreateStatement {
    Table::create()
        .table("browsers")
        .col(hash("hash").primary_key())
        .col(text("sub"))
        .col(moment("expires_at"))
        .take()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

fn hash(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(32).not_null().take()
}

fn moment(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}
