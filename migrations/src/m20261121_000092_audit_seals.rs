//! The chain of seals over the audit trail.
//!
//! `audit_seals` gives each audit row a place in the chain and a hash over it and everything before;
//! `audit_chain` has one row: the key of the hashes, sealed, if there is an encryption key, and `turn`,
//! which whoever appends seals counts up, so that there is one at a time.

use sea_orm_migration::prelude::*;

/// Creates both tables, and the one row.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let chain = Table::create()
            .table("audit_chain")
            .col(ColumnDef::new("name").text().not_null().primary_key())
            .col(ColumnDef::new("chain_key").blob())
            .col(ColumnDef::new("turn").big_integer().not_null())
            .take();
        manager.create_table(chain).await?;
        let the_row = Query::insert()
            .into_table("audit_chain")
            .columns(["name", "turn"])
            .values_panic(["audit".into(), 0.into()])
            .take();
        manager.execute(the_row).await?;
        let seals = Table::create()
            .table("audit_seals")
            .col(
                ColumnDef::new("position")
                    .big_integer()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("event_id").big_integer().not_null())
            .col(ColumnDef::new("hash").binary_len(32).not_null())
            .col(ColumnDef::new("keyed").boolean().not_null())
            .take();
        manager.create_table(seals).await?;
        let once = Index::create()
            .name("audit_seals_event")
            .table("audit_seals")
            .col("event_id")
            .unique()
            .take();
        manager.create_index(once).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["audit_seals", "audit_chain"] {
            let drop = Table::drop().table(Alias::new(table)).take();
            manager.drop_table(drop).await?;
        }
        Ok(())
    }
}
