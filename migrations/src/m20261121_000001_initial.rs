//! The first schema: clients, users, logins, sessions, signing keys, audit, admin tokens.
//!
//! Conventions: moments are `bigint` milliseconds since the Unix epoch (UTC); hashes are the 32
//! bytes of a SHA-256; lists and maps are JSON in `text`; closed sets are words in `text`.

use sea_orm_migration::prelude::*;

/// Creates every table of the first release.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            clients(),
            users(),
            authorizations(),
            grants(),
            refresh_tokens(),
            signing_keys(),
            audit_events(),
            admin_tokens(),
        ] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Children first: refresh tokens refer to grants.
        for table in [
            "admin_tokens",
            "audit_events",
            "signing_keys",
            "refresh_tokens",
            "grants",
            "authorizations",
            "users",
            "clients",
        ] {
            manager
                .drop_table(Table::drop().table(Alias::new(table)).take())
                .await?;
        }
        Ok(())
    }
}

fn clients() -> TableCreateStatement {
    Table::create()
        .table("clients")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(text("kind"))
        .col(text("status"))
        .col(optional_text("name"))
        .col(text("redirect_uris"))
        .col(text("grant_types"))
        .col(text("auth_method"))
        // SHA-256 hashes, 32 bytes each, one after the other: none, one, or two while rotating.
        .col(ColumnDef::new("secret_hashes").blob().not_null())
        .col(optional_text("scope"))
        .col(text("serves"))
        .col(text("exchange"))
        .col(text("metadata"))
        .col(optional_hash("registration_token_hash"))
        .col(moment("created_at"))
        .col(moment("updated_at"))
        .col(ColumnDef::new("version").big_integer().not_null())
        .take()
}

fn users() -> TableCreateStatement {
    Table::create()
        .table("users")
        .col(ColumnDef::new("sub").text().not_null().primary_key())
        .col(text("upstream_issuer"))
        .col(text("upstream_subject"))
        .col(optional_text("nextcloud_uid"))
        .col(optional_text("name"))
        .col(moment("created_at"))
        .col(moment("last_login_at"))
        .take()
}

fn authorizations() -> TableCreateStatement {
    Table::create()
        .table("authorizations")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(text("client_id"))
        .col(text("redirect_uri"))
        .col(optional_text("state"))
        .col(text("scope"))
        .col(text("resource"))
        .col(text("code_challenge"))
        .col(hash("browser_hash"))
        .col(moment("created_at"))
        .col(moment("expires_at"))
        .col(text("stage"))
        .col(optional_text("sub"))
        .col(optional_hash("code_hash"))
        .col(optional_moment("code_expires_at"))
        .col(optional_text("grant_id"))
        .take()
}

fn grants() -> TableCreateStatement {
    Table::create()
        .table("grants")
        .col(ColumnDef::new("id").text().not_null().primary_key())
        .col(text("sub"))
        .col(text("client_id"))
        .col(text("resource"))
        .col(text("scope"))
        .col(moment("created_at"))
        .col(moment("expires_at"))
        .col(optional_moment("ended_at"))
        .col(optional_text("end_reason"))
        .take()
}

fn refresh_tokens() -> TableCreateStatement {
    Table::create()
        .table("refresh_tokens")
        .col(hash("hash").primary_key())
        .col(text("grant_id"))
        .col(moment("issued_at"))
        .col(moment("expires_at"))
        .col(optional_moment("spent_at"))
        .col(optional_hash("salt"))
        .col(optional_hash("successor_hash"))
        .foreign_key(
            ForeignKey::create()
                .name("refresh_tokens_grant")
                .from("refresh_tokens", "grant_id")
                .to("grants", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .take()
}

fn signing_keys() -> TableCreateStatement {
    Table::create()
        .table("signing_keys")
        .col(ColumnDef::new("kid").text().not_null().primary_key())
        .col(text("algorithm"))
        .col(ColumnDef::new("private_key").blob().not_null())
        .col(ColumnDef::new("sealed").boolean().not_null())
        .col(text("public_jwk"))
        .col(text("state"))
        .col(moment("published_at"))
        .col(optional_moment("activated_at"))
        .col(optional_moment("retired_at"))
        .take()
}

fn audit_events() -> TableCreateStatement {
    Table::create()
        .table("audit_events")
        .col(
            ColumnDef::new("id")
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(moment("at"))
        .col(text("event"))
        .col(text("outcome"))
        .col(optional_text("error"))
        .col(text("actor_kind"))
        .col(optional_text("actor_id"))
        .col(optional_text("sub"))
        .col(optional_text("client_id"))
        .col(optional_text("resource"))
        .col(optional_text("downstream"))
        .col(optional_text("tool"))
        .col(optional_text("scope"))
        .col(optional_text("grant_id"))
        .col(optional_text("request_id"))
        .col(optional_text("trace_id"))
        .col(optional_text("address"))
        .col(text("details"))
        .take()
}

fn admin_tokens() -> TableCreateStatement {
    Table::create()
        .table("admin_tokens")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(hash("hash"))
        .col(text("role"))
        .col(moment("created_at"))
        .col(optional_moment("last_used_at"))
        .take()
}

fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        // Replicas poll for clients that changed.
        index("clients_updated_at", "clients", &["updated_at"]),
        index("clients_kind", "clients", &["kind"]),
        unique(
            "users_upstream",
            "users",
            &["upstream_issuer", "upstream_subject"],
        ),
        unique("authorizations_code", "authorizations", &["code_hash"]),
        index(
            "authorizations_expires_at",
            "authorizations",
            &["expires_at"],
        ),
        // Replicas poll for grants that were ended.
        index("grants_ended_at", "grants", &["ended_at"]),
        index("grants_expires_at", "grants", &["expires_at"]),
        index("grants_sub", "grants", &["sub"]),
        index("grants_client", "grants", &["client_id"]),
        index("refresh_tokens_grant", "refresh_tokens", &["grant_id"]),
        index(
            "refresh_tokens_expires_at",
            "refresh_tokens",
            &["expires_at"],
        ),
        // At most one key is next and one is active, whichever processes rotate at once.
        unique("signing_keys_one_of_each", "signing_keys", &["state"])
            .and_where(Expr::col("state").is_in(["next", "active"]))
            .take(),
        index("audit_events_at", "audit_events", &["at"]),
        index("audit_events_event", "audit_events", &["event", "id"]),
        index("audit_events_sub", "audit_events", &["sub", "id"]),
        index("audit_events_client", "audit_events", &["client_id", "id"]),
        unique("admin_tokens_hash", "admin_tokens", &["hash"]),
    ]
}

fn index(name: &str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut statement = Index::create();
    statement.name(name).table(table);
    for column in columns {
        statement.col(*column);
    }
    statement
}

fn unique(name: &str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(name, table, columns).unique().take()
}

fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

fn optional_text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().take()
}

fn moment(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

fn optional_moment(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

fn hash(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(32).not_null().take()
}

fn optional_hash(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(32).take()
}
