//! Offline grants, which clients are background jobs, and the browsers in which users are signed in
//! to their account pages.
//!
//! The conventions are those of the first schema. Offline grants are a table of their own, not a kind
//! of `grants`: no statement about sessions can find one, and none about them a session.

use sea_orm_migration::prelude::*;

/// Creates `offline_grants` and `account_sessions`; adds `clients.background`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let background = ColumnDef::new("background")
            .boolean()
            .not_null()
            .default(false)
            .take();
        let clients = Table::alter()
            .table("clients")
            .add_column(background)
            .take();
        manager.alter_table(clients).await?;
        manager.create_table(offline_grants()).await?;
        manager.create_table(account_sessions()).await?;
        // A user has one answer for each downstream.
        let one_each = Index::create()
            .name("offline_grants_sub_downstream")
            .table("offline_grants")
            .col("sub")
            .col("downstream")
            .unique()
            .take();
        manager.create_index(one_each).await?;
        for (name, table, column) in [
            ("account_sessions_sub", "account_sessions", "sub"),
            (
                "account_sessions_expires_at",
                "account_sessions",
                "expires_at",
            ),
        ] {
            let index = Index::create().name(name).table(table).col(column).take();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["account_sessions", "offline_grants"] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).take())
                .await?;
        }
        let clients = Table::alter()
            .table("clients")
            .drop_column("background")
            .take();
        manager.alter_table(clients).await
    }
}

fn offline_grants() -> TableCreateStatement {
    Table::create()
        .table("offline_grants")
        .col(text("id").primary_key())
        .col(text("sub"))
        .col(text("downstream"))
        .col(text("scope"))
        .col(moment("granted_at"))
        .col(ColumnDef::new("withdrawn_at").big_integer())
        .take()
}

fn account_sessions() -> TableCreateStatement {
    Table::create()
        .table("account_sessions")
        // SHA-256 of the cookie.
        .col(
            ColumnDef::new("hash")
                .binary_len(32)
                .not_null()
                .primary_key(),
        )
        .col(text("sub"))
        .col(moment("expires_at"))
        .take()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

fn moment(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}
