//! The broker's database schema, step by step, for SQLite and PostgreSQL.
//!
//! Owns table and column definitions. Leaves to the broker's `storage` module when migrations run
//! and under which lock. A published migration is never edited; see `README.md`.

mod m20261121_000001_initial;
mod m20261121_000002_client_documents;
mod m20261121_000003_client_secrets_expire;
mod m20261121_000010_client_deletions;
mod m20261121_000011_client_seeds;
mod m20261121_000020_consents;
mod m20261121_000030_upstream_tokens;
mod m20261121_000040_registration;
mod m20261121_000041_client_assertions;
mod m20261121_000050_uid_twins;
mod m20261121_000060_resources;
mod m20261121_000061_offline_grants;
mod m20261121_000070_offline_tokens;
mod m20261121_000080_accounts;
mod m20261121_000081_webhooks;
mod m20261121_000091_hastened_keys;
mod m20261121_000092_audit_seals;

pub use sea_orm_migration::MigratorTrait;

use sea_orm_migration::prelude::*;

/// The table that records applied migrations.
///
/// Its name is our own, not the library's default, so that it also tells a database of the broker
/// from that of any other program.
pub const MIGRATION_TABLE: &str = "mcp_token_broker_migrations";

/// All migrations, oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_initial::Migration),
            Box::new(m20261121_000002_client_documents::Migration),
            Box::new(m20261121_000003_client_secrets_expire::Migration),
            Box::new(m20261121_000010_client_deletions::Migration),
            Box::new(m20261121_000011_client_seeds::Migration),
            Box::new(m20261121_000020_consents::Migration),
            Box::new(m20261121_000030_upstream_tokens::Migration),
            Box::new(m20261121_000040_registration::Migration),
            Box::new(m20261121_000041_client_assertions::Migration),
            Box::new(m20261121_000050_uid_twins::Migration),
            Box::new(m20261121_000060_resources::Migration),
            Box::new(m20261121_000061_offline_grants::Migration),
            Box::new(m20261121_000070_offline_tokens::Migration),
            Box::new(m20261121_000080_accounts::Migration),
            Box::new(m20261121_000081_webhooks::Migration),
            Box::new(m20261121_000091_hastened_keys::Migration),
            Box::new(m20261121_000092_audit_seals::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        MIGRATION_TABLE.into_iden()
    }
}

/// The names of all migrations that this version knows, oldest first.
#[must_use]
pub fn names() -> Vec<String> {
    Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect()
}
