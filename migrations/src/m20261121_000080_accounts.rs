//! What the account watch knows of each user, the sessions at the identity provider, and leases.
//!
//! The conventions are those of the first schema. The columns of `users` have defaults, so a binary
//! that does not know them goes on writing users.

use sea_orm_migration::prelude::*;

/// Adds the watch's columns to `users`; creates `upstream_sessions` and `leases`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// When Nextcloud was last asked about the account (0: never), under which uid it was last seen there,
/// and when it was found disabled or gone (null: it was not, or its user has signed in anew).
const WATCHED: [&str; 3] = ["account_checked_at", "account_seen_uid", "account_ended_at"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let [checked_at, seen_uid, ended_at] = WATCHED;
        for column in [
            moment(checked_at).default(0).take(),
            ColumnDef::new(seen_uid).text().take(),
            ColumnDef::new(ended_at).big_integer().take(),
        ] {
            let users = Table::alter().table("users").add_column(column).take();
            manager.alter_table(users).await?;
        }
        manager.create_table(upstream_sessions()).await?;
        manager.create_table(leases()).await?;
        for (name, table, column) in [
            ("users_account_checked_at", "users", checked_at),
            (
                "upstream_sessions_expires_at",
                "upstream_sessions",
                "expires_at",
            ),
        ] {
            let index = Index::create().name(name).table(table).col(column).take();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["leases", "upstream_sessions"] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).take())
                .await?;
        }
        let index = Index::drop()
            .name("users_account_checked_at")
            .table("users")
            .to_owned();
        manager.drop_index(index).await?;
        for column in WATCHED {
            let users = Table::alter()
                .table("users")
                .drop_column(Alias::new(column))
                .take();
            manager.alter_table(users).await?;
        }
        Ok(())
    }
}

/// Whose session at the identity provider it is: a logout token may name nothing else.
fn upstream_sessions() -> TableCreateStatement {
    Table::create()
        .table("upstream_sessions")
        .col(ColumnDef::new("sid").text().not_null().primary_key())
        .col(ColumnDef::new("sub").text().not_null())
        .col(moment("expires_at"))
        .take()
}

/// Work that one replica at a time does: who, and until when.
fn leases() -> TableCreateStatement {
    Table::create()
        .table("leases")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(ColumnDef::new("holder").binary_len(16).not_null())
        .col(moment("until"))
        .take()
}

fn moment(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}
