//! A broker's database as somebody would see it who stole it: every column of every table, as bytes.
//!
//! Which tables and columns there are is asked of the database itself, so that what is added later is
//! seen too.

use anyhow::{Context as _, Result};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};

/// What stands in a database.
#[derive(Debug)]
pub struct Dump(Vec<Cell>);

/// One value, and where it stands.
#[derive(Debug)]
struct Cell {
    table: String,
    column: String,
    value: Vec<u8>,
}

/// The PostgreSQL server that `TEST_POSTGRES_URL` names, if it does.
#[must_use]
pub fn postgres_server() -> Option<String> {
    std::env::var("TEST_POSTGRES_URL").ok()
}

/// A schema of its own on the PostgreSQL server at `server`, empty; the URL that uses it.
///
/// # Errors
/// When the server does not answer or does not let us.
pub async fn fresh_schema(server: &str, name: &str) -> Result<String> {
    let connection = Database::connect(server).await?;
    for sql in [
        format!("DROP SCHEMA IF EXISTS {name} CASCADE"),
        format!("CREATE SCHEMA {name}"),
    ] {
        connection.execute_unprepared(&sql).await?;
    }
    connection.close().await?;
    let separator = if server.contains('?') { '&' } else { '?' };
    Ok(format!("{server}{separator}options=-csearch_path%3D{name}"))
}

impl Dump {
    /// Reads the database at `url`, as the broker names it, while it is in use.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(url: &str) -> Result<Self> {
        let read_only = match url.strip_prefix("sqlite:") {
            Some(path) => format!("sqlite:{path}?mode=ro"),
            None => url.to_owned(),
        };
        let connection = Database::connect(read_only).await?;
        let mut cells = Vec::new();
        for (table, column, is_bytes) in columns(&connection).await? {
            let value = match (connection.get_database_backend(), is_bytes) {
                (DbBackend::Sqlite, _) => format!("CAST(\"{column}\" AS BLOB)"),
                (_, true) => format!("\"{column}\""),
                (_, false) => format!("convert_to(\"{column}\"::text, 'UTF8')"),
            };
            let sql =
                format!("SELECT {value} AS value FROM \"{table}\" WHERE \"{column}\" IS NOT NULL");
            for row in connection
                .query_all_raw(statement(&connection, sql))
                .await?
            {
                cells.push(Cell {
                    table: table.clone(),
                    column: column.clone(),
                    value: row.try_get("", "value")?,
                });
            }
        }
        connection.close().await?;
        Ok(Self(cells))
    }

    /// Where `needle` stands, as `table.column`.
    #[must_use]
    pub fn places_of(&self, needle: &[u8]) -> Vec<String> {
        self.places(|value| contains(value, needle))
    }

    /// Where something stands that has the shape of a JWT.
    #[must_use]
    pub fn places_of_jwts(&self) -> Vec<String> {
        self.places(has_jwt)
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn places(&self, is_there: impl Fn(&[u8]) -> bool) -> Vec<String> {
        let mut places: Vec<_> = self
            .0
            .iter()
            .filter(|cell| is_there(&cell.value))
            .map(|cell| format!("{}.{}", cell.table, cell.column))
            .collect();
        places.dedup();
        places
    }
}

/// Table, column, and whether its values are bytes.
async fn columns(connection: &DatabaseConnection) -> Result<Vec<(String, String, bool)>> {
    let sql = if connection.get_database_backend() == DbBackend::Sqlite {
        "SELECT m.name AS \"table\", c.name AS \"column\", c.type AS \"type\" \
         FROM sqlite_schema AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'"
    } else {
        "SELECT table_name::text AS \"table\", column_name::text AS \"column\", \
         data_type::text AS \"type\" FROM information_schema.columns \
         WHERE table_schema = current_schema()"
    };
    let rows = connection
        .query_all_raw(statement(connection, sql.to_owned()))
        .await?;
    rows.iter()
        .map(|row| {
            let text = |name| row.try_get::<String>("", name).context("schema");
            Ok((text("table")?, text("column")?, text("type")? == "bytea"))
        })
        .collect()
}

fn statement(connection: &DatabaseConnection, sql: String) -> Statement {
    Statement::from_string(connection.get_database_backend(), sql)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|part| part == needle)
}

/// Whether there are two objects in base64url with a dot between: header and claims of a JWS.
fn has_jwt(value: &[u8]) -> bool {
    value
        .split(|byte| !byte.is_ascii_alphanumeric() && !b"-_.".contains(byte))
        .any(|word| {
            let parts: Vec<_> = word.split(|byte| *byte == b'.').collect();
            parts
                .windows(2)
                .any(|pair| pair.iter().all(|part| part.starts_with(b"eyJ")))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_is_seen_wherever_it_stands() {
        for (text, expected) in [
            (r#"{"token":"eyJhbGciOiJ9.eyJpc3MiOiJ9.c2ln"}"#, true),
            ("eyJhbGciOiJ9.eyJpc3MiOiJ9.", true),
            ("eyJhbGciOiJ9", false),
            ("https://a.example/eyJ.html", false),
            ("", false),
        ] {
            assert_eq!(has_jwt(text.as_bytes()), expected, "{text}");
        }
    }
}
