//! Resources that administrators manage, and a counter by which replicas notice a change.

use sea_orm_migration::prelude::*;

/// Creates `resources` and `catalog_versions`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [resources(), versions()] {
            manager.create_table(table).await?;
        }
        let counter = "INSERT INTO catalog_versions (id, version) VALUES (1, 0)";
        manager.get_connection().execute_unprepared(counter).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["catalog_versions", "resources"] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).take())
                .await?;
        }
        Ok(())
    }
}

fn resources() -> TableCreateStatement {
    Table::create()
        .table("resources")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(ColumnDef::new("name").text().not_null())
        .col(ColumnDef::new("aliases").text().not_null())
        // A JSON map: each scope, and its sentence for the consent page.
        .col(ColumnDef::new("scopes").text().not_null())
        .col(ColumnDef::new("default_scopes").text().not_null())
        .col(ColumnDef::new("downstreams").text().not_null())
        .col(ColumnDef::new("is_default").boolean().not_null())
        // Its version as the configuration last left it; null: an administrator made it.
        .col(ColumnDef::new("seeded_version").big_integer())
        .col(ColumnDef::new("created_at").big_integer().not_null())
        .col(ColumnDef::new("updated_at").big_integer().not_null())
        .col(ColumnDef::new("version").big_integer().not_null())
        .take()
}

/// One row, which every change of a resource counts up first: so changes wait for each other, and
/// replicas look at the resources only when it is another.
fn versions() -> TableCreateStatement {
    Table::create()
        .table("catalog_versions")
        .col(ColumnDef::new("id").integer().not_null().primary_key())
        .col(ColumnDef::new("version").big_integer().not_null())
        .take()
}
