//! Webhooks that the broker keeps at Nextcloud, and their deliveries on the way to background clients.
//!
//! The conventions are those of the first schema. The table of applied migrations is the version of
//! this schema, as of all others.

use sea_orm_migration::prelude::*;

/// Creates `registered_webhooks` and `webhook_deliveries`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(registered_webhooks()).await?;
        manager.create_table(webhook_deliveries()).await?;
        for (name, table, columns) in [
            (
                "registered_webhooks_client",
                "registered_webhooks",
                vec!["client_id", "preset"],
            ),
            (
                "webhook_deliveries_due",
                "webhook_deliveries",
                vec!["next_attempt_at"],
            ),
            (
                "webhook_deliveries_received",
                "webhook_deliveries",
                vec!["received_at", "id"],
            ),
        ] {
            let mut index = Index::create();
            index.name(name).table(table);
            for column in columns {
                index.col(column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["webhook_deliveries", "registered_webhooks"] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).take())
                .await?;
        }
        Ok(())
    }
}

fn registered_webhooks() -> TableCreateStatement {
    Table::create()
        .table("registered_webhooks")
        .col(text("id").primary_key())
        .col(text("preset"))
        .col(text("client_id"))
        .col(text("event"))
        // JSON: the uids of the people it is for; everybody, when there is no technical account either.
        .col(text("users"))
        // JSON: uids of accounts that are nobody's.
        .col(text("technical_accounts"))
        // False: it is to be deleted at Nextcloud, then here.
        .col(ColumnDef::new("wanted").boolean().not_null())
        // Its number at Nextcloud; null: it is to be registered there.
        .col(ColumnDef::new("nextcloud_id").big_integer())
        // SHA-256 of what its deliveries carry; null: it was never sent to Nextcloud.
        .col(ColumnDef::new("secret_hash").binary_len(32))
        .col(moment("created_at"))
        .col(moment("updated_at"))
        .take()
}

fn webhook_deliveries() -> TableCreateStatement {
    Table::create()
        .table("webhook_deliveries")
        .col(text("id").primary_key())
        .col(text("client_id"))
        .col(text("preset"))
        // The uid of the user whose background access it takes; null: none.
        .col(ColumnDef::new("grant_of").text())
        .col(text("event"))
        // What Nextcloud sent.
        .col(text("body"))
        .col(moment("received_at"))
        .col(ColumnDef::new("attempts").integer().not_null().default(0))
        // Null: it is not tried any more.
        .col(ColumnDef::new("next_attempt_at").big_integer())
        .col(ColumnDef::new("last_error").text())
        .col(ColumnDef::new("lease_holder").binary_len(16))
        .col(ColumnDef::new("lease_until").big_integer())
        .take()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

fn moment(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}
