//! The identity provider's refresh tokens of offline grants, sealed; users on their way to allow
//! background access there; and since when a grant fails.
//!
//! Tables of their own, apart from those of sessions: no statement about the one finds the other. A
//! request is not a grant in a further state, because an older broker would take it for one that
//! stands.

use sea_orm_migration::prelude::*;

/// Creates `offline_requests` and `offline_tokens`; adds to `offline_grants`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One at a time: SQLite adds one column in a statement.
        for column in [
            ColumnDef::new("failing_since").big_integer().take(),
            ColumnDef::new("failing_reason").text().take(),
        ] {
            let grants = Table::alter()
                .table("offline_grants")
                .add_column(column)
                .take();
            manager.alter_table(grants).await?;
        }
        manager.create_table(offline_requests()).await?;
        manager.create_table(offline_tokens()).await?;
        // A user is on one way to each downstream; the last one counts.
        let one_each = Index::create()
            .name("offline_requests_sub_downstream")
            .table("offline_requests")
            .col("sub")
            .col("downstream")
            .unique()
            .take();
        manager.create_index(one_each).await?;
        for (name, table, column) in [
            (
                "offline_requests_expires_at",
                "offline_requests",
                "expires_at",
            ),
            ("offline_tokens_sub", "offline_tokens", "sub"),
            // Leases that nobody gave back are looked for.
            (
                "offline_tokens_lease_until",
                "offline_tokens",
                "lease_until",
            ),
        ] {
            let index = Index::create().name(name).table(table).col(column).take();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["offline_tokens", "offline_requests"] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).take())
                .await?;
        }
        for column in ["failing_reason", "failing_since"] {
            let grants = Table::alter()
                .table("offline_grants")
                .drop_column(column)
                .take();
            manager.alter_table(grants).await?;
        }
        Ok(())
    }
}

fn offline_requests() -> TableCreateStatement {
    Table::create()
        .table("offline_requests")
        .col(text("id").primary_key())
        .col(text("sub"))
        .col(text("downstream"))
        .col(text("scope"))
        .col(moment("expires_at"))
        // Set by the first answer of the provider, so that there is no second one.
        .col(optional_moment("answered_at"))
        .take()
}

fn offline_tokens() -> TableCreateStatement {
    let blob = |name: &'static str| ColumnDef::new(name).blob().not_null().take();
    Table::create()
        .table("offline_tokens")
        .col(text("offline_grant").primary_key())
        .col(text("sub"))
        .col(blob("access_token"))
        .col(blob("refresh_token"))
        .col(optional_moment("expires_at"))
        .col(optional_moment("renew_at"))
        // Counts the renewals, so that nobody renews what another has just renewed.
        .col(ColumnDef::new("version").big_integer().not_null())
        // Who asks the provider for new ones at the moment, and until when. One that is over and was
        // not given back says that its holder died and the provider's answer may be lost.
        .col(ColumnDef::new("lease_holder").binary_len(16))
        .col(optional_moment("lease_until"))
        .foreign_key(
            ForeignKey::create()
                .name("offline_tokens_offline_grant")
                .from("offline_tokens", "offline_grant")
                .to("offline_grants", "id")
                .on_update(ForeignKeyAction::Cascade)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .take()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

fn moment(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

fn optional_moment(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}
