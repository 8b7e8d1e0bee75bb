//! A rolling update: while new replicas start and migrate, old ones go on with the same database.
//!
//! `migrations/released-schema.txt` is the schema that the last release wrote its rows in. Whatever
//! has come since, each of its columns must be there, and a row of its columns alone must be good.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use sea_orm::{ConnectionTrait as _, Database as Connection, DbBackend, Statement};

use super::database::Database;
use super::on_both;

on_both! {
    an_old_replica_goes_on_after_a_new_one_has_migrated
}

/// Whether a row must have a value of its own in this column, by table and column.
type Schema = BTreeMap<(String, String), Demand>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    /// Null, or a default, will do.
    Optional,
    Required,
}

/// The schema as the database itself lists it.
async fn schema_of(database: &Database) -> Schema {
    database.open().await.close().await.unwrap();
    let url = match database.file() {
        Some(file) => format!("sqlite:{}?mode=ro", file.display()),
        None => database.url.clone(),
    };
    let connection = Connection::connect(url).await.unwrap();
    let backend = connection.get_database_backend();
    let sql = if backend == DbBackend::Sqlite {
        "SELECT m.name AS tbl, c.name AS col, \
             c.\"notnull\" = 1 AND c.dflt_value IS NULL AS required \
             FROM sqlite_schema AS m, pragma_table_info(m.name) AS c \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'"
    } else {
        "SELECT table_name::text AS tbl, column_name::text AS col, \
             is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO' AS required \
             FROM information_schema.columns WHERE table_schema = current_schema()"
    };
    let rows = connection
        .query_all_raw(Statement::from_string(backend, sql))
        .await
        .unwrap();
    let schema = rows
        .iter()
        .map(|row| {
            let text = |name| row.try_get::<String>("", name).unwrap();
            let demand = if row.try_get("", "required").unwrap() {
                Demand::Required
            } else {
                Demand::Optional
            };
            ((text("tbl"), text("col")), demand)
        })
        .collect();
    connection.close().await.unwrap();
    schema
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../migrations/released-schema.txt")
}

/// Lines of `table.column`, with ` required` behind it where a row must have a value.
fn released() -> Schema {
    let text = std::fs::read_to_string(file()).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, demand) = match line.strip_suffix(" required") {
                Some(name) => (name, Demand::Required),
                None => (line, Demand::Optional),
            };
            let (table, column) = name.split_once('.').unwrap();
            ((table.to_owned(), column.to_owned()), demand)
        })
        .collect()
}

async fn an_old_replica_goes_on_after_a_new_one_has_migrated(database: Database) {
    let now = schema_of(&database).await;
    let released = released();
    assert!(released.len() > 100, "the released schema is cut");
    for (name, demand) in &released {
        let found = now.get(name);
        assert!(found.is_some(), "{name:?} is gone; drop it a release later");
        if *demand == Demand::Optional {
            assert_eq!(found, Some(demand), "old rows have no value for {name:?}");
        }
    }
    for (name, demand) in &now {
        let is_old_table = released.keys().any(|(table, _)| *table == name.0);
        if is_old_table && !released.contains_key(name) {
            let hint = "an old replica does not fill it: make it nullable, or give it a default";
            assert_eq!(*demand, Demand::Optional, "{name:?}: {hint}");
        }
    }
}

#[tokio::test]
#[ignore = "it writes migrations/released-schema.txt when RELEASED_SCHEMA=write, at a release only"]
async fn regenerate() {
    if std::env::var_os("RELEASED_SCHEMA").is_none_or(|value| value != "write") {
        return;
    }
    let mut text = String::from(
        "# The schema of the last release, which old replicas go on with during an update. Written at\n\
         # a release: RELEASED_SCHEMA=write cargo test -p broker --test it -- --ignored rolling\n",
    );
    for ((table, column), demand) in schema_of(&Database::sqlite("released")).await {
        let demand = match demand {
            Demand::Optional => "",
            Demand::Required => " required",
        };
        writeln!(text, "{table}.{column}{demand}").unwrap();
    }
    std::fs::write(file(), text).unwrap();
}
