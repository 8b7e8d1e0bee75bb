//! The identity provider's tokens of a login, sealed, for as long as its session lives.
//!
//! A table of its own, and not columns of `grants`: the tokens come with the login, before there is
//! a grant, and go when the grant ends, while its row stays for people who look.

use sea_orm_migration::prelude::*;

/// Creates `upstream_tokens`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let moment = |name: &'static str| ColumnDef::new(name).big_integer().not_null().take();
        let optional_moment = |name: &'static str| ColumnDef::new(name).big_integer().take();
        let table = Table::create()
            .table("upstream_tokens")
            // The trip through /oauth/authorize that brought them.
            .col(ColumnDef::new("flow").text().not_null().primary_key())
            .col(ColumnDef::new("sub").text().not_null())
            // Set when the code of that trip is redeemed.
            .col(ColumnDef::new("grant_id").text())
            .col(ColumnDef::new("access_token").blob().not_null())
            .col(ColumnDef::new("refresh_token").blob())
            .col(optional_moment("expires_at"))
            .col(optional_moment("renew_at"))
            .col(moment("keep_until"))
            // Counts the renewals, so that nobody renews what another has just renewed.
            .col(ColumnDef::new("version").big_integer().not_null())
            // Who may ask the provider for new ones at the moment, and until when.
            .col(ColumnDef::new("lease_holder").binary_len(16))
            .col(optional_moment("lease_until"))
            .foreign_key(
                ForeignKey::create()
                    .name("upstream_tokens_grant")
                    .from("upstream_tokens", "grant_id")
                    .to("grants", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .take();
        manager.create_table(table).await?;
        let by_grant = Index::create()
            .name("upstream_tokens_grant_id")
            .table("upstream_tokens")
            .col("grant_id")
            .unique()
            .take();
        manager.create_index(by_grant).await?;
        let by_end = Index::create()
            .name("upstream_tokens_keep_until")
            .table("upstream_tokens")
            .col("keep_until")
            .take();
        manager.create_index(by_end).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table(Alias::new("upstream_tokens")).take())
            .await
    }
}
